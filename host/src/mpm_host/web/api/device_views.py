"""Devices as the API shows them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import DeviceKind, DeviceMapping
from mpm_host.database import tables as t
from mpm_host.refusals import RefusalCode
from mpm_host.web.api.acting_agents import within_reach
from mpm_host.web.api.listing import AnyRow, find_row
from mpm_host.web.api.operation import Call
from mpm_host.web.api.values import View

__all__ = ["Device", "Serial", "device_view", "find_device"]

Serial = Annotated[str, Meta(min_length=1, max_length=64)]


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


def find_device(call: Call, connection: Connection, device_id: str) -> Device:
    """Return a device that whoever asks may see.

    Raises:
        ServiceRefused: `unknown_device`.
    """
    reach = within_reach(call, t.devices.c.customer_id)
    row = find_row(call, connection, t.devices, device_id, RefusalCode.UNKNOWN_DEVICE, reach)
    return device_view(call, row)
