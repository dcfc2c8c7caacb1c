"""`mpm pay`: the simulator of a company's telecom makes a payment against a running host."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import click

from mpm_core import Money, PluginKind, SimulatedPayment, UserError
from mpm_core.simulation.simulators import simulator_of
from mpm_host.commands.output import json_option, print_json
from mpm_host.commands.surroundings import opened_host
from mpm_host.configuration.config_values import Mode
from mpm_host.demo.simulated_payer import CallMade, SimulatedPayer
from mpm_host.directory import InstanceRecord
from mpm_host.host import Host
from mpm_host.identifiers import new_identifier

__all__ = ["command"]

_OK = range(200, 300)


@click.command("pay")
@click.argument("slug")
@click.argument("instance")
@click.option("--serial", required=True, help="Of the device that is paid.")
@click.option("--amount", required=True, help="In the company's currency, such as 1000.")
@click.option("--msisdn", required=True, help="Phone number that pays.")
@click.option("--reference", help="The telecom's id of the payment; a new one by default.")
@click.option("--url", help="Of the running host; [host] public_url by default.")
@json_option
def command(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    instance: str,
    serial: str,
    amount: str,
    msisdn: str,
    reference: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Let the simulated telecom behind INSTANCE of company SLUG make a payment.

    Validates and, if the host agrees, processes. Exit code 1 if a call was refused.
    """
    import httpx  # noqa: PLC0415 - only to name its error

    with opened_host() as host:
        payer = _payer(host, slug, instance, url)
        try:
            money = Money.parse(amount, host.house.directory.by_slug[slug].company.currency)
        except ValueError as error:
            raise UserError(f"--amount: {error}") from None
        payment = SimulatedPayment(
            reference=reference or f"SIM{new_identifier()[-12:].upper()}",
            serial=serial,
            amount=money,
            msisdn=msisdn,
        )
        try:
            calls = payer.pay(payment)
        except httpx.TransportError as error:
            raise UserError(
                f"Nobody answers at {payer.callback_url.partition('/callbacks/')[0]} "
                f"({type(error).__name__}); start `mpm serve` or give --url."
            ) from None
        finally:
            payer.close()
    _print(payment, calls, as_json=as_json)
    sys.exit(0 if len(calls) > 1 and all(call.reply.status in _OK for call in calls) else 1)


def _payer(host: Host, slug: str, name: str, url: str | None) -> SimulatedPayer:
    if host.config.host.mode is Mode.PRODUCTION:
        raise UserError('[host] mode is "production"; simulators work in development only.')
    record = _instance(host, slug, name)
    loaded = host.house.catalog.load(record.plugin)
    if loaded.manifest.kind is not PluginKind.TELECOM:
        raise UserError(
            f"Instance {name!r} of company {slug!r} is a {loaded.manifest.kind}; name a telecom's, "
            f"see `mpm company show {slug}`."
        )
    base = _checked_url(url) if url else host.config.host.public_url
    return SimulatedPayer(
        simulator_of(loaded.plugin_class),
        f"{base.rstrip('/')}/callbacks/{record.callback_key}",
        host.house.plain_settings(record.id),
    )


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port beyond 65535
        is_url = False
    if not is_url:
        raise UserError(f"--url: {url[:80]!r} is no URL; write for example http://127.0.0.1:8000.")
    return url


def _instance(host: Host, slug: str, name: str) -> InstanceRecord:
    record = host.companies.find_used_instance(slug, name)
    if record.problem:
        raise UserError(record.problem)
    return record


def _print(payment: SimulatedPayment, calls: tuple[CallMade, ...], *, as_json: bool) -> None:
    if as_json:
        answers = [
            {"path": c.path, "status": c.reply.status, "body": c.reply.body.decode()} for c in calls
        ]
        print_json({"reference": payment.reference, "calls": answers})
        return
    click.echo(f"Reference {payment.reference}")
    for call in calls:
        click.echo(f"{call.path}: {call.reply.status} {call.reply.body.decode().strip()}")
    if len(calls) == 1:
        click.echo("The host did not agree; no money moved.")
