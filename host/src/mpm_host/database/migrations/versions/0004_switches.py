"""Keep until when switched devices are paid for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "mpm_switch",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("paid_until", sa.BigInteger(), nullable=True),
        sa.Column("unlocked", sa.Boolean(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("handed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_switch_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["mpm_device.id"], name=op.f("fk_mpm_switch_device_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_switch")),
        sa.UniqueConstraint("device_id", name=op.f("uq_mpm_switch_device_id")),
    )
    op.create_index(
        "ix_mpm_switch_due",
        "mpm_switch",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("mpm_switch")
