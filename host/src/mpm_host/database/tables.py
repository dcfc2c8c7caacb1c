"""Tables by their short names, for statements: `t.payments`; how they are made is `columns`.

The tables of users, agents, imports and what is told to plugins have modules of their own, and
`every_table` knows all of them.
"""

from __future__ import annotations

from mpm_host.database.company_tables import (
    appliances,
    clusters,
    companies,
    customers,
    devices,
    instances,
    mini_grids,
    tariff_versions,
    tariffs,
    villages,
)
from mpm_host.database.debt_tables import access_debts, plan_rows, plans
from mpm_host.database.host_tables import audit, readiness
from mpm_host.database.order_tables import (
    attempts,
    delivery_reports,
    messages,
    orders,
    proposals,
    switches,
    tokens,
)
from mpm_host.database.payment_tables import entries, events, payments

__all__ = [
    "access_debts",
    "appliances",
    "attempts",
    "audit",
    "clusters",
    "companies",
    "customers",
    "delivery_reports",
    "devices",
    "entries",
    "events",
    "instances",
    "messages",
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
