"""`mpm payments retry`, `release`, `resolve`, `match`, `reverse`, `reissue`, `approve`, `resend`.

Whoever uses them runs the installation, so `--by` is believed; it is kept with the payment for
ever. A token is read from a file or standard input: arguments can be seen by everybody.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import attrs
import click
from sqlalchemy.engine import Connection

from mpm_core import Secret, UserError
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.commands.output import print_json, print_pairs
from mpm_host.commands.surroundings import decider, opened_host
from mpm_host.companies.audit_trail import Actor
from mpm_host.host import Host
from mpm_host.payments.payment_views import payment_view

__all__ = ["ACTIONS"]

_Command = TypeVar("_Command", bound=Callable[..., object])
_LONGEST_TOKEN_FILE = 4096


@attrs.frozen(kw_only=True)
class _Act:
    """One action, with what was given for all of them."""

    payment_id: str
    by: str
    reason: str
    as_json: bool

    def run(
        self,
        act: Callable[[PaymentActions, Connection, Actor], bool],
        *,
        proposes: bool = False,
    ) -> None:
        """Do it in one transaction, then print what the payment is now.

        Args:
            act: what to do.
            proposes: it is done only when somebody else approves; that is said then.
        """
        with opened_host(reconcile=True) as host:
            actor = decider(host, self.by, self.reason)
            actions = PaymentActions(
                vault=host.vault,
                directory=lambda: host.house.directory,
                tell_after=host.config.host.tell_after,
            )
            with host.engines.write.begin() as connection:
                done = act(actions, connection, actor)
            _print(host, self, done=done, proposes=proposes)


def _print(host: Host, act: _Act, *, done: bool, proposes: bool) -> None:
    with host.engines.read.connect() as connection:
        view = payment_view(connection, host.vault, act.payment_id, reveal=True)
    if act.as_json:
        print_json(view)
        return
    if not done:
        click.echo("This was done before; nothing was changed.")
    facts = (("status", view["status"]), ("reason", view["reason"]), ("message", view["message"]))
    flags = (("needs person", view["needs_person"]), ("reversing", view["reversing"]))
    print_pairs(
        [
            *((name, str(fact)) for name, fact in facts if fact),
            *((name, "yes" if flag else "no") for name, flag in flags),
        ]
    )
    if proposes and view["proposal"]:
        click.echo(
            f"Somebody else must agree: mpm payments approve {act.payment_id} --by … --reason …",
            err=True,
        )


def _action(command: _Command) -> _Command:
    """Add what every action takes."""
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="Print the payment as JSON."),
        click.option("--reason", required=True, help="Why; kept with the payment."),
        click.option("--by", required=True, metavar="EMAIL", help="Who decides."),
        click.argument("payment_id", metavar="ID"),
    ):
        command = decorate(command)
    return command


@click.command("retry")
@_action
def _retry(**given: str | bool) -> None:
    """Mint a held payment's token again, from its reserved value."""
    act = _given(given)
    act.run(lambda to, connection, by: to.retry(connection, act.payment_id, by, company_id=None))


@click.command("release")
@_action
def _release(**given: str | bool) -> None:
    """Turn a held payment's reserved value into the customer's credit."""
    act = _given(given)
    act.run(lambda to, connection, by: to.release(connection, act.payment_id, by, company_id=None))


@click.command("resolve")
@click.option("--token-file", metavar="F|-", help="The token that exists; one code per line.")
@click.option("--delivered", is_flag=True, help="The manufacturer credited the device itself.")
@click.option("--not-minted", is_flag=True, help="No token exists; somebody else must approve.")
@_action
def _resolve(
    *, token_file: str | None, delivered: bool, not_minted: bool, **given: str | bool
) -> None:
    """Say what became of an unknown payment's token."""
    if [token_file is not None, delivered, not_minted].count(True) != 1:
        raise UserError("Give one of --token-file, --delivered and --not-minted.")
    act = _given(given)
    if delivered:
        act.run(
            lambda to, connection, by: to.resolve_delivered(
                connection, act.payment_id, by, company_id=None
            )
        )
        return
    if token_file is None:
        act.run(
            lambda to, connection, by: to.resolve_not_minted(
                connection, act.payment_id, by, company_id=None
            ),
            proposes=True,
        )
        return
    codes = _read_codes(token_file)
    act.run(
        lambda to, connection, by: to.resolve_with_token(
            connection, act.payment_id, codes, by, company_id=None
        )
    )


def _read_codes(token_file: str) -> Sequence[Secret]:
    """Read one code per line; the blanks that people write between digits are left out."""
    try:
        if token_file == "-":  # noqa: S105 - the usual word for standard input
            text = sys.stdin.read(_LONGEST_TOKEN_FILE + 1)
        else:
            with Path(token_file).open(encoding="utf-8") as file:
                text = file.read(_LONGEST_TOKEN_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"--token-file: {token_file!r} cannot be read ({reason}).") from None
    if len(text) > _LONGEST_TOKEN_FILE:
        raise UserError(f"--token-file: {token_file!r} is too long to be a token.")
    return [Secret(_code(line)) for line in text.splitlines() if line.strip()]


def _code(line: str) -> str:
    joined = "".join(line.split())
    return joined if joined.isdecimal() else line.strip()


@click.command("match")
@click.option("--serial", required=True, help="Of the device it was meant for.")
@_action
def _match(*, serial: str, **given: str | bool) -> None:
    """Allocate an unmatched payment to the owner of a device."""
    act = _given(given)
    act.run(
        lambda to, connection, by: to.match(connection, act.payment_id, serial, by, company_id=None)
    )


@click.command("reverse")
@_action
def _reverse(**given: str | bool) -> None:
    """Take a payment back: debts reopen, delivered energy becomes owed."""
    act = _given(given)
    act.run(lambda to, connection, by: to.reverse(connection, act.payment_id, by, company_id=None))


@click.command("reissue")
@_action
def _reissue(**given: str | bool) -> None:
    """Propose a second token of a settled payment; somebody else must approve."""
    act = _given(given)
    act.run(
        lambda to, connection, by: to.reissue(connection, act.payment_id, by, company_id=None),
        proposes=True,
    )


@click.command("approve")
@_action
def _approve(**given: str | bool) -> None:
    """Approve what somebody else proposed for a payment."""
    act = _given(given)
    act.run(lambda to, connection, by: to.approve(connection, act.payment_id, by, company_id=None))


@click.command("resend")
@_action
def _resend(**given: str | bool) -> None:
    """Send the customer the payment's message again, with the same codes."""
    act = _given(given)
    act.run(lambda to, connection, by: to.resend(connection, act.payment_id, by, company_id=None))


def _given(options: dict[str, str | bool]) -> _Act:
    return _Act(
        payment_id=str(options["payment_id"]),
        by=str(options["by"]),
        reason=str(options["reason"]),
        as_json=bool(options["as_json"]),
    )


ACTIONS = (_retry, _release, _resolve, _match, _reverse, _reissue, _approve, _resend)
