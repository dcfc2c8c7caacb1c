"""Ask payers for down payments, say for which agent they are asked, and import in the background.

A down payment may be open from now on, so plans' rows say which of them it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_OF_PLAN = "ix_mpm_payment_plan"
_OF_AGENT = "ix_mpm_push_agent"
_IMPORT = "mpm_import"


def upgrade() -> None:
    """Add them; every down payment that there is has been paid, and has its entry."""
    op.add_column(
        "mpm_plan_row",
        sa.Column("is_down_payment", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.execute(
        "UPDATE mpm_plan_row SET is_down_payment = true WHERE id IN "
        "(SELECT refers_to FROM mpm_entry WHERE account = 'down_payment')"
    )
    op.add_column("mpm_payment", sa.Column("plan_id", sa.String(length=32), nullable=True))
    _make_partial_index(_OF_PLAN, "mpm_payment", "plan_id")
    op.add_column("mpm_push", sa.Column("agent_id", sa.String(length=32), nullable=True))
    _make_partial_index(_OF_AGENT, "mpm_push", "agent_id")
    _make_import()


def downgrade() -> None:
    """Take them back; a down payment that is still open becomes an ordinary instalment."""
    op.execute(
        "UPDATE mpm_plan SET down_payment = down_payment - (SELECT sum(r.remaining) "
        "FROM mpm_plan_row r WHERE r.plan_id = mpm_plan.id AND r.is_down_payment) "
        "WHERE id IN (SELECT plan_id FROM mpm_plan_row WHERE is_down_payment AND remaining > 0)"
    )
    op.drop_table(_IMPORT)
    op.drop_index(_OF_AGENT, "mpm_push")
    op.drop_column("mpm_push", "agent_id")
    op.drop_index(_OF_PLAN, "mpm_payment")
    op.drop_column("mpm_payment", "plan_id")
    op.drop_column("mpm_plan_row", "is_down_payment")


def _make_import() -> None:
    op.create_table(
        _IMPORT,
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("all_or_nothing", sa.Boolean(), nullable=False),
        sa.Column("file", sa.LargeBinary(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("rows_done", sa.Integer(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("written", sa.Boolean(), nullable=False),
        sa.Column("row_errors", sa.JSON(), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("handed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f(f"fk_{_IMPORT}_company_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_IMPORT}")),
    )
    op.create_index(op.f(f"ix_{_IMPORT}_company_id_id"), _IMPORT, ["company_id", "id"])
    _make_partial_index(f"ix_{_IMPORT}_due", _IMPORT, "next_at")


def _make_partial_index(name: str, table: str, column: str) -> None:
    where = sa.text(f"{column} IS NOT NULL")
    op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)
