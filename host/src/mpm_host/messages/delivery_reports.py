"""Gateways' reports about messages whose reference nobody knows yet, kept for a day.

A gateway may report on a message while the transaction that writes its reference is still under
way. Whoever writes the reference takes what was reported before. Both sides write the one row of
that reference: of two at the same time, the second waits and sees what the first one did.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeliveryReport, MessageStatus
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier

__all__ = ["keep_report", "take_report"]

_KEPT = timedelta(days=1)
_FORGOTTEN_AT_ONCE = 100
_LONGEST_REFERENCE = 128  # of a message; nothing longer is ever asked for
_R = t.delivery_reports.c


def keep_report(
    connection: Connection, company_id: str, report: DeliveryReport, now: datetime
) -> None:
    """Keep a report for a day, in the caller's transaction; some that are older are deleted.

    The latest wins, but what is over stays so: reports come out of order.

    Args:
        connection: of the caller's transaction, which looks for the message once more afterwards.
        company_id: whose gateway reports.
        report: about a message that nobody knows.
        now: aware.
    """
    if not 0 < len(report.reference) <= _LONGEST_REFERENCE:
        return
    _forget_old(connection, now)
    if not _insert(connection, company_id, report, now):
        connection.execute(
            sa.update(t.delivery_reports)
            .where(*_is(company_id, report.reference), _R.status == MessageStatus.SENT)
            .values(status=report.status, detail=report.detail, at=now)
        )


def take_report(
    connection: Connection, company_id: str, reference: str, now: datetime
) -> DeliveryReport:
    """Take what was reported about a reference, in the transaction that writes it to its message.

    Returns:
        The report, which is deleted; *sent* if there is none.
    """
    nothing = DeliveryReport(reference=reference, status=MessageStatus.SENT)
    _insert(connection, company_id, nothing, now)  # whoever is keeping one is waited for
    taken = connection.execute(
        sa.delete(t.delivery_reports)
        .where(*_is(company_id, reference))
        .returning(_R.status, _R.detail)
    ).one_or_none()
    if taken is None:  # an old one, which somebody has just deleted
        return nothing
    return DeliveryReport(
        reference=reference, status=MessageStatus(taken.status), detail=taken.detail
    )


def _is(company_id: str, reference: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _R.company_id == company_id, _R.reference == reference


def _insert(connection: Connection, company_id: str, report: DeliveryReport, now: datetime) -> bool:
    """Write the row of a reference, unless there is one; tell whether there was none."""
    row = {
        "id": new_identifier(),
        "company_id": company_id,
        "reference": report.reference,
        "status": report.status,
        "detail": report.detail,
        "at": now,
    }
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(t.delivery_reports).values(row))
    except sa.exc.IntegrityError:
        return False
    return True


def _forget_old(connection: Connection, now: datetime) -> None:
    """Delete some of what nobody asked for in time: gateways also report what others sent."""
    old = (
        sa.select(_R.id).where(_R.at < now - _KEPT).order_by(_R.at).limit(_FORGOTTEN_AT_ONCE)
    ).with_for_update(skip_locked=True)
    connection.execute(sa.delete(t.delivery_reports).where(_R.id.in_(old.scalar_subquery())))
