"""Every table of the host, grouped by what it is about.

All names start with `mpm_`, because a job engine may keep its own tables in the same database.
Money is `BigInteger` minor units beside a currency; moments are `Instant`; ids are opaque texts.
Every row names its company, and every query asks for it.
"""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.database.column_types import Instant
from mpm_host.identifiers import IDENTIFIER_LENGTH

__all__ = [
    "access_debts",
    "appliances",
    "attempts",
    "audit",
    "clusters",
    "companies",
    "customers",
    "devices",
    "entries",
    "events",
    "instances",
    "messages",
    "metadata",
    "mini_grids",
    "orders",
    "payments",
    "plan_rows",
    "plans",
    "proposals",
    "readiness",
    "switches",
    "tariff_versions",
    "tariffs",
    "tokens",
    "villages",
]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = sa.String(IDENTIFIER_LENGTH)


def _id() -> sa.Column[str]:
    return sa.Column("id", _ID, primary_key=True)


def _company() -> sa.Column[str]:
    return sa.Column("company_id", _ID, sa.ForeignKey("mpm_company.id"), nullable=False)


def _to(table: str, *, name: str | None = None, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(
        name or f"{table.removeprefix('mpm_')}_id",
        _ID,
        sa.ForeignKey(f"{table}.id"),
        nullable=nullable,
    )


def _currency() -> sa.Column[str]:
    return sa.Column("currency", sa.String(3), nullable=False)


def _created() -> sa.Column[object]:
    return sa.Column("created_at", Instant, nullable=False)


# --- companies and their instances of plugins -----------------------------------------------------

companies = sa.Table(
    "mpm_company",
    metadata,
    _id(),
    sa.Column("slug", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("country", sa.String(2), nullable=False),
    _currency(),
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("managed", sa.Boolean, nullable=False),  # declared in the configuration file
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("arrears_buy_time", sa.Boolean, nullable=False, default=False),
    # a device counts only once its manufacturer has said that it knows it
    sa.Column("demand_mapping", sa.Boolean, nullable=False, server_default=sa.false()),
    # of the next payment that staff take: those have no instance to number them
    sa.Column("next_staff_number", sa.BigInteger, nullable=False, server_default="1"),
    _created(),
)

instances = sa.Table(
    "mpm_instance",
    metadata,
    _id(),
    _company(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("plugin", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # unconfigured, enabled, disabled, removed
    sa.Column("managed", sa.Boolean, nullable=False),  # settings are read from the file, not here
    sa.Column("callback_key", sa.String(32), nullable=False, unique=True),
    sa.Column("settings", sa.LargeBinary),  # encrypted JSON of instances the database owns
    sa.Column("facts", sa.JSON),  # of the manifest, so that booking needs no manufacturer's plugin
    sa.Column("next_number", sa.BigInteger, nullable=False, default=1),
    _created(),
    sa.UniqueConstraint("company_id", "name"),
)

# --- places, customers, devices -------------------------------------------------------------------

clusters = sa.Table(
    "mpm_cluster",
    metadata,
    _id(),
    _company(),
    sa.Column("name", sa.String(200), nullable=False),
    _created(),
    sa.UniqueConstraint("company_id", "name"),
)

mini_grids = sa.Table(
    "mpm_mini_grid",
    metadata,
    _id(),
    _company(),
    _to("mpm_cluster"),
    sa.Column("name", sa.String(200), nullable=False),
    _created(),
    sa.UniqueConstraint("cluster_id", "name"),
)

villages = sa.Table(
    "mpm_village",
    metadata,
    _id(),
    _company(),
    _to("mpm_mini_grid"),
    sa.Column("name", sa.String(200), nullable=False),
    _created(),
    sa.UniqueConstraint("mini_grid_id", "name"),
)

customers = sa.Table(
    "mpm_customer",
    metadata,
    _id(),
    _company(),
    _to("mpm_village"),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("surname", sa.String(200), nullable=False),
    sa.Column("phone", sa.String(20), nullable=False),
    sa.Column("credit", sa.BigInteger, nullable=False, default=0),  # cache of the ledger's entries
    _created(),
    sa.Column("deleted_at", Instant),  # nothing new is theirs; their ledger stays
    sa.Index(None, "company_id", "phone"),
)

tariffs = sa.Table(
    "mpm_tariff",
    metadata,
    _id(),
    _company(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),  # the one in force
    _created(),
    sa.UniqueConstraint("company_id", "name"),
)

tariff_versions = sa.Table(
    "mpm_tariff_version",
    metadata,
    _id(),
    _company(),
    _to("mpm_tariff"),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("price_per_kwh", sa.String(32), nullable=False),  # exact decimal in major units
    sa.Column("components", sa.JSON, nullable=False),  # [{name, price_per_kwh}]
    sa.Column("minimum_purchase", sa.BigInteger, nullable=False),
    sa.Column("access_amount", sa.BigInteger),
    sa.Column("access_period_days", sa.Integer),
    _created(),
    sa.UniqueConstraint("tariff_id", "version"),
)

appliances = sa.Table(
    "mpm_appliance",
    metadata,
    _id(),
    _company(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # shs, e_bike, other
    sa.Column("price", sa.BigInteger, nullable=False),
    _created(),
    sa.UniqueConstraint("company_id", "name"),
)

devices = sa.Table(
    "mpm_device",
    metadata,
    _id(),
    _company(),
    _to("mpm_customer", nullable=True),
    _to("mpm_village"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("serial", sa.String(64), nullable=False),
    _to("mpm_instance"),  # the manufacturer
    _to("mpm_tariff", nullable=True),
    _to("mpm_appliance", nullable=True),
    sa.Column("details", sa.LargeBinary),  # encrypted JSON
    sa.Column("state", sa.JSON, nullable=False),
    sa.Column("state_version", sa.Integer, nullable=False, default=0),
    sa.Column("mapping", sa.String(16), nullable=False),
    sa.Column("next_at", Instant),  # when to ask the manufacturer whether it knows the device
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # of asking, in a row
    sa.Column("handed", sa.Integer, nullable=False, default=0),  # hand-overs to the engine so far
    sa.Column("access_due_on", sa.Date),  # the next access-rate boundary; none without access rate
    _created(),
    sa.UniqueConstraint("company_id", "serial"),
    sa.Index(None, "customer_id"),
    sa.Index(None, "access_due_on"),
    sa.Index(
        "ix_mpm_device_due",
        "next_at",
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    ),
)

# --- debts ----------------------------------------------------------------------------------------

plans = sa.Table(
    "mpm_plan",
    metadata,
    _id(),
    _company(),
    _to("mpm_customer"),
    _to("mpm_device", nullable=True),
    _to("mpm_appliance", nullable=True),
    sa.Column("kind", sa.String(16), nullable=False),  # appliance, shs, e_bike
    sa.Column("device_serial", sa.String(64)),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("sold_on", sa.Date, nullable=False),
    sa.Column("cost", sa.BigInteger, nullable=False),
    sa.Column("down_payment", sa.BigInteger, nullable=False, default=0),
    _currency(),
    sa.Column("period", sa.String(8)),
    sa.Column("price_per_day", sa.BigInteger),  # energy as a service
    sa.Column("minimum_payment", sa.BigInteger, nullable=False, default=0),
    _created(),
    sa.Column("deleted_at", Instant),  # the sale was taken back; what was paid stays in the ledger
    sa.Index(None, "customer_id"),
    sa.Index(
        "uq_mpm_plan_one_live_per_device",
        "device_id",
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    ),
)

plan_rows = sa.Table(
    "mpm_plan_row",
    metadata,
    _id(),
    _company(),
    _to("mpm_plan"),
    _to("mpm_customer"),
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
    _id(),
    _company(),
    _to("mpm_customer"),
    _to("mpm_device"),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("remaining", sa.BigInteger, nullable=False),
    _currency(),
    sa.CheckConstraint("remaining >= 0 AND remaining <= amount", name="remaining_within_amount"),
    sa.UniqueConstraint("device_id", "due_on"),
    sa.Index(None, "customer_id"),
)

# --- payments and the ledger ----------------------------------------------------------------------

payments = sa.Table(
    "mpm_payment",
    metadata,
    _id(),
    _company(),
    # telecom, cash, ad_hoc: where the money came from; only telecoms have an instance
    sa.Column("channel", sa.String(16), nullable=False, server_default="telecom"),
    _to("mpm_instance", nullable=True),
    sa.Column("reference", sa.String(128)),
    sa.Column("intent", sa.String(128)),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("needs_person", sa.Boolean, nullable=False, default=False),
    sa.Column("reason", sa.String(64), nullable=False, default=""),
    sa.Column("message", sa.String(500), nullable=False, default=""),
    sa.Column("conflict", sa.Boolean, nullable=False, default=False),
    sa.Column("serial", sa.String(128)),
    sa.Column("amount", sa.BigInteger),
    _currency(),
    sa.Column("payer", sa.String(20)),
    sa.Column("receipt", sa.String(128)),
    sa.Column("details", sa.JSON, nullable=False),
    _to("mpm_device", nullable=True),
    sa.Column("device_kind", sa.String(16)),
    _to("mpm_customer", nullable=True),
    sa.Column("plan_id", _ID),  # the one sale it pays; none: it is for a device, debts first
    sa.Column("reply_status", sa.Integer),
    sa.Column("reply_type", sa.String(100)),
    sa.Column("reply_body", sa.LargeBinary),
    _created(),
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
    sa.Index(
        "uq_mpm_payment_staff_number",
        "company_id",
        "number",
        unique=True,
        sqlite_where=sa.text("instance_id IS NULL"),
        postgresql_where=sa.text("instance_id IS NULL"),
    ),
    sa.Index(None, "company_id", "id"),
    sa.Index(None, "company_id", "status"),
    sa.Index(None, "company_id", "serial"),
    sa.Index(  # SQLite with statistics would rather read all than use a key that most have not
        "ix_mpm_payment_intent",
        "instance_id",
        "intent",
        sqlite_where=sa.text("intent IS NOT NULL"),
        postgresql_where=sa.text("intent IS NOT NULL"),
    ),
    sa.Index(
        "ix_mpm_payment_plan",
        "plan_id",
        sqlite_where=sa.text("plan_id IS NOT NULL"),
        postgresql_where=sa.text("plan_id IS NOT NULL"),
    ),
)

entries = sa.Table(
    "mpm_entry",
    metadata,
    _id(),
    _company(),
    sa.Column("journal_id", _ID, nullable=False),  # one business event; its entries sum to zero
    _to("mpm_payment", nullable=True),
    _to("mpm_customer", nullable=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("account", sa.String(16), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    _currency(),
    sa.Column("refers_to", _ID, nullable=False, default=""),
    sa.Column("at", Instant, nullable=False),
    sa.CheckConstraint("amount <> 0", name="amount_not_zero"),
    sa.Index(None, "payment_id"),
    sa.Index(None, "customer_id", "account"),
    sa.Index(None, "refers_to"),
)

events = sa.Table(
    "mpm_event",
    metadata,
    _id(),
    _company(),
    _to("mpm_payment"),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("detail", sa.String(500), nullable=False),
    sa.Column("actor", sa.String(200), nullable=False, default=""),
    sa.Column("at", Instant, nullable=False),
    sa.Index(None, "payment_id"),
)

# --- what is owed to devices and phones -----------------------------------------------------------

orders = sa.Table(
    "mpm_order",
    metadata,
    _id(),  # also the idempotency key plugins see
    _company(),
    _to("mpm_payment"),
    _to("mpm_customer", nullable=True),
    _to("mpm_device"),
    _to("mpm_instance"),  # the manufacturer
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("money", sa.BigInteger, nullable=False),
    _currency(),
    sa.Column("quantity", sa.BigInteger),
    sa.Column("unit", sa.String(8)),
    sa.Column("unit_price", sa.String(40)),
    sa.Column("calculation", sa.JSON, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(64), nullable=False, default=""),
    sa.Column("detail", sa.String(500), nullable=False, default=""),
    sa.Column("prepared", sa.JSON),  # none until `mpm_prepare_order` has decided
    sa.Column("fence", sa.Integer, nullable=False, default=0),  # moves with every take-over
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # in a row; sets the backoff
    sa.Column("not_found", sa.Integer, nullable=False, default=0),  # conclusive answers in a row
    sa.Column("doubt", sa.Boolean, nullable=False, default=False),  # an earlier try may have worked
    sa.Column("lease_until", Instant),  # a worker has it in its hands until then
    sa.Column("next_at", Instant),  # when to hand it to the workers; never while parked
    sa.Column("handed", sa.Integer, nullable=False, default=0),  # hand-overs to the engine so far
    _created(),
    sa.Column("finished_at", Instant),
    sa.Column("due_at", Instant),  # work on it before then changes nothing; none: at once
    sa.Column("unknown_since", Instant),  # nobody knows since then whether a token exists
    sa.Column("asked_at", Instant),  # when somebody last wished it to be looked after
    sa.Column("purpose", sa.String(16)),  # unlock, retry, reissue; none: the payment's own sale
    sa.Column("follows_id", _ID),  # the order whose place it took
    sa.Index(None, "payment_id"),
    sa.Index(None, "device_id", "status"),
    sa.Index(
        "ix_mpm_order_due",
        "next_at",
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    ),
)

attempts = sa.Table(
    "mpm_attempt",
    metadata,
    _id(),
    _company(),
    _to("mpm_order"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("detail", sa.String(500), nullable=False, default=""),
    sa.Column("plugin", sa.String(128), nullable=False),  # name and version
    sa.Column("evidence", sa.LargeBinary),  # encrypted: an answer that came too late to count
    sa.UniqueConstraint("order_id", "number"),
)

tokens = sa.Table(
    "mpm_token",
    metadata,
    _id(),
    _company(),
    sa.Column("order_id", _ID, sa.ForeignKey("mpm_order.id"), nullable=False, unique=True),
    _to("mpm_payment"),
    _to("mpm_device"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("codes", sa.LargeBinary, nullable=False),  # encrypted JSON list
    sa.Column("digest", sa.String(64)),  # keyed digest, to see the same token twice; none without
    sa.Column("quantity", sa.BigInteger),
    sa.Column("unit", sa.String(8)),
    sa.Column("delivery", sa.String(8), nullable=False),
    sa.Column("vendor_reference", sa.String(128), nullable=False, default=""),
    sa.Column("issued_at", Instant, nullable=False),
    sa.Index(None, "payment_id"),
    sa.UniqueConstraint("device_id", "digest"),
)

messages = sa.Table(
    "mpm_message",
    metadata,
    _id(),
    _company(),
    _to("mpm_payment", nullable=True),
    sa.Column("key", sa.String(80), nullable=False, unique=True),  # one message per fact
    sa.Column("phone", sa.String(20), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # encrypted
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("detail", sa.String(500), nullable=False, default=""),
    sa.Column("reference", sa.String(128), nullable=False, default=""),
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    sa.Column("next_at", Instant),
    sa.Column("handed", sa.Integer, nullable=False, default=0),
    _created(),
    sa.Column("sent_at", Instant),
    sa.Column("segments", sa.Integer),  # SMS the gateway cut it into, if it says so
    sa.Column("cost", sa.String(32), nullable=False, default=""),  # in the gateway's own words
    sa.Index(None, "payment_id"),
    sa.Index(
        "ix_mpm_message_due",
        "next_at",
        sqlite_where=sa.text("status = 'queued'"),
        postgresql_where=sa.text("status = 'queued'"),
    ),
)

proposals = sa.Table(
    "mpm_proposal",
    metadata,
    _id(),
    _company(),
    _to("mpm_payment"),
    _to("mpm_order"),
    sa.Column("kind", sa.String(16), nullable=False),  # reissue, not_minted
    sa.Column("attempts", sa.Integer, nullable=False),  # of the order, when it was proposed
    sa.Column("proposed_by", sa.String(200), nullable=False),
    sa.Column("proposed_at", Instant, nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("decided_by", sa.String(200)),
    sa.Column("decided_at", Instant),
    sa.Column("approved", sa.Boolean),  # none while it is open
    sa.Index(None, "payment_id"),
    sa.Index(
        "uq_mpm_proposal_one_open_per_order",
        "order_id",
        unique=True,
        sqlite_where=sa.text("decided_at IS NULL"),
        postgresql_where=sa.text("decided_at IS NULL"),
    ),
)

switches = sa.Table(
    "mpm_switch",
    metadata,
    _id(),
    _company(),
    sa.Column("device_id", _ID, sa.ForeignKey("mpm_device.id"), nullable=False, unique=True),
    sa.Column("paid_until", Instant),  # none before the first payment
    sa.Column("unlocked", sa.Boolean, nullable=False, default=False),  # never switched off again
    sa.Column("is_on", sa.Boolean, default=False),  # none while nobody knows
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    sa.Column("next_at", Instant),  # when to look whether it must be switched
    sa.Column("handed", sa.Integer, nullable=False, default=0),
    _created(),
    sa.Index(
        "ix_mpm_switch_due",
        "next_at",
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    ),
)

# --- what operations look at ----------------------------------------------------------------------

readiness = sa.Table(
    "mpm_readiness",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),  # of no company: it belongs to the host
    sa.Column("written_at", Instant, nullable=False),  # to see that the database takes writes
)

# --- who changed what -----------------------------------------------------------------------------

audit = sa.Table(
    "mpm_audit",
    metadata,
    _id(),
    _to("mpm_company", nullable=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("before", sa.JSON, nullable=False),
    sa.Column("after", sa.JSON, nullable=False),
    sa.Column("reason", sa.String(500), nullable=False, default=""),
    sa.Index(None, "company_id", "id"),
)

# Rows of these tables are never changed or deleted; migrations add triggers that refuse it.
APPEND_ONLY = (entries, events, audit)
