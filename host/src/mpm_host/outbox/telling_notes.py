"""What a payment remembers of its reports, and of plugins that could not be told."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import ReportReceipt
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier

__all__ = ["note_report", "note_set_aside"]


def note_report(
    connection: Connection, company_id: str, payment_id: str, receipt: ReportReceipt, now: datetime
) -> None:
    """Note that the telecom heard our report; where it disagrees, a person must look."""
    if receipt.agreed:
        _write_event(connection, company_id, payment_id, "reported", receipt.detail, now=now)
        return
    what = f"the telecom did something else than we reported: {receipt.detail or 'no reason given'}"
    _mark_conflict(connection, company_id, payment_id)
    _write_event(connection, company_id, payment_id, "conflict", what, now=now)


def note_set_aside(  # noqa: PLR0913 - whose payment, what and when
    connection: Connection,
    company_id: str,
    payment_id: str,
    detail: str,
    now: datetime,
    *,
    needs_person: bool,
) -> None:
    """Note that a plugin was not told a fact of a payment, and that nobody tries again.

    Args:
        connection: of the caller's transaction.
        company_id: whose payment it is.
        payment_id: which.
        detail: which hook, and why.
        now: when.
        needs_person: it was the report, without which the telecom may give the money back.
    """
    if needs_person:
        _mark_conflict(connection, company_id, payment_id)
    _write_event(connection, company_id, payment_id, "not_told", detail, now=now)


def _mark_conflict(connection: Connection, company_id: str, payment_id: str) -> None:
    p = t.payments.c
    connection.execute(
        sa.update(t.payments)
        .where(p.company_id == company_id, p.id == payment_id)
        .values(conflict=True, disputed=True, needs_person=True)
    )


def _write_event(  # noqa: PLR0913 - one column each
    connection: Connection,
    company_id: str,
    payment_id: str,
    kind: str,
    detail: str,
    *,
    now: datetime,
) -> None:
    connection.execute(
        sa.insert(t.events).values(
            id=new_identifier(),
            company_id=company_id,
            payment_id=payment_id,
            kind=kind,
            detail=detail,
            actor="",
            at=now,
        )
    )
