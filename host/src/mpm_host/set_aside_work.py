"""What was set aside of devices, switches and pushes: counted for `mpm doctor`, and tried again.

Each belongs to one plugin instance, so a person who has mended that has all of it tried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import PaymentStatus
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes
from mpm_host.directory import InstanceRecord
from mpm_host.poison_work import AFRESH
from mpm_host.work_sources import SOURCES

__all__ = ["SetAsideWork", "count_set_aside_work", "work_again"]

_KINDS = ("devices", "switches", "pushes")
_OF_SWITCH = (
    sa.select(t.devices.c.instance_id)
    .where(t.devices.c.id == t.switches.c.device_id)
    .scalar_subquery()
)
_INSTANCE: Mapping[str, sa.ColumnElement[str]] = {
    "devices": t.devices.c.instance_id,
    "switches": _OF_SWITCH,
    "pushes": pushes.c.instance_id,
}


@attrs.frozen(kw_only=True)
class SetAsideWork:
    """How many rows of one kind of work of an instance nobody works on any more."""

    company_id: str
    instance_id: str
    kind: str
    count: int


def count_set_aside_work(connection: Connection, company_ids: Sequence[str]) -> list[SetAsideWork]:
    """Count what was set aside, by instance and kind of work."""
    counted = sa.union_all(*(_count(kind, company_ids) for kind in _KINDS)).subquery()
    query = sa.select(counted).order_by(counted.c.company_id, counted.c.instance_id, counted.c.kind)
    return [SetAsideWork(**row) for row in connection.execute(query).mappings()]


def work_again(connection: Connection, instance: InstanceRecord, by: Actor) -> int:
    """Have everything of an instance that was set aside tried again; return how much that is."""
    counts = {kind: _retry(connection, kind, instance, by) for kind in _KINDS}
    done = sum(counts.values())
    if done:
        write_audit(
            connection,
            by,
            company_id=instance.company_id,
            action="instance.worked_again",
            subject=instance.name,
            before={},
            after={kind: count for kind, count in counts.items() if count},
        )
    return done


def _count(kind: str, company_ids: Sequence[str]) -> sa.Select[tuple[str, str, str, int]]:
    columns, instance = SOURCES[kind].table.c, _INSTANCE[kind].label("instance_id")
    rows = (
        sa.select(columns.company_id, instance)
        .where(columns.company_id.in_(company_ids), columns.set_aside_at.is_not(None))
        .subquery()
    )
    return sa.select(
        rows.c.company_id,
        rows.c.instance_id,
        sa.literal(kind).label("kind"),
        sa.func.count().label("count"),
    ).group_by(rows.c.company_id, rows.c.instance_id)


def _retry(connection: Connection, kind: str, instance: InstanceRecord, by: Actor) -> int:
    table = SOURCES[kind].table
    again = (
        table.c.company_id == instance.company_id,
        table.c.set_aside_at.is_not(None),
        _INSTANCE[kind] == instance.id,
    )
    if kind == "pushes":
        _ask_nobody(connection, again)
    values = {"next_at": by.at, **AFRESH}
    return connection.execute(sa.update(table).where(*again).values(values)).rowcount


def _ask_nobody(connection: Connection, again: Sequence[sa.ColumnElement[bool]]) -> None:
    """Let the payments of pushes wait for their telecom again, and no more for a person."""
    p = t.payments.c
    connection.execute(
        sa.update(t.payments)
        .where(
            p.id.in_(sa.select(pushes.c.payment_id).where(*again)),
            p.status == PaymentStatus.VALIDATED,
            p.conflict.is_(False),
        )
        .values(needs_person=False)
    )
