"""`mpm cash-payment`: money that somebody of the company took by hand."""

from __future__ import annotations

import click
from sqlalchemy.engine import Connection

from mpm_core import Money, UserError
from mpm_host.commands.output import json_option
from mpm_host.commands.staff_payments import StaffPayment, key_option
from mpm_host.companies.audit_trail import Actor
from mpm_host.directory import CompanyRecord
from mpm_host.host import Host
from mpm_host.payments.cash_desk import CashDesk, CashPayment
from mpm_host.payments.payment_records import PaymentRecord

__all__ = ["command"]


@click.command("cash-payment")
@click.argument("slug")
@click.option("--serial", help="Of the device that is paid for.")
@click.option("--sale", metavar="ID", help="Of the one sale that is paid, instead of a device.")
@click.option("--amount", required=True, help="In the company's currency, such as 1000 or 199.50.")
@click.option("--by", required=True, metavar="EMAIL", help="Who took the money.")
@key_option
@json_option
def command(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    serial: str | None,
    sale: str | None,
    amount: str,
    by: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Book money that was taken by hand for company SLUG.

    For a device its owner's debts come first and the rest becomes a token, as if a telecom had
    brought it; a sale may be paid alone.
    """
    if (serial is None) is (sale is None):
        raise UserError("Give either --serial or --sale.")

    def book(
        host: Host, connection: Connection, company: CompanyRecord, actor: Actor
    ) -> PaymentRecord:
        cash = CashPayment(amount=_money(amount, company), serial=serial, sale_id=sale)
        desk = CashDesk(vault=host.vault, directory=lambda: host.house.directory)
        return desk.take(connection, company, cash, actor)

    StaffPayment(
        slug=slug,
        by=by,
        reason="",
        what=("cash-payment", serial or "", sale or "", amount),
        key=key,
        as_json=as_json,
    ).run(book)


def _money(text: str, company: CompanyRecord) -> Money:
    try:
        return Money.parse(text, company.company.currency)
    except ValueError as error:
        raise UserError(f"--amount: {error}") from None
