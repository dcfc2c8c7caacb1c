"""The rules of registration, pure: what may be registered, and the rows it becomes."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import attrs

from mpm_core import DeviceKind, DeviceMapping, Manifest, PluginKind, SettingsError
from mpm_core.settings import SettingsPlace, read_settings
from mpm_host.directory import InstanceRecord
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.appliances import StoredAppliance
from mpm_host.registration.inputs import check_day, read_name, read_phone, read_serial
from mpm_host.registration.plan_terms import PlanWrites, SaleDevice, prepare_sale
from mpm_host.registration.registration_values import (
    ExistingCustomer,
    KnownThings,
    NewDevice,
    RegistrationContext,
    RegistrationRequest,
    RegistrationWrites,
)
from mpm_host.registration.tariff_book import StoredTariff

__all__ = ["duplicate_serial", "prepare_registration"]


def prepare_registration(
    context: RegistrationContext, request: RegistrationRequest, known: KnownThings
) -> RegistrationWrites:
    """Check a request by all rules and return its rows; nothing is read or written.

    Raises:
        ServiceRefused: the first rule that is broken.
    """
    village_id = _village(request, known)
    customer_id, customer = _customer(context, request, known, village_id)
    instance = _manufacturer(context, request.device)
    manifest = context.manifest_of(instance)
    serial = _serial(request.device, instance, manifest, known)
    tariff = _tariff(request, known)
    appliance = _appliance(request, known)
    day = check_day(request.registered_on or context.today, "The day of registration")
    device: dict[str, object] = {
        "id": new_identifier(),
        "company_id": context.company.id,
        "customer_id": customer_id,
        "village_id": village_id,
        "kind": request.device.kind.value,
        "serial": serial,
        "instance_id": instance.id,
        "tariff_id": tariff.id if tariff else None,
        "appliance_id": appliance.id if appliance else None,
        "details": _details(context, request.device, instance, manifest),
        "state": {},
        "state_version": 0,
        "mapping": context.mapping.value,
        # ask the manufacturer as soon as possible, unless it was asked before
        "next_at": context.now if context.mapping is DeviceMapping.UNKNOWN else None,
        "failures": 0,
        "handed": 0,
        "access_due_on": _first_boundary(tariff, day),
        "created_at": context.now,
    }
    return RegistrationWrites(
        customer=customer, device=device, plan=_plan(context, request, device, appliance, day)
    )


def _village(request: RegistrationRequest, known: KnownThings) -> str:
    if not request.village_id:
        raise ServiceRefused(
            RefusalCode.VILLAGE_REQUIRED, "Every device stands in a village; name one."
        )
    if request.village_id not in known.villages:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_VILLAGE,
            f"The company has no village with id {request.village_id[:64]!r}; create it first.",
        )
    return request.village_id


def _customer(
    context: RegistrationContext,
    request: RegistrationRequest,
    known: KnownThings,
    village_id: str,
) -> tuple[str, dict[str, object] | None]:
    customer = request.customer
    if isinstance(customer, ExistingCustomer):
        if customer.id not in known.customers:
            raise ServiceRefused(
                RefusalCode.UNKNOWN_CUSTOMER,
                f"The company has no customer with id {customer.id[:64]!r}.",
            )
        return customer.id, None
    phone = customer.phone
    if isinstance(phone, str):
        phone = read_phone(phone, context.company.company.country)
    row: dict[str, object] = {
        "id": new_identifier(),
        "company_id": context.company.id,
        "village_id": village_id,
        "name": read_name(customer.name, "name"),
        "surname": read_name(customer.surname, "surname"),
        "phone": phone.e164,
        "credit": 0,
        "created_at": context.now,
    }
    return str(row["id"]), row


def _manufacturer(context: RegistrationContext, device: NewDevice) -> InstanceRecord:
    instance = context.directory.instance_named(context.company.id, device.manufacturer)
    if instance is None or not instance.takes_new_work or instance.facts is None:
        raise ServiceRefused(RefusalCode.PLUGIN_NOT_ENABLED, _why_not(device, instance))
    if instance.facts.kind is not PluginKind.MANUFACTURER:
        raise ServiceRefused(
            RefusalCode.PLUGIN_NOT_ENABLED,
            f"{instance.name!r} is a {instance.facts.kind.value}, not a manufacturer.",
        )
    if device.kind not in instance.facts.device_kinds:
        kinds = ", ".join(sorted(instance.facts.device_kinds))
        raise ServiceRefused(
            RefusalCode.DEVICE_KIND_UNSUPPORTED,
            f"Manufacturer {instance.name!r} serves {kinds}, not {device.kind.value}.",
        )
    return instance


def _why_not(device: NewDevice, instance: InstanceRecord | None) -> str:
    name = f"{device.manufacturer[:64]!r}"
    if instance is None:
        return f"The company has no manufacturer {name}; enable it, or name another instance."
    if instance.problem:
        return f"Manufacturer {name} does not work: {instance.problem}"
    return f"Manufacturer {name} is {instance.state.value}; enable it, or name another instance."


def _serial(
    device: NewDevice, instance: InstanceRecord, manifest: Manifest | None, known: KnownThings
) -> str:
    serial = read_serial(device.serial)
    if manifest is not None and not manifest.serial_pattern.fullmatch(serial):
        raise ServiceRefused(
            RefusalCode.SERIAL_INVALID,
            f"{serial!r} is not a serial of {instance.name!r}, which must match "
            f"{manifest.serial_pattern.pattern}.",
        )
    if serial in known.serials:
        raise duplicate_serial(serial)
    return serial


def duplicate_serial(serial: str) -> ServiceRefused:
    """Return the refusal of a serial that is taken."""
    return ServiceRefused(
        RefusalCode.DUPLICATE_SERIAL,
        f"The company has a device {serial!r} already; serials are unique over all kinds.",
    )


def _tariff(request: RegistrationRequest, known: KnownThings) -> StoredTariff | None:
    kind, tariff_id = request.device.kind, request.tariff_id
    if kind is not DeviceKind.METER:
        if tariff_id is not None:
            raise ServiceRefused(
                RefusalCode.TARIFF_FORBIDDEN,
                f"Only meters have a tariff, not {kind.value}; leave it out.",
            )
        return None
    if not tariff_id:
        raise ServiceRefused(RefusalCode.TARIFF_REQUIRED, "A meter needs a tariff; name one.")
    if tariff_id not in known.tariffs:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_TARIFF, f"The company has no tariff with id {tariff_id[:64]!r}."
        )
    return known.tariffs[tariff_id]


def _appliance(request: RegistrationRequest, known: KnownThings) -> StoredAppliance | None:
    kind, appliance_id = request.device.kind, request.device.appliance_id
    if kind is DeviceKind.METER:
        if appliance_id is not None or request.sale is not None:
            raise ServiceRefused(
                RefusalCode.APPLIANCE_FORBIDDEN,
                "A meter is not sold on a plan; leave appliance and sale out.",
            )
        return None
    if not appliance_id:
        raise ServiceRefused(
            RefusalCode.APPLIANCE_REQUIRED,
            f"A device of kind {kind.value} needs the appliance it is sold as; name one.",
        )
    if appliance_id not in known.appliances:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_APPLIANCE,
            f"The company has no appliance with id {appliance_id[:64]!r}.",
        )
    appliance = known.appliances[appliance_id]
    if appliance.kind.device_kind is not kind:
        raise ServiceRefused(
            RefusalCode.KIND_MISMATCH,
            f"Appliance {appliance.name!r} is of kind {appliance.kind.value}, not {kind.value}.",
        )
    return appliance


def _details(
    context: RegistrationContext,
    device: NewDevice,
    instance: InstanceRecord,
    manifest: Manifest | None,
) -> bytes | None:
    if manifest is not None:
        _check_details(context, device, instance, manifest)
    return context.vault.seal(json.dumps(dict(device.details))) if device.details else None


def _check_details(
    context: RegistrationContext, device: NewDevice, instance: InstanceRecord, manifest: Manifest
) -> None:
    if manifest.details_class is None:
        if device.details:
            raise ServiceRefused(
                RefusalCode.DETAILS_INVALID,
                f"Manufacturer {instance.name!r} asks for no details; leave them out.",
            )
        return
    try:
        read_settings(
            manifest.details_class,
            device.details,
            place=SettingsPlace(
                company=context.company.company.slug, instance=instance.name, plugin=instance.plugin
            ),
            environ={},
            folder=Path(),
            allow_references=False,  # a stranger writes them
        )
    except SettingsError as error:
        problems = "; ".join(str(error).splitlines())
        raise ServiceRefused(
            RefusalCode.DETAILS_INVALID, f"The device's details are wrong: {problems}"
        ) from None


def _first_boundary(tariff: StoredTariff | None, day: date) -> date | None:
    period = tariff.access_period_days if tariff else None
    return None if period is None else day + timedelta(days=period)


def _plan(
    context: RegistrationContext,
    request: RegistrationRequest,
    device: dict[str, object],
    appliance: StoredAppliance | None,
    registered_on: date,
) -> PlanWrites | None:
    if request.sale is None or appliance is None:
        return None
    sold = SaleDevice(id=str(device["id"]), serial=str(device["serial"]), kind=request.device.kind)
    terms = attrs.evolve(request.sale, sold_on=request.sale.sold_on or registered_on)
    customer_id = str(device["customer_id"])
    return prepare_sale(context.company, customer_id, appliance, sold, terms, context.now)
