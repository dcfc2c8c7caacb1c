"""Make every table of the first version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


_TABLES = (
    "mpm_company",
    "mpm_appliance",
    "mpm_audit",
    "mpm_cluster",
    "mpm_instance",
    "mpm_tariff",
    "mpm_mini_grid",
    "mpm_tariff_version",
    "mpm_village",
    "mpm_customer",
    "mpm_device",
    "mpm_access_debt",
    "mpm_payment",
    "mpm_plan",
    "mpm_entry",
    "mpm_event",
    "mpm_message",
    "mpm_order",
    "mpm_plan_row",
    "mpm_attempt",
    "mpm_token",
)
_APPEND_ONLY = ("mpm_entry", "mpm_event", "mpm_audit")


def upgrade() -> None:
    """Make every table, and refuse changes of those that only grow."""
    _make_company()
    _make_appliance()
    _make_audit()
    _make_cluster()
    _make_instance()
    _make_tariff()
    _make_mini_grid()
    _make_tariff_version()
    _make_village()
    _make_customer()
    _make_device()
    _make_access_debt()
    _make_payment()
    _make_plan()
    _make_entry()
    _make_event()
    _make_message()
    _make_order()
    _make_plan_row()
    _make_attempt()
    _make_token()
    _refuse_changes()


def downgrade() -> None:
    """Drop every table."""
    _allow_changes()
    for table in reversed(_TABLES):
        op.drop_table(table)


def _make_company() -> None:
    op.create_table(
        "mpm_company",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("managed", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("arrears_buy_time", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_company")),
        sa.UniqueConstraint("slug", name=op.f("uq_mpm_company_slug")),
    )


def _make_appliance() -> None:
    op.create_table(
        "mpm_appliance",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_appliance_company_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_appliance")),
        sa.UniqueConstraint("company_id", "name", name=op.f("uq_mpm_appliance_company_id_name")),
    )


def _make_audit() -> None:
    op.create_table(
        "mpm_audit",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_audit_company_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_audit")),
    )
    op.create_index(
        op.f("ix_mpm_audit_company_id_id"), "mpm_audit", ["company_id", "id"], unique=False
    )


def _make_cluster() -> None:
    op.create_table(
        "mpm_cluster",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_cluster_company_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_cluster")),
        sa.UniqueConstraint("company_id", "name", name=op.f("uq_mpm_cluster_company_id_name")),
    )


def _make_instance() -> None:
    op.create_table(
        "mpm_instance",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("managed", sa.Boolean(), nullable=False),
        sa.Column("callback_key", sa.String(length=32), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=True),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_instance_company_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_instance")),
        sa.UniqueConstraint("callback_key", name=op.f("uq_mpm_instance_callback_key")),
        sa.UniqueConstraint("company_id", "name", name=op.f("uq_mpm_instance_company_id_name")),
    )


def _make_tariff() -> None:
    op.create_table(
        "mpm_tariff",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_tariff_company_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_tariff")),
        sa.UniqueConstraint("company_id", "name", name=op.f("uq_mpm_tariff_company_id_name")),
    )


def _make_mini_grid() -> None:
    op.create_table(
        "mpm_mini_grid",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("cluster_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["mpm_cluster.id"], name=op.f("fk_mpm_mini_grid_cluster_id")
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_mini_grid_company_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_mini_grid")),
        sa.UniqueConstraint("cluster_id", "name", name=op.f("uq_mpm_mini_grid_cluster_id_name")),
    )


def _make_tariff_version() -> None:
    op.create_table(
        "mpm_tariff_version",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("tariff_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("price_per_kwh", sa.String(length=32), nullable=False),
        sa.Column("components", sa.JSON(), nullable=False),
        sa.Column("minimum_purchase", sa.BigInteger(), nullable=False),
        sa.Column("access_amount", sa.BigInteger(), nullable=True),
        sa.Column("access_period_days", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_tariff_version_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["tariff_id"], ["mpm_tariff.id"], name=op.f("fk_mpm_tariff_version_tariff_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_tariff_version")),
        sa.UniqueConstraint(
            "tariff_id", "version", name=op.f("uq_mpm_tariff_version_tariff_id_version")
        ),
    )


def _make_village() -> None:
    op.create_table(
        "mpm_village",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("mini_grid_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_village_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["mini_grid_id"], ["mpm_mini_grid.id"], name=op.f("fk_mpm_village_mini_grid_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_village")),
        sa.UniqueConstraint("mini_grid_id", "name", name=op.f("uq_mpm_village_mini_grid_id_name")),
    )


def _make_customer() -> None:
    op.create_table(
        "mpm_customer",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("village_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("surname", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("credit", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_customer_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["village_id"], ["mpm_village.id"], name=op.f("fk_mpm_customer_village_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_customer")),
    )
    op.create_index(
        op.f("ix_mpm_customer_company_id_phone"),
        "mpm_customer",
        ["company_id", "phone"],
        unique=False,
    )


def _make_device() -> None:
    op.create_table(
        "mpm_device",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=True),
        sa.Column("village_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("instance_id", sa.String(length=32), nullable=False),
        sa.Column("tariff_id", sa.String(length=32), nullable=True),
        sa.Column("appliance_id", sa.String(length=32), nullable=True),
        sa.Column("details", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("state_version", sa.Integer(), nullable=False),
        sa.Column("mapping", sa.String(length=16), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("handed", sa.Integer(), nullable=False),
        sa.Column("access_due_on", sa.Date(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appliance_id"], ["mpm_appliance.id"], name=op.f("fk_mpm_device_appliance_id")
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_device_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["mpm_customer.id"], name=op.f("fk_mpm_device_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["mpm_instance.id"], name=op.f("fk_mpm_device_instance_id")
        ),
        sa.ForeignKeyConstraint(
            ["tariff_id"], ["mpm_tariff.id"], name=op.f("fk_mpm_device_tariff_id")
        ),
        sa.ForeignKeyConstraint(
            ["village_id"], ["mpm_village.id"], name=op.f("fk_mpm_device_village_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_device")),
        sa.UniqueConstraint("company_id", "serial", name=op.f("uq_mpm_device_company_id_serial")),
    )
    op.create_index(
        op.f("ix_mpm_device_access_due_on"), "mpm_device", ["access_due_on"], unique=False
    )
    op.create_index(op.f("ix_mpm_device_customer_id"), "mpm_device", ["customer_id"], unique=False)
    op.create_index(
        "ix_mpm_device_due",
        "mpm_device",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )


def _make_access_debt() -> None:
    op.create_table(
        "mpm_access_debt",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.CheckConstraint(
            "remaining >= 0 AND remaining <= amount",
            name=op.f("ck_mpm_access_debt_remaining_within_amount"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_access_debt_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["mpm_customer.id"], name=op.f("fk_mpm_access_debt_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["mpm_device.id"], name=op.f("fk_mpm_access_debt_device_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_access_debt")),
        sa.UniqueConstraint(
            "device_id", "due_on", name=op.f("uq_mpm_access_debt_device_id_due_on")
        ),
    )
    op.create_index(
        op.f("ix_mpm_access_debt_customer_id"), "mpm_access_debt", ["customer_id"], unique=False
    )


def _make_payment() -> None:
    op.create_table(
        "mpm_payment",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("instance_id", sa.String(length=32), nullable=False),
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
        sa.CheckConstraint(
            "amount IS NULL OR amount > 0", name=op.f("ck_mpm_payment_amount_positive")
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_payment_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["mpm_customer.id"], name=op.f("fk_mpm_payment_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["mpm_device.id"], name=op.f("fk_mpm_payment_device_id")
        ),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["mpm_instance.id"], name=op.f("fk_mpm_payment_instance_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_payment")),
        sa.UniqueConstraint(
            "instance_id", "intent", name=op.f("uq_mpm_payment_instance_id_intent")
        ),
        sa.UniqueConstraint(
            "instance_id", "number", name=op.f("uq_mpm_payment_instance_id_number")
        ),
        sa.UniqueConstraint(
            "instance_id", "reference", name=op.f("uq_mpm_payment_instance_id_reference")
        ),
    )
    op.create_index(
        op.f("ix_mpm_payment_company_id_id"), "mpm_payment", ["company_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_mpm_payment_company_id_serial"),
        "mpm_payment",
        ["company_id", "serial"],
        unique=False,
    )
    op.create_index(
        op.f("ix_mpm_payment_company_id_status"),
        "mpm_payment",
        ["company_id", "status"],
        unique=False,
    )


def _make_plan() -> None:
    op.create_table(
        "mpm_plan",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=True),
        sa.Column("appliance_id", sa.String(length=32), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("device_serial", sa.String(length=64), nullable=True),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("sold_on", sa.Date(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("down_payment", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=True),
        sa.Column("price_per_day", sa.BigInteger(), nullable=True),
        sa.Column("minimum_payment", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appliance_id"], ["mpm_appliance.id"], name=op.f("fk_mpm_plan_appliance_id")
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_plan_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["mpm_customer.id"], name=op.f("fk_mpm_plan_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["mpm_device.id"], name=op.f("fk_mpm_plan_device_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_plan")),
    )
    op.create_index(op.f("ix_mpm_plan_customer_id"), "mpm_plan", ["customer_id"], unique=False)
    op.create_index(
        "uq_mpm_plan_one_live_per_device",
        "mpm_plan",
        ["device_id"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )


def _make_entry() -> None:
    op.create_table(
        "mpm_entry",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("journal_id", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=True),
        sa.Column("customer_id", sa.String(length=32), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=16), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("refers_to", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_mpm_entry_amount_not_zero")),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_entry_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["mpm_customer.id"], name=op.f("fk_mpm_entry_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["mpm_payment.id"], name=op.f("fk_mpm_entry_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_entry")),
    )
    op.create_index(
        op.f("ix_mpm_entry_customer_id_account"),
        "mpm_entry",
        ["customer_id", "account"],
        unique=False,
    )
    op.create_index(op.f("ix_mpm_entry_payment_id"), "mpm_entry", ["payment_id"], unique=False)
    op.create_index(op.f("ix_mpm_entry_refers_to"), "mpm_entry", ["refers_to"], unique=False)


def _make_event() -> None:
    op.create_table(
        "mpm_event",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_event_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["mpm_payment.id"], name=op.f("fk_mpm_event_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_event")),
    )
    op.create_index(op.f("ix_mpm_event_payment_id"), "mpm_event", ["payment_id"], unique=False)


def _make_message() -> None:
    op.create_table(
        "mpm_message",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=True),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("handed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("segments", sa.Integer(), nullable=True),
        sa.Column("cost", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_message_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["mpm_payment.id"], name=op.f("fk_mpm_message_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_message")),
        sa.UniqueConstraint("key", name=op.f("uq_mpm_message_key")),
    )
    op.create_index(
        "ix_mpm_message_due",
        "mpm_message",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("status = 'queued'"),
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(op.f("ix_mpm_message_payment_id"), "mpm_message", ["payment_id"], unique=False)


def _make_order() -> None:
    op.create_table(
        "mpm_order",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=True),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("instance_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("money", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("unit", sa.String(length=8), nullable=True),
        sa.Column("unit_price", sa.String(length=40), nullable=True),
        sa.Column("calculation", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("prepared", sa.JSON(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("not_found", sa.Integer(), nullable=False),
        sa.Column("doubt", sa.Boolean(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("handed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_order_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["mpm_customer.id"], name=op.f("fk_mpm_order_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["mpm_device.id"], name=op.f("fk_mpm_order_device_id")
        ),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["mpm_instance.id"], name=op.f("fk_mpm_order_instance_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["mpm_payment.id"], name=op.f("fk_mpm_order_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_order")),
    )
    op.create_index(
        op.f("ix_mpm_order_device_id_status"), "mpm_order", ["device_id", "status"], unique=False
    )
    op.create_index(
        "ix_mpm_order_due",
        "mpm_order",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index(op.f("ix_mpm_order_payment_id"), "mpm_order", ["payment_id"], unique=False)


def _make_plan_row() -> None:
    op.create_table(
        "mpm_plan_row",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("plan_id", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "remaining >= 0 AND remaining <= cost",
            name=op.f("ck_mpm_plan_row_remaining_within_cost"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_plan_row_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["mpm_customer.id"], name=op.f("fk_mpm_plan_row_customer_id")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["mpm_plan.id"], name=op.f("fk_mpm_plan_row_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_plan_row")),
    )
    op.create_index(
        op.f("ix_mpm_plan_row_customer_id"), "mpm_plan_row", ["customer_id"], unique=False
    )
    op.create_index(op.f("ix_mpm_plan_row_plan_id"), "mpm_plan_row", ["plan_id"], unique=False)


def _make_attempt() -> None:
    op.create_table(
        "mpm_attempt",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("plugin", sa.String(length=128), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_attempt_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["mpm_order.id"], name=op.f("fk_mpm_attempt_order_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_attempt")),
        sa.UniqueConstraint("order_id", "number", name=op.f("uq_mpm_attempt_order_id_number")),
    )


def _make_token() -> None:
    op.create_table(
        "mpm_token",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("company_id", sa.String(length=32), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("codes", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("unit", sa.String(length=8), nullable=True),
        sa.Column("delivery", sa.String(length=8), nullable=False),
        sa.Column("vendor_reference", sa.String(length=128), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["mpm_company.id"], name=op.f("fk_mpm_token_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["mpm_device.id"], name=op.f("fk_mpm_token_device_id")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["mpm_order.id"], name=op.f("fk_mpm_token_order_id")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["mpm_payment.id"], name=op.f("fk_mpm_token_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_token")),
        sa.UniqueConstraint("device_id", "digest", name=op.f("uq_mpm_token_device_id_digest")),
        sa.UniqueConstraint("order_id", name=op.f("uq_mpm_token_order_id")),
    )
    op.create_index(op.f("ix_mpm_token_payment_id"), "mpm_token", ["payment_id"], unique=False)


def _refuse_changes() -> None:
    """Let the database itself refuse to rewrite history."""
    if op.get_context().dialect.name == "postgresql":
        _refuse_changes_on_postgresql()
    else:
        _refuse_changes_on_sqlite()


def _refuse_changes_on_sqlite() -> None:
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _refuse_changes_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION mpm_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION mpm_refuse_change()"
        )


def _allow_changes() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION mpm_refuse_change() CASCADE")
