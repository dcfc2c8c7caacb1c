"""Index payments by intent and messages by their references, mark disputes, count switches anew.

Most payments have no intent. Once SQLite has statistics (`ANALYZE`), it takes all of them for
equals in the unique key, and would rather read every payment than look an intent up there.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_DISPUTED = "ix_mpm_payment_disputed"
_BY_INTENT = "ix_mpm_payment_intent"
_BY_REFERENCE = "ix_mpm_message_reference"


def upgrade() -> None:
    """Add them; what needed a person because of a conflict is disputed from now on."""
    _make_index(_BY_INTENT, "mpm_payment", ["instance_id", "intent"], "intent IS NOT NULL")
    _make_index(_BY_REFERENCE, "mpm_message", ["company_id", "reference"], "reference <> ''")
    op.add_column(
        "mpm_payment",
        sa.Column("disputed", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "mpm_switch",
        sa.Column("counted_after", sa.String(length=32), nullable=False, server_default=""),
    )
    op.execute("UPDATE mpm_payment SET disputed = true WHERE conflict AND needs_person")
    _make_index(_DISPUTED, "mpm_payment", ["company_id"], "disputed")


def downgrade() -> None:
    """Take them back."""
    op.drop_column("mpm_switch", "counted_after")
    op.drop_index(_DISPUTED, "mpm_payment")
    op.drop_column("mpm_payment", "disputed")
    op.drop_index(_BY_REFERENCE, "mpm_message")
    op.drop_index(_BY_INTENT, "mpm_payment")


def _make_index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
