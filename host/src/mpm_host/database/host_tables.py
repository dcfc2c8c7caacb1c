"""Tables of the host itself: whether its database takes writes, and who changed what.

Rows of the audit are never changed or deleted; a migration added triggers that refuse it.
"""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.database.column_types import Instant, Remark
from mpm_host.database.columns import identifier, metadata, reference_to

__all__ = ["audit", "readiness"]

readiness = sa.Table(
    "mpm_readiness",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),  # of no company: it belongs to the host
    sa.Column("written_at", Instant, nullable=False),  # to see that the database takes writes
)

audit = sa.Table(
    "mpm_audit",
    metadata,
    identifier(),
    reference_to("mpm_company", nullable=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("before", sa.JSON, nullable=False),
    sa.Column("after", sa.JSON, nullable=False),
    sa.Column("reason", Remark(500), nullable=False, default=""),
    sa.Index(None, "company_id", "id"),
)
