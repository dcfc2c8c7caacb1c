"""Every operation of the API, in the order of its description."""

from __future__ import annotations

from mpm_host.web.api import (
    agent_money,
    agents,
    api_keys,
    appliances,
    cash_payments,
    company,
    customers,
    device_tokens,
    devices,
    import_jobs,
    imports,
    password_resets,
    payment_actions,
    payments,
    places,
    plugins,
    pushes,
    registrations,
    sales,
    sessions,
    tariffs,
    users,
)
from mpm_host.web.api.operation import Operation

__all__ = ["OPERATIONS"]

OPERATIONS: tuple[Operation, ...] = (
    *company.OPERATIONS,
    *sessions.OPERATIONS,
    *users.OPERATIONS,
    *password_resets.OPERATIONS,
    *api_keys.OPERATIONS,
    *plugins.OPERATIONS,
    *places.OPERATIONS,
    *tariffs.OPERATIONS,
    *appliances.OPERATIONS,
    *customers.OPERATIONS,
    *registrations.OPERATIONS,
    *devices.OPERATIONS,
    *sales.OPERATIONS,
    *agents.OPERATIONS,
    *agent_money.OPERATIONS,
    *imports.OPERATIONS,
    *import_jobs.OPERATIONS,
    *payments.OPERATIONS,
    *payment_actions.OPERATIONS,
    *cash_payments.OPERATIONS,
    *device_tokens.OPERATIONS,
    *pushes.OPERATIONS,
)
