"""Keep what a company's set-up needs beyond the beginning.

Companies that demand mapping, customers that were deleted, and codes for a new password.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_RESET = "mpm_password_reset"


def upgrade() -> None:
    """Add them; no company demands mapping, and no customer is deleted."""
    op.add_column(
        "mpm_company",
        sa.Column("demand_mapping", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("mpm_customer", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    _make_password_reset()


def downgrade() -> None:
    """Take them back; a deleted customer is an ordinary one again."""
    op.drop_table(_RESET)
    op.drop_column("mpm_customer", "deleted_at")
    op.drop_column("mpm_company", "demand_mapping")


def _make_password_reset() -> None:
    op.create_table(
        _RESET,
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f(f"fk_{_RESET}_company_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["mpm_user.id"], name=op.f(f"fk_{_RESET}_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f(f"pk_{_RESET}")),
    )
