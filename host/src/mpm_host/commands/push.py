"""`mpm push`: asking a payer's phone for a payment."""

from __future__ import annotations

import click
import sqlalchemy as sa

from mpm_core import Money, UserError
from mpm_host.commands.output import json_option, print_json, print_pairs, print_table
from mpm_host.commands.surroundings import decider, opened_host
from mpm_host.database.outbox_tables import pushes
from mpm_host.host import Host
from mpm_host.payments.payment_views import masked
from mpm_host.pushes.push_desk import PushDesk, PushWish
from mpm_host.registration.inputs import read_phone, read_serial

__all__ = ["command"]

_COLUMNS = ("id", "instance", "serial", "amount", "msisdn", "status", "detail")


@click.group("push")
def command() -> None:
    """Ask payers' phones for payments."""


@command.command("create")
@click.argument("slug")
@click.argument("instance")
@click.option("--serial", help="Of the device that is paid for; debts come first.")
@click.option(
    "--sale", metavar="ID", help="Of the one sale that is paid, its down payment first, instead."
)
@click.option("--amount", required=True, help="In the company's currency, such as 1000 or 199.50.")
@click.option("--msisdn", required=True, help="Whose phone is asked.")
@click.option("--by", required=True, metavar="EMAIL", help="Who wishes it.")
@json_option
def create(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    instance: str,
    serial: str | None,
    sale: str | None,
    amount: str,
    msisdn: str,
    by: str,
    as_json: bool,
) -> None:
    """Ask a phone for a payment to company SLUG through INSTANCE of a telecom.

    A running worker sends it, once; nothing is booked before the telecom says that it was paid.
    Every run asks once more, but a sale's payer is asked by one push at a time.
    """
    if (serial is None) is (sale is None):
        raise UserError("Give either --serial or --sale.")
    with opened_host(reconcile=True) as host:
        company = host.companies.find(slug)
        actor = decider(host, by)
        wish = PushWish(
            instance=host.companies.find_instance(slug, instance),
            serial=None if serial is None else read_serial(serial),
            sale_id=sale,
            amount=_money(amount, company.company.currency),
            payer=read_phone(msisdn, company.company.country),
        )
        desk = PushDesk(host.resources)
        checked = desk.check(wish)
        with host.engines.write.begin() as connection:
            push_id = desk.take(connection, checked, actor)
        [shown] = _shown(host, company.id, pushes.c.id == push_id)
    if as_json:
        print_json(shown)
    else:
        print_pairs([(name, str(value)) for name, value in shown.items() if value])


@command.command("list")
@click.argument("slug")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, help="How many; 50 if not given."
)
@json_option
def list_command(*, slug: str, limit: int, as_json: bool) -> None:
    """List the pushes of company SLUG, newest first; phone numbers are masked."""
    with opened_host() as host:
        shown = _shown(host, host.companies.find(slug).id, sa.true(), limit=limit)
    if as_json:
        print_json(shown)
        return
    rows = [[str(each[name] or "") for name in _COLUMNS] for each in shown]
    print_table(_COLUMNS, rows, empty="Nobody was asked to pay yet.")


def _shown(
    host: Host, company_id: str, condition: sa.ColumnElement[bool], *, limit: int = 1
) -> list[dict[str, object]]:
    u = pushes.c
    query = sa.select(pushes).where(u.company_id == company_id, condition)
    instances = host.house.directory.instances
    with host.engines.read.connect() as connection:
        rows = connection.execute(query.order_by(u.id.desc()).limit(limit)).all()
    return [
        {
            "id": row.id,
            "payment_id": row.payment_id,
            "reference": row.key,
            "instance": instances[row.instance_id].name if row.instance_id in instances else "",
            "serial": row.serial,
            "amount": str(Money(row.amount, row.currency)),
            "currency": row.currency,
            "msisdn": masked(row.payer),
            "status": row.status,
            "detail": row.detail,
            "created_at": row.created_at.isoformat(),
        }
        for row in rows
    ]


def _money(text: str, currency: str) -> Money:
    try:
        return Money.parse(text, currency)
    except ValueError as error:
        raise UserError(f"--amount: {error}") from None
