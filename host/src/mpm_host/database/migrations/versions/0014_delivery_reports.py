"""Keep gateways' reports that come before the message has its reference."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "mpm_delivery_report",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_delivery_report_company_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_delivery_report")),
        sa.UniqueConstraint(
            "company_id", "reference", name=op.f("uq_mpm_delivery_report_company_id_reference")
        ),
    )
    op.create_index(op.f("ix_mpm_delivery_report_at"), "mpm_delivery_report", ["at"])


def downgrade() -> None:
    """Drop it; messages whose reports were kept stay *sent*."""
    op.drop_table("mpm_delivery_report")
