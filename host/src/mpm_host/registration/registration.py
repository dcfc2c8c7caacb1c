"""Registration: a customer and their device in one transaction, maybe with a sale.

The rules are in `prepare_registration`, which is pure: it decides on what the caller has read, so
one registration and an import of many share them. How a client's repeated request is recognised is
the caller's affair: it stores the answer under the request's id in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceMapping
from mpm_host.database import tables as t
from mpm_host.database.bulk_insert import bulk_insert
from mpm_host.directory import CompanyRecord, Directory
from mpm_host.encryption import Vault
from mpm_host.outbox.outbox import Fact, OutboxHook, is_heard, tell
from mpm_host.registration.appliances import find_appliances
from mpm_host.registration.registration_rules import duplicate_serial, prepare_registration
from mpm_host.registration.registration_values import (
    ExistingCustomer,
    KnownThings,
    ManifestOf,
    NewCustomer,
    NewDevice,
    Registered,
    RegistrationContext,
    RegistrationRequest,
    RegistrationWrites,
    no_manifest,
)
from mpm_host.registration.sales import insert_plans
from mpm_host.registration.tariff_book import find_tariffs, keep_versions

__all__ = [
    "ExistingCustomer",
    "NewCustomer",
    "NewDevice",
    "Registered",
    "RegistrationRequest",
    "insert_registrations",
    "look_up",
    "register",
]


def register(  # noqa: PLR0913, PLR0917 - where, with whose plugins and keys, whose, what, when
    connection: Connection,
    directory: Directory,
    vault: Vault,
    company: CompanyRecord,
    request: RegistrationRequest,
    now: datetime,
    manifest_of: ManifestOf = no_manifest,
    *,
    mapping: DeviceMapping = DeviceMapping.UNKNOWN,
) -> Registered:
    """Store a device with its customer in the caller's transaction, or refuse and write nothing.

    The vendor is not asked here: the device's mapping starts *unknown* unless the caller knows it.

    Args:
        connection: of the caller's transaction.
        directory: companies and instances, for the manufacturer.
        vault: encrypts the device's details.
        company: whose device it becomes.
        request: what to register.
        now: aware.
        manifest_of: finds the loaded plugin's manifest, for serial rules and details; without it
            these are not checked.
        mapping: what the manufacturer has said, for companies that demand it.

    Raises:
        ServiceRefused: something is missing, unknown, taken or does not fit.
    """
    context = RegistrationContext(
        directory=directory,
        vault=vault,
        company=company,
        now=now,
        manifest_of=manifest_of,
        mapping=mapping,
    )
    known = look_up(connection, company, request, lock=True)
    writes = prepare_registration(context, request, known)
    try:
        with connection.begin_nested():
            insert_registrations(connection, [writes])
    except sa.exc.IntegrityError:
        # Looked free a moment ago: somebody else has just registered it.
        raise duplicate_serial(str(writes.device["serial"])) from None
    return writes.registered


def insert_registrations(connection: Connection, registrations: list[RegistrationWrites]) -> None:
    """Write prepared registrations, one statement per table.

    Raises:
        sqlalchemy.exc.IntegrityError: a serial was taken meanwhile; use a savepoint.
    """
    customers = [writes.customer for writes in registrations if writes.customer is not None]
    bulk_insert(connection, t.customers, customers)
    bulk_insert(connection, t.devices, [writes.device for writes in registrations])
    insert_plans(connection, [writes.plan for writes in registrations if writes.plan is not None])
    if is_heard(connection, OutboxHook.DEVICE_REGISTERED):
        tell(connection, [_registered(writes.device) for writes in registrations])


def _registered(device: Mapping[str, Any]) -> Fact:
    return Fact(
        hook=OutboxHook.DEVICE_REGISTERED,
        company_id=device["company_id"],
        subject_id=device["id"],
        at=device["created_at"],
    )


def look_up(
    connection: Connection, company: CompanyRecord, request: RegistrationRequest, *, lock: bool
) -> KnownThings:
    """Read what one request names; to register it, the customer is locked first, as everywhere."""
    if lock and request.tariff_id:
        keep_versions(connection, company, ids=[request.tariff_id])
    customer = request.customer
    customer_ids = {customer.id} if isinstance(customer, ExistingCustomer) else set()
    serial = request.device.serial.strip()
    return KnownThings(
        customers=frozenset(_ids(connection, t.customers, company, customer_ids, lock=lock)),
        villages=frozenset(_ids(connection, t.villages, company, {request.village_id or ""})),
        tariffs=find_tariffs(connection, company, ids={request.tariff_id or ""}),
        appliances=find_appliances(connection, company, ids={request.device.appliance_id or ""}),
        serials=frozenset(_taken_serials(connection, company, serial)),
    )


def _ids(
    connection: Connection,
    table: sa.Table,
    company: CompanyRecord,
    wanted: set[str],
    *,
    lock: bool = False,
) -> set[str]:
    if not wanted:
        return set()
    query = sa.select(table.c.id).where(table.c.company_id == company.id, table.c.id.in_(wanted))
    if table is t.customers:  # a deleted one gets nothing new
        query = query.where(t.customers.c.deleted_at.is_(None))
    return set(connection.scalars(query.with_for_update(key_share=True) if lock else query))


def _taken_serials(connection: Connection, company: CompanyRecord, serial: str) -> set[str]:
    d = t.devices.c
    if not serial.isprintable():  # never stored, and some cannot even be asked for
        return set()
    query = sa.select(d.serial).where(d.company_id == company.id, d.serial == serial)
    return set(connection.scalars(query))
