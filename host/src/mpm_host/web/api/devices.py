"""`/devices`: those that are registered."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceKind, DeviceMapping
from mpm_host.access.roles import Permission
from mpm_host.database import tables as t
from mpm_host.registration.device_changes import DeviceChange, change_device
from mpm_host.registration.device_lookup import ask_again
from mpm_host.registration.inputs import read_serial
from mpm_host.web.api.acting_agents import within_reach
from mpm_host.web.api.device_views import Device, Serial, device_view, find_device
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.values import (
    UNSET,
    Body,
    Id,
    Page,
    PageQuery,
    UnsetType,
)

__all__ = ["OPERATIONS"]


class DevicePatch(Body, frozen=True, kw_only=True):
    """Another owner, tariff (meters only) or village."""

    customer_id: Id | UnsetType = UNSET
    tariff_id: Id | UnsetType = UNSET
    village_id: Id | UnsetType = UNSET


class DeviceQuery(PageQuery, frozen=True, kw_only=True):
    """Which devices."""

    serial: Serial | None = None
    customer_id: Id | None = None
    kind: DeviceKind | None = None
    mapping: DeviceMapping | None = None


def _change(call: Call, connection: Connection) -> Device:
    given, device_id = call.body_as(DevicePatch), call.path["id"]
    change = DeviceChange(
        customer_id=None if isinstance(given.customer_id, UnsetType) else given.customer_id,
        tariff_id=None if isinstance(given.tariff_id, UnsetType) else given.tariff_id,
        village_id=None if isinstance(given.village_id, UnsetType) else given.village_id,
    )
    changed = change_device(connection, call.company, device_id, change, call.now)
    if changed:
        call.audit(
            connection,
            "device.changed",
            device_id,
            before={name: before for name, (before, _) in changed.items()},
            after={name: after for name, (_, after) in changed.items()},
        )
    return find_device(call, connection, device_id)


def _show(call: Call, connection: Connection) -> Device:
    return find_device(call, connection, call.path["id"])


def _list(call: Call, connection: Connection) -> Page[Device]:
    paging, d = call.query_as(DeviceQuery), t.devices.c
    query = sa.select(t.devices).where(d.company_id == call.company.id).order_by(d.id.desc())
    query = query.where(within_reach(call, d.customer_id))
    if paging.serial is not None:
        query = query.where(d.serial == read_serial(paging.serial))
    if paging.customer_id is not None:
        query = query.where(d.customer_id == paging.customer_id)
    if paging.kind is not None:
        query = query.where(d.kind == paging.kind.value)
    if paging.mapping is not None:
        query = query.where(d.mapping == paging.mapping.value)
    if paging.cursor is not None:
        query = query.where(d.id < paging.cursor)
    rows = list(connection.execute(query.limit(paging.limit + 1)))
    return page_of(rows, paging.limit, lambda row: device_view(call, row), lambda row: str(row.id))


def _look_up(call: Call, connection: Connection) -> Device:
    device = find_device(call, connection, call.path["id"])
    ask_again(connection, device.id, call.now)
    call.audit(connection, "device.look_up_asked", device.id, after={"serial": device.serial})
    return device


def _wake(call: Call) -> None:
    call.context.services.wake()


OPERATIONS = (
    Operation(
        method=Method.GET,
        path="/devices",
        name="list_devices",
        tag="customers",
        summary="List the devices.",
        permission=Permission.DEVICES_READ,
        query=DeviceQuery,
        answer=Page[Device],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/devices/{id}",
        name="show_device",
        tag="customers",
        summary="Show a device.",
        permission=Permission.DEVICES_READ,
        answer=Device,
        read=_show,
    ),
    Operation(
        method=Method.PATCH,
        path="/devices/{id}",
        name="change_device",
        tag="customers",
        summary="Give a device another owner, tariff or village.",
        details="The ledger stays with the old owner; access rates begin again. `payment_open`: a "
        "token of the device is under way, or a person must decide on it first.",
        permission=Permission.DEVICES_WRITE,
        body=DevicePatch,
        answer=Device,
        change=_change,
    ),
    Operation(
        method=Method.POST,
        path="/devices/{id}/look-up",
        name="look_up_device",
        tag="customers",
        summary="Let the manufacturer be asked again whether it knows a device.",
        details="Soon after, the device's `mapping` tells.",
        permission=Permission.DEVICES_WRITE,
        answer=Device,
        status=202,
        change=_look_up,
        after=_wake,
    ),
)
