"""Index the payments that were asked for from a phone by their intents.

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

_INDEX = "ix_mpm_payment_intent"


def upgrade() -> None:
    """Add it; it is small, because it holds those alone that have one."""
    where = sa.text("intent IS NOT NULL")
    op.create_index(
        _INDEX,
        "mpm_payment",
        ["instance_id", "intent"],
        sqlite_where=where,
        postgresql_where=where,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index(_INDEX, "mpm_payment")
