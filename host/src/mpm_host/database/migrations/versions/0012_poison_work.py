"""Count what only fails of every kind of work, set it aside, and find messages that failed.

Devices are looked up, switches switched and pushes asked about by workers; a row that no worker can
read would come back for ever.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COUNTED = ("mpm_device", "mpm_switch", "mpm_push", "mpm_message")
_SET_ASIDE = ("mpm_device", "mpm_switch", "mpm_push")
_FAILED = "ix_mpm_message_failed"


def upgrade() -> None:
    """Add the columns, and indexes of the few rows that are set aside or failed."""
    for table in _COUNTED:
        op.add_column(
            table,
            sa.Column("work_failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
        )
    for table in _SET_ASIDE:
        op.add_column(table, sa.Column("set_aside_at", sa.BigInteger(), nullable=True))
        _make_index(f"ix_{table}_set_aside", table, ["company_id"], "set_aside_at IS NOT NULL")
    _make_index(_FAILED, "mpm_message", ["company_id", "created_at"], "status = 'failed'")


def downgrade() -> None:
    """Drop them; what was set aside is tried again."""
    op.drop_index(_FAILED, "mpm_message")
    for table in _SET_ASIDE:
        _try_again(table)
        op.drop_index(f"ix_{table}_set_aside", table)
        op.drop_column(table, "set_aside_at")
    for table in _COUNTED:
        op.drop_column(table, "work_failures")


def _make_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _try_again(table: str) -> None:
    next_at = sa.column("next_at", sa.BigInteger())
    set_aside_at = sa.column("set_aside_at", sa.BigInteger())
    rows = sa.table(table, next_at, set_aside_at)
    is_set_aside = set_aside_at.is_not(None)
    op.execute(sa.update(rows).where(is_set_aside).values(next_at=set_aside_at))
