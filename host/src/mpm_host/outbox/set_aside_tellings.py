"""What no instance could be told: counted for `mpm doctor`, told again when a person says so."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.outbox_tables import tellings
from mpm_host.directory import InstanceRecord

__all__ = ["SetAsideTellings", "count_set_aside_tellings", "forget_set_aside", "tell_again"]

_C = tellings.c


@attrs.frozen(kw_only=True)
class SetAsideTellings:
    """How many facts one instance was not told, and why the newest of them was not."""

    company_id: str
    instance_id: str
    count: int
    detail: str


def count_set_aside_tellings(
    connection: Connection, company_ids: Sequence[str]
) -> list[SetAsideTellings]:
    """Count what was set aside, by instance."""
    counted = (
        sa.select(
            _C.company_id,
            _C.instance_id,
            sa.func.count().label("count"),
            sa.func.max(_C.id).label("newest"),
        )
        .where(_C.company_id.in_(company_ids), _C.next_at.is_(None))
        .group_by(_C.company_id, _C.instance_id)
        .subquery()
    )
    query = (
        sa.select(counted.c.company_id, counted.c.instance_id, counted.c.count, _C.detail)
        .join(tellings, _C.id == counted.c.newest)
        .order_by(counted.c.company_id, counted.c.instance_id)
    )
    return [SetAsideTellings(**row) for row in connection.execute(query).mappings()]


def tell_again(connection: Connection, instance: InstanceRecord, by: Actor) -> int:
    """Have an instance told everything that was set aside; return how much that is."""
    told = connection.execute(
        sa.update(tellings)
        .where(*_set_aside_of(instance))
        .values(next_at=by.at, failures=0, detail="")
    ).rowcount
    _audit(connection, instance, by, "instance.told_again", told)
    return told


def forget_set_aside(connection: Connection, instance: InstanceRecord, by: Actor) -> int:
    """Never tell an instance what was set aside; return how much that is."""
    forgotten = connection.execute(sa.delete(tellings).where(*_set_aside_of(instance))).rowcount
    _audit(connection, instance, by, "instance.not_told", forgotten)
    return forgotten


def _set_aside_of(instance: InstanceRecord) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _C.company_id == instance.company_id,
        _C.instance_id == instance.id,
        _C.next_at.is_(None),
    )


def _audit(
    connection: Connection, instance: InstanceRecord, by: Actor, action: str, count: int
) -> None:
    if count:
        write_audit(
            connection,
            by,
            company_id=instance.company_id,
            action=action,
            subject=instance.name,
            before={},
            after={"facts": count},
        )
