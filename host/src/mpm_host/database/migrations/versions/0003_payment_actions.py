"""Let people act on payments: proposals, reversals under way, orders that follow others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ORDER_MOMENTS = ("due_at", "unknown_since", "asked_at")


def upgrade() -> None:
    """Add them; the resolver counts time instead of its looks."""
    op.add_column("mpm_payment", sa.Column("reversing_at", sa.BigInteger(), nullable=True))
    for name in _ORDER_MOMENTS:
        op.add_column("mpm_order", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("mpm_order", sa.Column("purpose", sa.String(length=16), nullable=True))
    op.add_column("mpm_order", sa.Column("follows_id", sa.String(length=32), nullable=True))
    op.drop_column("mpm_order", "looks")
    _make_proposal()


def downgrade() -> None:
    """Take them back."""
    op.drop_table("mpm_proposal")
    op.add_column(
        "mpm_order", sa.Column("looks", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    for name in ("follows_id", "purpose", *_ORDER_MOMENTS):
        op.drop_column("mpm_order", name)
    op.drop_column("mpm_payment", "reversing_at")


def _make_proposal() -> None:
    op.create_table(
        "mpm_proposal",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("proposed_by", sa.String(length=200), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("approved", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_proposal_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["mpm_order.id"], name=op.f("fk_mpm_proposal_order_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["mpm_payment.id"], name=op.f("fk_mpm_proposal_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_proposal")),
    )
    op.create_index(op.f("ix_mpm_proposal_payment_id"), "mpm_proposal", ["payment_id"])
    op.create_index(
        "uq_mpm_proposal_one_open_per_order",
        "mpm_proposal",
        ["order_id"],
        unique=True,
        sqlite_where=sa.text("decided_at IS NULL"),
        postgresql_where=sa.text("decided_at IS NULL"),
    )
