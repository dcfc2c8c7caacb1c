"""What waits for a person, in words: whose it is, how much, and what to type next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from sqlalchemy.engine import Connection

from mpm_host.directory import CompanyRecord
from mpm_host.host import Host
from mpm_host.messages.failed_messages import count_untold_payments
from mpm_host.orders.set_aside import count_set_aside
from mpm_host.outbox.set_aside_tellings import count_set_aside_tellings
from mpm_host.set_aside_work import count_set_aside_work

__all__ = ["waiting_remarks"]

_LOOKED_BACK = timedelta(days=7)  # a phone that is gone for good is not told about for ever
_WORDS: Mapping[str, str] = {
    "devices": "look-ups of devices",
    "switches": "switches of devices",
    "pushes": "pushes to payers",
}


def waiting_remarks(host: Host, companies: Sequence[CompanyRecord]) -> Iterator[str]:
    """Yield one line per kind of thing that only a person can bring on."""
    slugs = {company.id: company.company.slug for company in companies}
    with host.engines.read.connect() as connection:
        yield from _orders(connection, slugs)
        yield from _messages(host, connection, slugs)
        yield from _other_work(host, connection, slugs)
        yield from _tellings(host, connection, slugs)


def _orders(connection: Connection, slugs: Mapping[str, str]) -> Iterable[str]:
    for company_id, count in sorted(count_set_aside(connection, [*slugs]).items()):
        slug = slugs[company_id]
        yield (
            f"Company {slug!r}: work on {count} payments failed again and again and was set aside; "
            f"see `mpm payments list {slug} --status held` (or unknown) and the log, mend the "
            "cause, then `mpm payments retry ID`."
        )


def _messages(host: Host, connection: Connection, slugs: Mapping[str, str]) -> Iterable[str]:
    since = host.clock() - _LOOKED_BACK
    for company_id, count in sorted(count_untold_payments(connection, [*slugs], since).items()):
        slug = slugs[company_id]
        yield (
            f"Company {slug!r}: the messages of {count} payments of the last {_LOOKED_BACK.days} "
            f"days failed; see `mpm messages list {slug} --status failed`, mend the cause or check "
            "the number, then `mpm payments resend ID`."
        )


def _other_work(host: Host, connection: Connection, slugs: Mapping[str, str]) -> Iterable[str]:
    for each in count_set_aside_work(connection, [*slugs]):
        slug, name = slugs[each.company_id], _instance(host, each.instance_id)
        yield (
            f"{slug}/{name}: {each.count} {_WORDS[each.kind]} failed again and again and were set "
            f"aside; see the log, mend the cause, then `mpm plugins rework {slug} {name}`."
        )


def _tellings(host: Host, connection: Connection, slugs: Mapping[str, str]) -> Iterable[str]:
    for each in count_set_aside_tellings(connection, [*slugs]):
        slug, name = slugs[each.company_id], _instance(host, each.instance_id)
        yield (
            f"{slug}/{name} was not told {each.count} facts, though it was tried again and again: "
            f"{each.detail} Mend it, then `mpm plugins retell {slug} {name}`."
        )


def _instance(host: Host, instance_id: str) -> str:
    return host.house.directory.instances[instance_id].name
