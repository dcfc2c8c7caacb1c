"""Devices as the API shows them."""

from __future__ import annotations

from datetime import date, datetime

from mpm_core import DeviceKind, DeviceMapping
from mpm_host.web.api.listing import AnyRow
from mpm_host.web.api.operation import Call
from mpm_host.web.api.values import View

__all__ = ["Device", "device_view"]


class Device(View, frozen=True, kw_only=True):
    """A device; `mapping` says whether its manufacturer knows it."""

    id: str
    serial: str
    kind: DeviceKind
    manufacturer: str
    customer_id: str | None
    village_id: str
    tariff_id: str | None
    appliance_id: str | None
    mapping: DeviceMapping
    next_access_rate_on: date | None
    created_at: datetime


def device_view(call: Call, row: AnyRow) -> Device:
    """Return a device."""
    maker = call.context.host.house.directory.instances.get(row.instance_id)
    return Device(
        id=row.id,
        serial=row.serial,
        kind=DeviceKind(row.kind),
        manufacturer=maker.name if maker else "",
        customer_id=row.customer_id,
        village_id=row.village_id,
        tariff_id=row.tariff_id,
        appliance_id=row.appliance_id,
        mapping=DeviceMapping(row.mapping),
        next_access_rate_on=row.access_due_on,
        created_at=row.created_at,
    )
