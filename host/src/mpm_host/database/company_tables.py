"""Tables of companies: what they run, where they work, whom they serve and with which devices."""

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
    set_aside_at,
    work_failures,
)

__all__ = [
    "appliances",
    "clusters",
    "companies",
    "customers",
    "devices",
    "instances",
    "mini_grids",
    "tariff_versions",
    "tariffs",
    "villages",
]

companies = sa.Table(
    "mpm_company",
    metadata,
    identifier(),
    sa.Column("slug", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("country", sa.String(2), nullable=False),
    currency(),
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("managed", sa.Boolean, nullable=False),  # declared in the configuration file
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("arrears_buy_time", sa.Boolean, nullable=False, default=False),
    # a device counts only once its manufacturer has said that it knows it
    sa.Column("demand_mapping", sa.Boolean, nullable=False, server_default=sa.false()),
    # of the next payment that staff take: those have no instance to number them
    sa.Column("next_staff_number", sa.BigInteger, nullable=False, server_default="1"),
    created(),
)

instances = sa.Table(
    "mpm_instance",
    metadata,
    identifier(),
    company(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("plugin", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # unconfigured, enabled, disabled, removed
    sa.Column("managed", sa.Boolean, nullable=False),  # settings are read from the file, not here
    sa.Column("callback_key", sa.String(32), nullable=False, unique=True),
    sa.Column("settings", sa.LargeBinary),  # encrypted JSON of instances the database owns
    sa.Column("facts", sa.JSON),  # of the manifest, so that booking needs no manufacturer's plugin
    sa.Column("next_number", sa.BigInteger, nullable=False, default=1),
    created(),
    sa.UniqueConstraint("company_id", "name"),
)

clusters = sa.Table(
    "mpm_cluster",
    metadata,
    identifier(),
    company(),
    sa.Column("name", sa.String(200), nullable=False),
    created(),
    sa.UniqueConstraint("company_id", "name"),
)

mini_grids = sa.Table(
    "mpm_mini_grid",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_cluster"),
    sa.Column("name", sa.String(200), nullable=False),
    created(),
    sa.UniqueConstraint("cluster_id", "name"),
)

villages = sa.Table(
    "mpm_village",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_mini_grid"),
    sa.Column("name", sa.String(200), nullable=False),
    created(),
    sa.UniqueConstraint("mini_grid_id", "name"),
)

customers = sa.Table(
    "mpm_customer",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_village"),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("surname", sa.String(200), nullable=False),
    sa.Column("phone", sa.String(20), nullable=False),
    sa.Column("credit", sa.BigInteger, nullable=False, default=0),  # cache of the ledger's entries
    created(),
    sa.Column("deleted_at", Instant),  # nothing new is theirs; their ledger stays
    sa.Index(None, "company_id", "phone"),
)

tariffs = sa.Table(
    "mpm_tariff",
    metadata,
    identifier(),
    company(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),  # the one in force
    created(),
    sa.UniqueConstraint("company_id", "name"),
)

tariff_versions = sa.Table(
    "mpm_tariff_version",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_tariff"),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("price_per_kwh", sa.String(32), nullable=False),  # exact decimal in major units
    sa.Column("components", sa.JSON, nullable=False),  # [{name, price_per_kwh}]
    sa.Column("minimum_purchase", sa.BigInteger, nullable=False),
    sa.Column("access_amount", sa.BigInteger),
    sa.Column("access_period_days", sa.Integer),
    created(),
    sa.UniqueConstraint("tariff_id", "version"),
)

appliances = sa.Table(
    "mpm_appliance",
    metadata,
    identifier(),
    company(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # shs, e_bike, other
    sa.Column("price", sa.BigInteger, nullable=False),
    created(),
    sa.UniqueConstraint("company_id", "name"),
)

devices = sa.Table(
    "mpm_device",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_customer", nullable=True),
    reference_to("mpm_village"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("serial", sa.String(64), nullable=False),
    reference_to("mpm_instance"),  # the manufacturer
    reference_to("mpm_tariff", nullable=True),
    reference_to("mpm_appliance", nullable=True),
    sa.Column("details", sa.LargeBinary),  # encrypted JSON
    sa.Column("state", sa.JSON, nullable=False),
    # moves with the state, and with whatever an order brought to the device
    sa.Column("state_version", sa.Integer, nullable=False, default=0),
    sa.Column("mapping", sa.String(16), nullable=False),
    sa.Column("next_at", Instant),  # when to ask the manufacturer whether it knows the device
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # of asking, in a row
    sa.Column("handed", sa.Integer, nullable=False, default=0),  # hand-overs to the engine so far
    sa.Column("access_due_on", sa.Date),  # the next access-rate boundary; none without access rate
    created(),
    work_failures(),
    set_aside_at(),
    sa.UniqueConstraint("company_id", "serial"),
    sa.Index(None, "customer_id"),
    sa.Index(None, "access_due_on"),
    partial_index("ix_mpm_device_due", "next_at", where="next_at IS NOT NULL"),
    partial_index("ix_mpm_device_set_aside", "company_id", where="set_aside_at IS NOT NULL"),
)
