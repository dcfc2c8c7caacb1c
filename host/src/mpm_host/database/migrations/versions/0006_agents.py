"""Keep agents, what they may hold and what they earn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = (
    "mpm_agent",
    "mpm_agent_login",
    "mpm_agent_appliance",
    "mpm_agent_receipt",
    "mpm_agent_entry",
)
_APPEND_ONLY = ("mpm_agent_receipt", "mpm_agent_entry")


def upgrade() -> None:
    """Make the tables of agents."""
    _make_agent()
    _make_login()
    _make_appliance()
    _make_receipt()
    _make_entry()
    for table in _APPEND_ONLY:
        _refuse_changes(table)


def downgrade() -> None:
    """Drop them, with their triggers; logins of agents stay, and open nothing."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _id(name: str = "id", *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=32), nullable=nullable)


def _moment(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _minor(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False)


def _key(table: str, column: str) -> sa.ForeignKeyConstraint:
    target = f"mpm_{column.removesuffix('_id')}.id"
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"))


def _primary(table: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _check(table: str, condition: str, name: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def _make_agent() -> None:
    table = "mpm_agent"
    op.create_table(
        table,
        _id(),
        _id("company_id"),
        _id("mini_grid_id"),
        _text("name", 200),
        _text("phone", 20),
        _text("commission_rate", 16),
        _minor("risk_balance"),
        _minor("balance"),
        _minor("commission"),
        _text("currency", 3),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        _moment("created_at"),
        _check(table, "risk_balance >= 0", "risk_balance_not_negative"),
        _key(table, "company_id"),
        _key(table, "mini_grid_id"),
        _primary(table),
        _unique(table, "company_id", "phone"),
    )


def _make_login() -> None:
    table = "mpm_agent_login"
    op.create_table(
        table,
        _id(),
        _id("company_id"),
        _id("agent_id"),
        _id("user_id", nullable=True),
        _id("api_key_id", nullable=True),
        _moment("created_at"),
        _check(table, "(user_id IS NULL) <> (api_key_id IS NULL)", "one_login"),
        *(_key(table, name) for name in ("company_id", "agent_id", "user_id", "api_key_id")),
        _primary(table),
        _unique(table, "user_id"),
        _unique(table, "api_key_id"),
    )
    op.create_index(op.f(f"ix_{table}_agent_id"), table, ["agent_id"])


def _make_appliance() -> None:
    table = "mpm_agent_appliance"
    op.create_table(
        table,
        _id(),
        _id("company_id"),
        _id("agent_id"),
        _id("appliance_id"),
        _minor("price"),
        _moment("created_at"),
        _check(table, "price > 0", "price_positive"),
        *(_key(table, name) for name in ("company_id", "agent_id", "appliance_id")),
        _primary(table),
        _unique(table, "agent_id", "appliance_id"),
    )


def _make_receipt() -> None:
    table = "mpm_agent_receipt"
    op.create_table(
        table,
        _id(),
        _id("company_id"),
        _id("agent_id"),
        _minor("amount"),
        _minor("commission_paid"),
        _minor("balance_before"),
        _minor("balance_after"),
        _text("currency", 3),
        _text("taken_by", 200),
        _moment("created_at"),
        _check(table, "amount > 0", "amount_positive"),
        *(_key(table, name) for name in ("company_id", "agent_id")),
        _primary(table),
    )
    op.create_index(op.f(f"ix_{table}_agent_id"), table, ["agent_id"])


def _make_entry() -> None:
    table = "mpm_agent_entry"
    sources = ("plan_id", "payment_id", "agent_receipt_id")
    op.create_table(
        table,
        _id(),
        _id("company_id"),
        _id("agent_id"),
        _text("kind", 16),
        _minor("amount"),
        _minor("commission"),
        _minor("balance_after"),
        _minor("commission_after"),
        _text("currency", 3),
        *(_id(name, nullable=True) for name in sources),
        _text("actor", 200),
        _moment("at"),
        *(_key(table, name) for name in ("company_id", "agent_id", *sources)),
        _primary(table),
        *(_unique(table, name, "kind") for name in sources),
    )
    op.create_index(op.f(f"ix_{table}_agent_id"), table, ["agent_id"])


def _refuse_changes(table: str) -> None:
    """Make a table append-only; PostgreSQL has the function since the first revision."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION mpm_refuse_change()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
