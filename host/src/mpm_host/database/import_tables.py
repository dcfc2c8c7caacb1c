"""The table of imports that were sent to the API: a background job each, and its report."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.database.column_types import Instant, Remark
from mpm_host.database.columns import company, created, identifier, metadata, partial_index

__all__ = ["imports"]

imports = sa.Table(
    "mpm_import",
    metadata,
    identifier(),
    company(),
    sa.Column("status", sa.String(16), nullable=False),  # queued, running, done, failed
    sa.Column("dry_run", sa.Boolean, nullable=False),
    sa.Column("all_or_nothing", sa.Boolean, nullable=False),
    sa.Column("file", sa.LargeBinary),  # encrypted; none once it has ended
    sa.Column("actor", sa.String(200), nullable=False),  # who sent it
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("rows_done", sa.Integer, nullable=False, default=0),
    sa.Column("created", sa.Integer, nullable=False, default=0),
    sa.Column("unchanged", sa.Integer, nullable=False, default=0),
    sa.Column("errors", sa.Integer, nullable=False, default=0),
    sa.Column("written", sa.Boolean, nullable=False, default=False),
    sa.Column("row_errors", sa.JSON, nullable=False),  # the first ones: [{row, code, message}]
    sa.Column("detail", Remark(500), nullable=False, default=""),  # why it failed
    sa.Column("fence", sa.Integer, nullable=False, default=0),  # moves with every take-over
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # in a row
    sa.Column("lease_until", Instant),  # while it runs: until then nobody else may take it
    sa.Column("next_at", Instant),  # when to work on it; none once it has ended
    sa.Column("handed", sa.Integer, nullable=False, default=0),
    created(),
    sa.Column("finished_at", Instant),
    sa.Index(None, "company_id", "id"),
    partial_index("ix_mpm_import_due", "next_at", where="next_at IS NOT NULL"),
)
