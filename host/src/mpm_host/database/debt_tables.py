"""Tables of what customers owe: sales with their instalments, and access rates."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.database.column_types import Instant
from mpm_host.database.columns import (
    company,
    created,
    currency,
    identifier,
    metadata,
    partial_index,
    reference_to,
)

__all__ = ["access_debts", "plan_rows", "plans"]

plans = sa.Table(
    "mpm_plan",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_customer"),
    reference_to("mpm_device", nullable=True),
    reference_to("mpm_appliance", nullable=True),
    sa.Column("kind", sa.String(16), nullable=False),  # appliance, shs, e_bike
    sa.Column("device_serial", sa.String(64)),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("sold_on", sa.Date, nullable=False),
    sa.Column("cost", sa.BigInteger, nullable=False),
    sa.Column("down_payment", sa.BigInteger, nullable=False, default=0),
    currency(),
    sa.Column("period", sa.String(8)),
    sa.Column("price_per_day", sa.BigInteger),  # energy as a service
    sa.Column("minimum_payment", sa.BigInteger, nullable=False, default=0),
    created(),
    sa.Column("deleted_at", Instant),  # the sale was taken back; what was paid stays in the ledger
    sa.Index(None, "customer_id"),
    partial_index("uq_mpm_plan_one_live_per_device", "device_id", where="live", unique=True),
)

plan_rows = sa.Table(
    "mpm_plan_row",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_plan"),
    reference_to("mpm_customer"),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("cost", sa.BigInteger, nullable=False),
    sa.Column("remaining", sa.BigInteger, nullable=False),
    # owed at once, and buys no time; open only while, or after, a payer's phone was asked for it
    sa.Column("is_down_payment", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.CheckConstraint("remaining >= 0 AND remaining <= cost", name="remaining_within_cost"),
    sa.Index(None, "plan_id"),
    sa.Index(None, "customer_id"),
)

access_debts = sa.Table(
    "mpm_access_debt",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_customer"),
    reference_to("mpm_device"),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("remaining", sa.BigInteger, nullable=False),
    currency(),
    sa.CheckConstraint("remaining >= 0 AND remaining <= amount", name="remaining_within_amount"),
    sa.UniqueConstraint("device_id", "due_on"),
    sa.Index(None, "customer_id"),
)
