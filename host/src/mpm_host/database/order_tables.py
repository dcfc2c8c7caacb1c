"""Tables of what is owed to devices and phones: orders, tokens, messages, switched e-bikes."""

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
    set_aside_at,
    work_failures,
)

__all__ = [
    "attempts",
    "delivery_reports",
    "messages",
    "orders",
    "proposals",
    "switches",
    "tokens",
]

orders = sa.Table(
    "mpm_order",
    metadata,
    identifier(),  # also the idempotency key plugins see
    company(),
    reference_to("mpm_payment"),
    reference_to("mpm_customer", nullable=True),
    reference_to("mpm_device"),
    reference_to("mpm_instance"),  # the manufacturer
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("money", sa.BigInteger, nullable=False),
    currency(),
    sa.Column("quantity", sa.BigInteger),
    sa.Column("unit", sa.String(8)),
    sa.Column("unit_price", sa.String(40)),
    sa.Column("calculation", sa.JSON, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(64), nullable=False, default=""),
    sa.Column("detail", Remark(500), nullable=False, default=""),
    sa.Column("prepared", sa.JSON),  # none until `mpm_prepare_order` has decided
    sa.Column("fence", sa.Integer, nullable=False, default=0),  # moves with every take-over
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # in a row; sets the backoff
    sa.Column("not_found", sa.Integer, nullable=False, default=0),  # conclusive answers in a row
    sa.Column("looks", sa.Integer, nullable=False, server_default=sa.text("0")),  # in vain
    sa.Column("doubt", sa.Boolean, nullable=False, default=False),  # an earlier try may have worked
    sa.Column("lease_until", Instant),  # a worker has it in its hands until then
    sa.Column("next_at", Instant),  # when to hand it to the workers; never while parked
    sa.Column("handed", sa.Integer, nullable=False, default=0),  # hand-overs to the engine so far
    created(),
    sa.Column("finished_at", Instant),
    sa.Column("due_at", Instant),  # work on it before then changes nothing; none: at once
    sa.Column("unknown_since", Instant),  # nobody knows since then whether a token exists
    sa.Column("asked_at", Instant),  # when somebody last wished it to be looked after
    sa.Column("purpose", sa.String(16)),  # unlock, retry, reissue; none: the payment's own sale
    sa.Column("follows_id", ID),  # the order whose place it took
    sa.Index(None, "payment_id"),
    sa.Index(None, "device_id", "status"),
    partial_index("ix_mpm_order_due", "next_at", where="finished_at IS NULL"),
)

attempts = sa.Table(
    "mpm_attempt",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_order"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("detail", Remark(500), nullable=False, default=""),
    sa.Column("plugin", sa.String(128), nullable=False),  # name and version
    sa.Column("evidence", sa.LargeBinary),  # encrypted: an answer that came too late to count
    sa.UniqueConstraint("order_id", "number"),
)

tokens = sa.Table(
    "mpm_token",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_order", unique=True),
    reference_to("mpm_payment"),
    reference_to("mpm_device"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("codes", sa.LargeBinary, nullable=False),  # encrypted JSON list
    sa.Column("digest", sa.String(64)),  # keyed digest, to see the same token twice; none without
    sa.Column("quantity", sa.BigInteger),
    sa.Column("unit", sa.String(8)),
    sa.Column("delivery", sa.String(8), nullable=False),
    sa.Column("vendor_reference", Remark(128), nullable=False, default=""),
    sa.Column("issued_at", Instant, nullable=False),
    sa.Index(None, "payment_id"),
    sa.UniqueConstraint("device_id", "digest"),
)

messages = sa.Table(
    "mpm_message",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_payment", nullable=True),
    sa.Column("key", sa.String(80), nullable=False, unique=True),  # one message per fact
    sa.Column("phone", sa.String(20), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # encrypted
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("detail", Remark(500), nullable=False, default=""),
    sa.Column("reference", sa.String(128), nullable=False, default=""),
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    sa.Column("next_at", Instant),
    sa.Column("handed", sa.Integer, nullable=False, default=0),
    created(),
    sa.Column("sent_at", Instant),
    sa.Column("segments", sa.Integer),  # SMS the gateway cut it into, if it says so
    sa.Column("cost", Remark(32), nullable=False, default=""),  # in the gateway's own words
    work_failures(),
    sa.Index(None, "payment_id"),
    partial_index("ix_mpm_message_reference", "company_id", "reference", where="reference <> ''"),
    partial_index("ix_mpm_message_due", "next_at", where="status = 'queued'"),
    partial_index("ix_mpm_message_failed", "company_id", "created_at", where="status = 'failed'"),
)

# What gateways said of messages whose reference is not written yet, or never will be: for a day.
delivery_reports = sa.Table(
    "mpm_delivery_report",
    metadata,
    identifier(),
    company(),
    sa.Column("reference", sa.String(128), nullable=False),  # the gateway's, as of a message
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("detail", Remark(500), nullable=False, default=""),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("company_id", "reference"),
    sa.Index(None, "at"),
)

proposals = sa.Table(
    "mpm_proposal",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_payment"),
    reference_to("mpm_order"),
    sa.Column("kind", sa.String(16), nullable=False),  # reissue, not_minted
    sa.Column("attempts", sa.Integer, nullable=False),  # of the order, when it was proposed
    sa.Column("proposed_by", sa.String(200), nullable=False),
    sa.Column("proposed_at", Instant, nullable=False),
    sa.Column("reason", Remark(500), nullable=False),
    sa.Column("decided_by", sa.String(200)),
    sa.Column("decided_at", Instant),
    sa.Column("approved", sa.Boolean),  # none while it is open
    sa.Index(None, "payment_id"),
    partial_index(
        "uq_mpm_proposal_one_open_per_order", "order_id", where="decided_at IS NULL", unique=True
    ),
)

switches = sa.Table(
    "mpm_switch",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_device", unique=True),
    sa.Column("paid_until", Instant),  # none before the first payment
    sa.Column("unlocked", sa.Boolean, nullable=False, default=False),  # never switched off again
    # tokens that came before this id were granted to an earlier owner, or sale; they do not count
    sa.Column("counted_after", ID, nullable=False, server_default=""),
    sa.Column("is_on", sa.Boolean, default=False),  # none while nobody knows
    # moves with whatever changes what is paid or known; a call under an older one knows nothing
    sa.Column("fence", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("lease_until", Instant),  # a call to the vendor may be out until then
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    sa.Column("next_at", Instant),  # when to look whether it must be switched
    sa.Column("handed", sa.Integer, nullable=False, default=0),
    created(),
    work_failures(),
    set_aside_at(),
    partial_index("ix_mpm_switch_due", "next_at", where="next_at IS NOT NULL"),
    partial_index("ix_mpm_switch_set_aside", "company_id", where="set_aside_at IS NOT NULL"),
)
