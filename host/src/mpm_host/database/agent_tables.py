"""Tables of agents: who they are, what they may sell, the company's cash they hold.

`mpm_agent` keeps two sums of the entries beside them, *balance* and *commission*; verification
recomputes both.
"""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.database.column_types import Instant
from mpm_host.database.columns import company, created, currency, identifier, metadata, reference_to

__all__ = ["agent_appliances", "agent_entries", "agent_logins", "agent_receipts", "agents"]

agents = sa.Table(
    "mpm_agent",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_mini_grid"),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("phone", sa.String(20), nullable=False),  # E.164
    sa.Column("commission_rate", sa.String(16), nullable=False),  # exact decimal, 0 to 1
    sa.Column("risk_balance", sa.BigInteger, nullable=False),  # most company cash they may hold
    sa.Column("balance", sa.BigInteger, nullable=False, default=0),  # sum of entries' amounts
    sa.Column("commission", sa.BigInteger, nullable=False, default=0),  # the same of commissions
    currency(),
    sa.Column("enabled", sa.Boolean, nullable=False),
    created(),
    sa.CheckConstraint("risk_balance >= 0", name="risk_balance_not_negative"),
    sa.UniqueConstraint("company_id", "phone"),
)

agent_logins = sa.Table(
    "mpm_agent_login",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_agent"),
    reference_to("mpm_user", nullable=True, unique=True),
    reference_to("mpm_api_key", nullable=True, unique=True),
    created(),
    sa.CheckConstraint("(user_id IS NULL) <> (api_key_id IS NULL)", name="one_login"),
    sa.Index(None, "agent_id"),
)

agent_appliances = sa.Table(
    "mpm_agent_appliance",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_agent"),
    reference_to("mpm_appliance"),
    sa.Column("price", sa.BigInteger, nullable=False),
    created(),
    sa.CheckConstraint("price > 0", name="price_positive"),
    sa.UniqueConstraint("agent_id", "appliance_id"),
)

agent_receipts = sa.Table(
    "mpm_agent_receipt",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_agent"),
    sa.Column("amount", sa.BigInteger, nullable=False),  # cash handed over
    sa.Column("commission_paid", sa.BigInteger, nullable=False),  # cash the agent kept
    sa.Column("balance_before", sa.BigInteger, nullable=False),
    sa.Column("balance_after", sa.BigInteger, nullable=False),
    currency(),
    sa.Column("taken_by", sa.String(200), nullable=False),
    created(),
    sa.CheckConstraint("amount > 0", name="amount_positive"),
    sa.Index(None, "agent_id"),
)

agent_entries = sa.Table(
    "mpm_agent_entry",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_agent"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),  # of company cash; + the agent took it
    sa.Column("commission", sa.BigInteger, nullable=False),  # + the agent earned it
    sa.Column("balance_after", sa.BigInteger, nullable=False),
    sa.Column("commission_after", sa.BigInteger, nullable=False),
    currency(),
    # What it comes of; one of them.
    reference_to("mpm_plan", nullable=True),
    reference_to("mpm_payment", nullable=True),
    reference_to("mpm_agent_receipt", nullable=True),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index(None, "agent_id"),
    # The same cash is never counted twice, however often the request comes.
    sa.UniqueConstraint("plan_id", "kind"),
    sa.UniqueConstraint("payment_id", "kind"),
    sa.UniqueConstraint("agent_receipt_id", "kind"),
)
