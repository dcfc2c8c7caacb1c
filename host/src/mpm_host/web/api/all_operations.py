"""Every operation of the API, in the order of its description."""

from __future__ import annotations

from mpm_host.web.api import (
    api_keys,
    appliances,
    company,
    customers,
    devices,
    imports,
    payment_actions,
    payments,
    places,
    plugins,
    pushes,
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
    *api_keys.OPERATIONS,
    *plugins.OPERATIONS,
    *places.OPERATIONS,
    *tariffs.OPERATIONS,
    *appliances.OPERATIONS,
    *customers.OPERATIONS,
    *devices.OPERATIONS,
    *sales.OPERATIONS,
    *imports.OPERATIONS,
    *payments.OPERATIONS,
    *payment_actions.OPERATIONS,
    *pushes.OPERATIONS,
)
