"""Keep payments that staff and agents take: they come of no telecom's instance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_RULE = "(channel = 'telecom') = (instance_id IS NOT NULL)"
_RULE_NAME = "ck_mpm_payment_instance_of_telecom"
_NUMBERS = "uq_mpm_payment_staff_number"
_COPY = "mpm_payment_copy"


def upgrade() -> None:
    """Number what staff take, and let a payment be without an instance."""
    op.add_column(
        "mpm_company",
        sa.Column("next_staff_number", sa.BigInteger(), nullable=False, server_default="1"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_payments(with_channel=True)
    else:
        op.add_column("mpm_payment", _channel())
        op.alter_column("mpm_payment", "instance_id", nullable=True)
        op.create_check_constraint(op.f(_RULE_NAME), "mpm_payment", _RULE)
    _index_numbers()


def downgrade() -> None:
    """Take the columns back.

    Payments of staff cannot be kept without them, and must not be lost: with any there, the old
    rule that every payment has an instance refuses the downgrade, and nothing is changed.
    """
    op.drop_index(_NUMBERS, "mpm_payment")
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_payments(with_channel=False)
    else:
        op.drop_constraint(op.f(_RULE_NAME), "mpm_payment")
        op.alter_column("mpm_payment", "instance_id", nullable=False)
        op.drop_column("mpm_payment", "channel")
    op.drop_column("mpm_company", "next_staff_number")


def _channel() -> sa.Column[str]:
    return sa.Column("channel", sa.String(length=16), nullable=False, server_default="telecom")


def _index_numbers() -> None:
    op.create_index(
        _NUMBERS,
        "mpm_payment",
        ["company_id", "number"],
        unique=True,
        sqlite_where=sa.text("instance_id IS NULL"),
        postgresql_where=sa.text("instance_id IS NULL"),
    )


def _rebuild_payments(*, with_channel: bool) -> None:
    """Make the table anew under its own name: SQLite cannot change a column.

    Other tables refer to payments. Their references are checked at the end of the transaction, when
    every payment is back; they are to the table's name, so the rows are copied out and in again
    instead of the table being renamed.
    """
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute(f"CREATE TABLE {_COPY} AS SELECT * FROM mpm_payment")  # noqa: S608 - our own name
    op.drop_table("mpm_payment")
    _make_payment(with_channel=with_channel)
    columns = ", ".join(column for column in _columns() if column != "channel")
    op.execute(f"INSERT INTO mpm_payment ({columns}) SELECT {columns} FROM {_COPY}")  # noqa: S608 - our own names
    op.drop_table(_COPY)


def _columns() -> list[str]:
    return [str(column["name"]) for column in sa.inspect(op.get_bind()).get_columns(_COPY)]


def _make_payment(*, with_channel: bool) -> None:
    channel: list[sa.schema.SchemaItem] = []
    if with_channel:
        channel = [_channel(), sa.CheckConstraint(_RULE, name=op.f(_RULE_NAME))]
    op.create_table(
        "mpm_payment",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("instance_id", sa.String(length=32), nullable=with_channel),
        sa.Column("reference", sa.String(length=128), nullable=True),
        sa.Column("intent", sa.String(length=128), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("needs_person", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.Column("serial", sa.String(length=128), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("payer", sa.String(length=20), nullable=True),
        sa.Column("receipt", sa.String(length=128), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=True),
        sa.Column("device_kind", sa.String(length=16), nullable=True),
        sa.Column("customer_id", sa.String(length=32), nullable=True),
        sa.Column("reply_status", sa.Integer(), nullable=True),
        sa.Column("reply_type", sa.String(length=100), nullable=True),
        sa.Column("reply_body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("validated_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("booked_on", sa.Date(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("reversing_at", sa.BigInteger(), nullable=True),
        *channel,
        sa.CheckConstraint(
            "amount IS NULL OR amount > 0", name=op.f("ck_mpm_payment_amount_positive")
        ),
        *(_reference(name) for name in ("company", "customer", "device", "instance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_payment")),
        *(_unique(name) for name in ("intent", "number", "reference")),
    )
    for name in ("id", "serial", "status"):
        op.create_index(
            op.f(f"ix_mpm_payment_company_id_{name}"), "mpm_payment", ["company_id", name]
        )


def _reference(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [f"{name}_id"], [f"mpm_{name}.id"], name=op.f(f"fk_mpm_payment_{name}_id")
    )


def _unique(name: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint("instance_id", name, name=op.f(f"uq_mpm_payment_instance_id_{name}"))
