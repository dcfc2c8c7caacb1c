"""`mpm verify`: recomputes the ledger and tells every difference."""

from __future__ import annotations

import sys
from collections.abc import Callable

import attrs
import click

from mpm_host.commands.json_stream import JsonStream
from mpm_host.commands.output import json_option
from mpm_host.commands.surroundings import opened_host
from mpm_host.host import Host
from mpm_host.verification.verification import Difference, verify

__all__ = ["command"]


@click.command("verify")
@click.argument("slug", required=False)
@json_option
def command(*, slug: str | None, as_json: bool) -> None:
    """Check that the ledger adds up, for every company or company SLUG.

    Prints one line per difference; exit code 1 if there is one. Nothing is changed.
    """
    with opened_host() as host:
        count = _verify_as_json(host, slug) if as_json else _verify_as_text(host, slug)
    sys.exit(1 if count else 0)


def _verify_as_json(host: Host, slug: str | None) -> int:
    stream = JsonStream("differences")
    count = _verify(host, slug, lambda difference: stream.add(attrs.asdict(difference)))
    stream.close(ok=not count)
    return count


def _verify_as_text(host: Host, slug: str | None) -> int:
    count = _verify(host, slug, lambda difference: click.echo(str(difference)))
    click.echo(f"Differences: {count}." if count else "The ledger adds up.")
    return count


def _verify(host: Host, slug: str | None, tell: Callable[[Difference], None]) -> int:
    company_id = host.companies.find(slug).id if slug else None
    count = 0
    with host.engines.read.connect() as connection:
        for difference in verify(connection, company_id):
            tell(difference)
            count += 1
    return count
