"""Tell plugins after the commit, and ask payers to pay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _make_tellings()
    _make_pushes()


def _make_tellings() -> None:
    op.create_table(
        "mpm_telling",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("instance_id", sa.String(length=32), nullable=False),
        sa.Column("hook", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("handed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_telling_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["mpm_instance.id"], name=op.f("fk_mpm_telling_instance_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_telling")),
    )
    _make_partial_index("ix_mpm_telling_due", "mpm_telling", ["next_at"], "next_at IS NOT NULL")
    _make_partial_index(
        "ix_mpm_telling_set_aside", "mpm_telling", ["company_id", "instance_id"], "next_at IS NULL"
    )


def _make_pushes() -> None:
    op.create_table(
        "mpm_push",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("instance_id", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=25), nullable=False),
        sa.Column("serial", sa.String(length=128), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("payer", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("not_found", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("handed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_mpm_push_amount_positive")),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_push_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["mpm_instance.id"], name=op.f("fk_mpm_push_instance_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["mpm_payment.id"], name=op.f("fk_mpm_push_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_push")),
        sa.UniqueConstraint("instance_id", "key", name=op.f("uq_mpm_push_instance_id_key")),
    )
    op.create_index(op.f("ix_mpm_push_company_id_id"), "mpm_push", ["company_id", "id"])
    op.create_index(op.f("ix_mpm_push_payment_id"), "mpm_push", ["payment_id"])
    _make_partial_index("ix_mpm_push_due", "mpm_push", ["next_at"], "next_at IS NOT NULL")


def _make_partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("mpm_push")
    op.drop_table("mpm_telling")
