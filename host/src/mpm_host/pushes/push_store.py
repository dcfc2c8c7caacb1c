"""Pushes as rows: written only by compare-and-set on the `fence`, which moves with every change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import Money, Msisdn, PaymentStatus, Push
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes
from mpm_host.poison_work import AFRESH, SetAside
from mpm_host.pushes.push_rules import PushFacts, PushStatus, PushStep, reopened

__all__ = [
    "PUSH_FAILED",
    "PushRecord",
    "announce",
    "end_set_aside",
    "hear_of_push",
    "is_in_hand",
    "keep_details",
    "load_push",
    "postpone_push",
    "write_step",
]

PUSH_FAILED = "push_failed"  # the reason of the payment that did not come
_P = pushes.c


@attrs.frozen(kw_only=True)
class PushRecord:
    """One push with what its worker needs."""

    id: str
    company_id: str
    instance_id: str
    payment_id: str
    push: Push
    facts: PushFacts
    fence: int
    sent_at: datetime | None
    created_at: datetime

    @classmethod
    def from_row(cls, row: RowMapping, now: datetime) -> PushRecord:
        """Read a row as it is at a moment."""
        sent_at = row["sent_at"]
        return cls(
            id=row["id"],
            company_id=row["company_id"],
            instance_id=row["instance_id"],
            payment_id=row["payment_id"],
            push=Push(
                key=row["key"],
                serial=row["serial"],
                amount=Money(row["amount"], row["currency"]),
                payer=Msisdn.from_e164(row["payer"]),
                details=row["details"],
            ),
            facts=PushFacts(
                status=PushStatus(row["status"]),
                looks=row["looks"],
                not_found=row["not_found"],
                age=timedelta(0) if sent_at is None else max(now - sent_at, timedelta(0)),
            ),
            fence=row["fence"],
            sent_at=sent_at,
            created_at=row["created_at"],
        )


def load_push(connection: Connection, push_id: str, now: datetime) -> PushRecord | None:
    """Read a push that something is to be done about."""
    query = sa.select(pushes).where(_P.id == push_id, _P.next_at.is_not(None))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else PushRecord.from_row(row, now)


def announce(
    connection: Connection, record: PushRecord, now: datetime, lease: timedelta
) -> PushRecord | None:
    """Mark a push as sent before it is: it is never sent again. `None` if somebody else did."""
    updated = connection.execute(
        sa.update(pushes)
        .where(_P.id == record.id, _P.fence == record.fence, _P.sent_at.is_(None))
        .values(sent_at=now, fence=_P.fence + 1, next_at=now + lease)
    )
    if updated.rowcount != 1:
        return None
    return attrs.evolve(record, fence=record.fence + 1, sent_at=now)


def is_in_hand(connection: Connection, record: PushRecord, now: datetime) -> bool:
    """Tell whether an announced push is still to be sent: its machine may have slept meanwhile."""
    query = sa.select(_P.id).where(_P.id == record.id, _P.fence == record.fence, _P.next_at > now)
    return connection.execute(query).first() is not None


def write_step(
    connection: Connection,
    record: PushRecord,
    step: PushStep,
    now: datetime,
    *,
    details: Mapping[str, str] | None = None,
) -> bool:
    """Write what became of a push; tell whether it was still this worker's to write."""
    updated = connection.execute(
        sa.update(pushes)
        .where(_P.id == record.id, _P.fence == record.fence)
        .values(
            status=step.status,
            detail=step.detail,
            details={**record.push.details, **(details or {})},
            looks=step.looks,
            not_found=step.not_found,
            fence=_P.fence + 1,
            next_at=None if step.next_in is None else now + step.next_in,
            finished_at=now if step.is_final else None,
            **AFRESH,
        )
    )
    if updated.rowcount != 1:
        return False
    if step.status is PushStatus.FAILED:
        _reject_payment(connection, record.company_id, record.payment_id, step.detail)
    elif step.needs_person:
        _ask_person(connection, record.company_id, record.payment_id)
    return True


def _ask_person(connection: Connection, company_id: str, payment_id: str) -> None:
    p = t.payments.c
    connection.execute(
        sa.update(t.payments)
        .where(p.id == payment_id, p.company_id == company_id)
        .values(needs_person=True)
    )


def _reject_payment(connection: Connection, company_id: str, payment_id: str, detail: str) -> None:
    """Say of the payment that did not come why it did not; one that came anyway is left alone."""
    p = t.payments.c
    connection.execute(
        sa.update(t.payments)
        .where(
            p.id == payment_id,
            p.company_id == company_id,
            p.status == PaymentStatus.VALIDATED,
        )
        .values(status=PaymentStatus.REJECTED, reason=PUSH_FAILED, message=detail)
    )


def end_set_aside(connection: Connection, row: SetAside) -> None:
    """Say of a push that its worker only fails on what is true: nothing was sent, or nobody knows.

    The row is not read as a push, for that may be what fails.
    """
    query = sa.select(_P.company_id, _P.payment_id, _P.sent_at).where(_P.id == row.key)
    push = connection.execute(query).one()
    if push.sent_at is None:
        ended: dict[str, object] = {
            "status": PushStatus.FAILED, "finished_at": row.at, "set_aside_at": None
        }  # fmt: skip
        _reject_payment(connection, push.company_id, push.payment_id, row.detail)
    else:
        ended = {"status": PushStatus.UNKNOWN}
        _ask_person(connection, push.company_id, push.payment_id)
    connection.execute(
        sa.update(pushes)
        .where(_P.id == row.key)
        .values(detail=row.detail, fence=_P.fence + 1, **ended)
    )


def keep_details(connection: Connection, push_id: str, details: Mapping[str, str]) -> None:
    """Keep what an answer asked us to, though somebody else has written meanwhile."""
    query = sa.select(_P.details).where(_P.id == push_id).with_for_update()
    known = connection.execute(query).scalar_one()
    connection.execute(
        sa.update(pushes).where(_P.id == push_id).values(details={**known, **details})
    )


def postpone_push(connection: Connection, record: PushRecord, until: datetime) -> None:
    """Look at a push later: its telecom cannot be called now."""
    connection.execute(
        sa.update(pushes).where(_P.id == record.id, _P.fence == record.fence).values(next_at=until)
    )


def hear_of_push(
    connection: Connection, instance_id: str, key: str, now: datetime, *, paid: bool
) -> bool:
    """Ask about a push at once, because a notice speaks of it; the notice itself is not believed.

    Args:
        connection: of the caller's transaction.
        instance_id: the telecom that gave notice.
        key: the reference in it.
        now: when.
        paid: what it says; only then is a push that has failed looked at again.

    Returns:
        Whether there is anything to ask.
    """
    open_ones = [PushStatus.REQUESTED, PushStatus.UNKNOWN]
    heeded = [*open_ones, PushStatus.FAILED] if paid else open_ones
    query = sa.select(_P.id, _P.status, _P.looks).where(
        _P.instance_id == instance_id,
        _P.key == key,
        _P.sent_at.is_not(None),
        _P.status.in_(heeded),
    )
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        return False
    status = reopened(PushStatus(row.status))
    connection.execute(
        sa.update(pushes)
        .where(_P.id == row.id)
        .values(
            status=status,
            looks=row.looks if status == row.status else 0,
            not_found=0,
            fence=_P.fence + 1,  # who asks now may ask too early
            next_at=now,
            finished_at=None,
            **AFRESH,
        )
    )
    return True
