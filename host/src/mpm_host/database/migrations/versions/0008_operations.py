"""Keep a row that is written to see whether the database takes writes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "mpm_readiness",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("written_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_readiness")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("mpm_readiness")
