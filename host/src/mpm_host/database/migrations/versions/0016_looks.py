"""Count the looks at an order in doubt: time in which nobody could look uses none of them up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; an order in doubt now is looked after as often as one that is new."""
    op.add_column(
        "mpm_order", sa.Column("looks", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )


def downgrade() -> None:
    """Drop it; the schedule is counted in time alone."""
    op.drop_column("mpm_order", "looks")
