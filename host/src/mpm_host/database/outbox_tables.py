"""Tables of what is told to plugins after a commit, and of payers who are asked to pay."""

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

__all__ = ["pushes", "tellings"]

# One fact for one instance; the row is deleted once the instance has heard it.
tellings = sa.Table(
    "mpm_telling",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_instance"),  # who is told
    sa.Column("hook", sa.String(32), nullable=False),
    sa.Column("subject_id", ID, nullable=False),  # payment, order, device or message, by the hook
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    sa.Column("detail", Remark(500), nullable=False, default=""),
    sa.Column("next_at", Instant),  # none once it was set aside
    sa.Column("handed", sa.Integer, nullable=False, default=0),
    created(),
    partial_index("ix_mpm_telling_due", "next_at", where="next_at IS NOT NULL"),
    partial_index("ix_mpm_telling_set_aside", "company_id", "instance_id", where="next_at IS NULL"),
)

pushes = sa.Table(
    "mpm_push",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_instance"),  # the telecom
    reference_to("mpm_payment"),
    sa.Column("agent_id", ID),  # whose customer is asked, if an agent asks
    sa.Column("key", sa.String(25), nullable=False),  # our reference, also the payment's
    sa.Column("serial", sa.String(128), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    currency(),
    sa.Column("payer", sa.String(20), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),  # requested, unknown, paid, failed
    sa.Column("detail", Remark(500), nullable=False, default=""),
    sa.Column("details", sa.JSON, nullable=False),  # what the telecom's answers asked us to keep
    sa.Column("fence", sa.Integer, nullable=False, default=0),  # moves with everything written
    sa.Column("looks", sa.Integer, nullable=False, default=0),  # how often the telecom was asked
    sa.Column("not_found", sa.Integer, nullable=False, default=0),  # late answers in a row
    sa.Column("sent_at", Instant),  # none until the telecom is about to be asked to prompt
    sa.Column("next_at", Instant),  # when to work on it; none once it has ended
    sa.Column("handed", sa.Integer, nullable=False, default=0),
    created(),
    sa.Column("finished_at", Instant),
    work_failures(),
    set_aside_at(),
    sa.CheckConstraint("amount > 0", name="amount_positive"),
    sa.UniqueConstraint("instance_id", "key"),
    sa.Index(None, "company_id", "id"),
    sa.Index(None, "payment_id"),
    partial_index("ix_mpm_push_agent", "agent_id", where="agent_id IS NOT NULL"),
    partial_index("ix_mpm_push_due", "next_at", where="next_at IS NOT NULL"),
    partial_index("ix_mpm_push_set_aside", "company_id", where="set_aside_at IS NOT NULL"),
)
