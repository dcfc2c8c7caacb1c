"""`mpm messages`: what was sent, to whom, and whether it arrived."""

from __future__ import annotations

import click

from mpm_core import MessageStatus
from mpm_host.commands.output import json_option, print_json, print_table
from mpm_host.commands.surroundings import opened_host
from mpm_host.messages.message_views import list_messages

__all__ = ["command"]


@click.group("messages")
def command() -> None:
    """See the messages to customers."""


@command.command("list")
@click.argument("slug")
@click.option(
    "--status",
    type=click.Choice([status.value for status in MessageStatus]),
    help="Only those that stand so.",
)
@click.option("--bodies", is_flag=True, help="Show the texts too; they hold token codes.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, help="How many; 50 if not given."
)
@json_option
def list_command(*, slug: str, status: str | None, bodies: bool, limit: int, as_json: bool) -> None:
    """List the messages of company SLUG, newest first; phone numbers are masked."""
    with opened_host() as host, host.engines.read.connect() as connection:
        views = list(
            list_messages(
                connection,
                host.companies.find(slug).id,
                limit=limit,
                status=None if status is None else MessageStatus(status),
                bodies=host.vault if bodies else None,
            )
        )
    if as_json:
        print_json(views)
        return
    columns = ("created_at", "to", "status", "payment", *(("body",) if bodies else ("detail",)))
    print_table(
        [name.removesuffix("_at") for name in columns],
        [[str(view[name] or "") for name in columns] for view in views],
        empty="There are no messages.",
    )
