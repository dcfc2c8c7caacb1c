"""Tables of payments and of the ledger.

Rows of the ledger and of events are never changed or deleted; a migration added triggers that
refuse it.
"""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.database.column_types import Instant, Remark
from mpm_host.database.columns import (
    ID,
    company,
    created,
    currency,
    identifier,
    metadata,
    partial_index,
    reference_to,
)

__all__ = ["entries", "events", "payments"]

payments = sa.Table(
    "mpm_payment",
    metadata,
    identifier(),
    company(),
    # telecom, cash, ad_hoc: where the money came from; only telecoms have an instance
    sa.Column("channel", sa.String(16), nullable=False, server_default="telecom"),
    reference_to("mpm_instance", nullable=True),
    sa.Column("reference", sa.String(128)),
    sa.Column("intent", sa.String(128)),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("needs_person", sa.Boolean, nullable=False, default=False),
    sa.Column("reason", sa.String(64), nullable=False, default=""),
    sa.Column("message", Remark(500), nullable=False, default=""),
    sa.Column("conflict", sa.Boolean, nullable=False, default=False),
    # a conflict that a person must look at, whatever becomes of the payment's orders
    sa.Column("disputed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("serial", sa.String(128)),
    sa.Column("amount", sa.BigInteger),
    currency(),
    sa.Column("payer", sa.String(20)),
    sa.Column("receipt", sa.String(128)),
    sa.Column("details", sa.JSON, nullable=False),
    reference_to("mpm_device", nullable=True),
    sa.Column("device_kind", sa.String(16)),
    reference_to("mpm_customer", nullable=True),
    sa.Column("plan_id", ID),  # the one sale it pays; none: it is for a device, debts first
    sa.Column("reply_status", sa.Integer),
    sa.Column("reply_type", sa.String(100)),
    sa.Column("reply_body", sa.LargeBinary),
    created(),
    sa.Column("validated_at", Instant),
    sa.Column("accepted_at", Instant),
    sa.Column("booked_on", sa.Date),  # the company's date at acceptance
    sa.Column("settled_at", Instant),
    sa.Column("reversing_at", Instant),  # to be taken back; an open order's end books it
    sa.CheckConstraint("amount IS NULL OR amount > 0", name="amount_positive"),
    sa.CheckConstraint(
        "(channel = 'telecom') = (instance_id IS NOT NULL)", name="instance_of_telecom"
    ),
    sa.UniqueConstraint("instance_id", "reference"),
    sa.UniqueConstraint("instance_id", "intent"),
    sa.UniqueConstraint("instance_id", "number"),
    partial_index(
        "uq_mpm_payment_staff_number",
        "company_id",
        "number",
        where="instance_id IS NULL",
        unique=True,
    ),
    sa.Index(None, "company_id", "id"),
    sa.Index(None, "company_id", "status"),
    sa.Index(None, "company_id", "serial"),
    # SQLite with statistics would rather read all than use a key that most have not
    partial_index("ix_mpm_payment_intent", "instance_id", "intent", where="intent IS NOT NULL"),
    partial_index("ix_mpm_payment_needs_person", "company_id", "id", where="needs_person"),
    partial_index("ix_mpm_payment_plan", "plan_id", where="plan_id IS NOT NULL"),
)

entries = sa.Table(
    "mpm_entry",
    metadata,
    identifier(),
    company(),
    sa.Column("journal_id", ID, nullable=False),  # one business event; its entries sum to zero
    reference_to("mpm_payment", nullable=True),
    reference_to("mpm_customer", nullable=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("account", sa.String(16), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    currency(),
    sa.Column("refers_to", ID, nullable=False, default=""),
    sa.Column("at", Instant, nullable=False),
    sa.CheckConstraint("amount <> 0", name="amount_not_zero"),
    sa.Index(None, "payment_id"),
    sa.Index(None, "customer_id", "account"),
    sa.Index(None, "refers_to"),
)

events = sa.Table(
    "mpm_event",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_payment"),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("detail", Remark(500), nullable=False),
    sa.Column("actor", sa.String(200), nullable=False, default=""),
    sa.Column("at", Instant, nullable=False),
    sa.Index(None, "payment_id"),
)
