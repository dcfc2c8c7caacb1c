"""`mpm token`: tokens that staff give past all debts."""

from __future__ import annotations

import click
from sqlalchemy.engine import Connection

from mpm_core.allocation.ad_hoc_units import AdHocUnit
from mpm_host.commands.output import json_option
from mpm_host.commands.staff_payments import StaffPayment, key_option
from mpm_host.companies.audit_trail import Actor
from mpm_host.directory import CompanyRecord
from mpm_host.host import Host
from mpm_host.payments.payment_records import PaymentRecord
from mpm_host.payments.token_desk import AdHocToken, TokenDesk

__all__ = ["command"]


@click.group("token")
def command() -> None:
    """Give devices tokens past all debts."""


@command.command("create")
@click.argument("slug")
@click.argument("serial")
@click.option("--amount", required=True, help="How much, in the unit, such as 500 or 7.25.")
@click.option(
    "--unit",
    required=True,
    type=click.Choice([unit.value for unit in AdHocUnit]),
    help="Money, kWh (meters), or days (other devices).",
)
@click.option("--reason", required=True, help="Why; kept with the payment.")
@click.option("--by", required=True, metavar="EMAIL", help="Who decides.")
@key_option
@json_option
def create(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    serial: str,
    amount: str,
    unit: str,
    reason: str,
    by: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Give device SERIAL of company SLUG a token; the money it is worth counts as cash."""

    def book(
        host: Host, connection: Connection, company: CompanyRecord, actor: Actor
    ) -> PaymentRecord:
        token = AdHocToken(serial=serial, amount=amount, unit=AdHocUnit(unit))
        desk = TokenDesk(vault=host.vault, directory=lambda: host.house.directory)
        return desk.give(connection, company, token, actor)

    StaffPayment(
        slug=slug,
        by=by,
        reason=reason,
        what=("token create", serial, amount, unit, reason),
        key=key,
        as_json=as_json,
    ).run(book)
