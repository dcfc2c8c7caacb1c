"""`mpm payments`: what became of the money."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import click

from mpm_core import PaymentStatus
from mpm_host.actions.payment_actions import look_after
from mpm_host.commands.output import json_option, print_json, print_pairs, print_table
from mpm_host.commands.payment_actions import ACTIONS
from mpm_host.commands.surroundings import opened_host
from mpm_host.payments.payment_views import JsonObject, PaymentPage, list_payments, payment_view

__all__ = ["command"]

_FACTS = (
    "id", "instance", "reference", "receipt", "number", "serial", "msisdn", "amount", "currency",
    "status", "reason", "message", "created_at", "accepted_at", "settled_at",
)  # fmt: skip
_LISTED = ("id", "created_at", "instance", "reference", "serial", "amount", "status", "reason")
_PARTS = {
    "lines": ("kind", "amount", "refers_to"),
    "tokens": ("kind", "value", "delivery", "quantity", "unit", "device_serial", "issued_at"),
    "messages": ("to", "status", "body"),
    "attempts": ("at", "outcome", "detail"),
    "events": ("at", "kind", "detail", "actor"),
}


@click.group("payments")
def command() -> None:
    """See payments, and decide those that need a person."""


@command.command("list")
@click.argument("slug")
@click.option(
    "--status", type=click.Choice([status.value for status in PaymentStatus]), help="Only these."
)
@click.option("--serial", help="Only of this device.")
@click.option("--needs-person", is_flag=True, help="Only those that wait for somebody.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, help="How many; 50 if not given.")
@click.option("--after", metavar="ID", help="Only payments before this one.")
@json_option
def list_command(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    status: str | None,
    serial: str | None,
    needs_person: bool,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """List the payments of company SLUG, newest first, without token codes."""
    with opened_host() as host, host.engines.read.connect() as connection:
        company_id = host.companies.find(slug).id
        if after is not None:
            payment_view(connection, host.vault, after, company_id=company_id)  # refuses a stranger
        page = list_payments(
            connection,
            company_id,
            status=PaymentStatus(status) if status else None,
            serial=serial.strip() if serial else None,
            needs_person=needs_person or None,
            limit=limit,
            after=after,
        )
    if as_json:
        print_json(page.payments)
    else:
        _print_page(page)


@command.command("show")
@click.argument("payment_id", metavar="ID")
@json_option
def show(*, payment_id: str, as_json: bool) -> None:
    """Show one payment whole, with its token codes and messages."""
    with opened_host() as host:
        look_after(host.engines, payment_id, host.clock())
        with host.engines.read.connect() as connection:
            view = payment_view(connection, host.vault, payment_id, reveal=True)
    if as_json:
        print_json(view)
    else:
        _print_payment(view)


def _print_page(page: PaymentPage) -> None:
    print_table(
        [name.removesuffix("_at") for name in (*_LISTED, "needs person")],
        [
            (*_texts(view, _LISTED), "yes" if view["needs_person"] else "no")
            for view in page.payments
        ],
        empty="There are no such payments.",
    )
    if page.next:
        click.echo(f"There are more: --after {page.next}", err=True)


def _print_payment(view: JsonObject) -> None:
    flags = (
        ("needs person", view["needs_person"]),
        ("conflict", view["conflict"]),
        ("reversing", view["reversing"]),
    )
    print_pairs(
        [
            *(
                (name, text)
                for name, text in zip(_FACTS, _texts(view, _FACTS), strict=True)
                if text
            ),
            *((name, "yes" if flag else "no") for name, flag in flags),
        ]
    )
    for name, columns in _PARTS.items():
        items = cast("list[JsonObject]", view[name])
        if items:
            click.echo(f"\n{name}:")
            print_table(columns, [_texts(item, columns) for item in items], empty="")
    for name in ("proposal", "calculation"):
        facts = cast("JsonObject | None", view[name])
        if facts:
            click.echo(f"\n{name}:")
            print_pairs((fact, str(value)) for fact, value in facts.items())


def _texts(view: JsonObject, names: Sequence[str]) -> tuple[str, ...]:
    return tuple("" if view[name] is None else str(view[name]) for name in names)


for _act in ACTIONS:
    command.add_command(_act)
