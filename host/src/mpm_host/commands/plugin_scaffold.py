"""`mpm plugins new`, and what `mpm plugins list --requirements` prints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from mpm_core import ChargeKind, DeviceKind, PluginKind, Recovery, UserError
from mpm_core.discovery import CORE_DISTRIBUTION, installed_plugins
from mpm_core.scaffold import (
    RECOVERIES,
    SOLD_FOR,
    PluginPlan,
    check_new_name,
    check_title,
    write_plugin,
)
from mpm_host.commands.output import print_json
from mpm_host.commands.surroundings import is_terminal

__all__ = ["new_command", "requirements", "requirements_option"]

Choice = TypeVar("Choice", PluginKind, DeviceKind, Recovery)

_RECOVERY_QUESTION = (
    "When an answer of the vendor is lost: none (nothing can be known), keyed (a repeat of our key "
    "sells once), lookup (it can be asked)"
)


def requirements() -> tuple[str, ...]:
    """Return what to install to have the same core, host and plugins elsewhere, one per line."""
    from importlib_metadata import version  # noqa: PLC0415 - late, as in discovery

    ours = {name: version(name) for name in (CORE_DISTRIBUTION, "mpm-host")}
    plugins = {
        plugin.distribution: plugin.version
        for plugin in installed_plugins()
        if plugin.distribution != "unknown"  # a torn installation has neither name nor version
    }
    return tuple(f"{name}=={number}" for name, number in sorted((ours | plugins).items()))


def _print_requirements(context: click.Context, _option: click.Parameter, value: object) -> None:
    if value and not context.resilient_parsing:
        if context.params.get("as_json"):
            print_json(list(requirements()))
        else:
            click.echo("\n".join(requirements()))
        context.exit()


requirements_option = click.option(
    "--requirements",
    is_flag=True,
    expose_value=False,
    callback=_print_requirements,  # not eager: what was asked for besides counts
    help="Print what to install elsewhere to have the same, and nothing else.",
)


@click.command("new")
@click.argument("name")
@click.option(
    "--kind", type=click.Choice([kind.value for kind in PluginKind]), help="What it is for."
)
@click.option("--title", help="The name people know; by default made from NAME.")
@click.option(
    "--device-kind",
    type=click.Choice([kind.value for kind in DeviceKind]),
    help="What a manufacturer makes; by default meters.",
)
@click.option(
    "--sells",
    type=click.Choice([ChargeKind.ENERGY.value, ChargeKind.TIME.value]),
    help="What a manufacturer sells; by default what its devices need.",
)
@click.option(
    "--recovery",
    type=click.Choice([recovery.value for recovery in RECOVERIES]),
    help="How a manufacturer's lost answer is recovered; by default not at all. For a vendor that "
    "takes a target, or codes computed here, take the default and read docs/authors/recovery.md.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where the folder mpm-NAME is made; by default here.",
)
@click.option("--yes", is_flag=True, help="Ask nothing; take the defaults.")
def new_command(  # noqa: PLR0913 - one argument per option
    *,
    name: str,
    kind: str | None,
    title: str | None,
    device_kind: str | None,
    sells: str | None,
    recovery: str | None,
    folder: Path,
    yes: bool,
) -> None:
    """Write a new plugin: a distribution that passes the contract kit and joins the demo at once.

    NAME is what companies enable, such as stron. On a terminal it asks for what is not given.
    """
    check_new_name(name, {plugin.name for plugin in installed_plugins()})
    ask = is_terminal() and not yes
    if kind is None and not ask:
        raise UserError("Say what it is for: --kind manufacturer, telecom or messenger.")
    chosen = _chosen(PluginKind, kind, "What is it for", ask=ask)
    title = title or _title(name, ask=ask)
    check_title(title)
    maker = _maker(chosen, device_kind, sells, recovery, ask=ask)
    plan = PluginPlan(
        name=name,
        kind=chosen,
        title=title,
        device_kind=maker[0],
        recovery=maker[1],
        core_version=_core_version(),
        today=datetime.now(UTC).date(),
    )
    _tell(write_plugin(plan, folder), plan)


def _title(name: str, *, ask: bool) -> str:
    default = name.replace("-", " ").title()
    return str(click.prompt("The name people know", default=default)) if ask else default


def _maker(
    kind: PluginKind,
    device_kind: str | None,
    sells: str | None,
    recovery: str | None,
    *,
    ask: bool,
) -> tuple[DeviceKind, Recovery]:
    """Return what only manufacturers are asked for.

    Raises:
        UserError: somebody else was given it, or what is sold does not fit the device.
    """
    given = {"--device-kind": device_kind, "--sells": sells, "--recovery": recovery}
    if kind is not PluginKind.MANUFACTURER:
        for option, value in given.items():
            if value is not None:
                raise UserError(f"{option} is for manufacturers only; leave it out.")
        return DeviceKind.METER, Recovery.NONE
    device = _chosen(DeviceKind, device_kind, "What does it make", ask=ask)
    needed = SOLD_FOR[device].value
    if sells not in {None, needed}:
        raise UserError(
            f"The host sells {needed} for a device of kind {device.value}; write: --sells {needed}"
        )
    return device, _chosen(RECOVERIES, recovery, _RECOVERY_QUESTION, ask=ask)


def _chosen(offered: Iterable[Choice], given: str | None, question: str, *, ask: bool) -> Choice:
    """Return what was given, else what is answered, else the first that is offered."""
    by_word = {one.value: one for one in offered}
    default = next(iter(by_word))
    if given is None and ask:
        given = click.prompt(question, type=click.Choice(list(by_word)), default=default)
    return by_word[given or default]


def _core_version() -> str:
    from importlib_metadata import version  # noqa: PLC0415 - late, as in discovery

    return version(CORE_DISTRIBUTION)


def _tell(folder: Path, plan: PluginPlan) -> None:
    yours = sum(
        "# VENDOR" in line
        for path in (*folder.glob("src/*/*.py"), *folder.glob("tests/*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    click.echo(
        f"Wrote {folder}. It works already, against its own simulator:\n"
        f"  cd {folder}\n"
        f"  python -m pip install --editable . --group dev\n"
        f"  pytest\n"
        f"  mpm demo --plugin {plan.name}\n"
        f"Then make it the real one's: {yours} lines in src and tests say # VENDOR."
    )
