"""Asking the manufacturer before a device is registered, for companies that demand mapping.

The vendor is asked outside any transaction, after everything that needs no vendor was found right.
Nothing is stored unless it knows the device; the caller then registers it as *mapped*.
"""

from __future__ import annotations

import json

import attrs
from sqlalchemy.engine import Engine

from mpm_core import Device, DeviceMapping, MpmError, ReasonCode
from mpm_core.company_plugins import CompanyPlugins
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.registration import look_up
from mpm_host.registration.registration_rules import prepare_registration
from mpm_host.registration.registration_values import RegistrationContext, RegistrationRequest

__all__ = ["ask_before_registering"]


def ask_before_registering(
    engine: Engine,
    context: RegistrationContext,
    request: RegistrationRequest,
    plugins: CompanyPlugins,
) -> DeviceMapping:
    """Return *mapped*, or refuse; where nothing is demanded, *unknown* without asking anybody.

    Waits for the vendor no longer than the manifest's deadline. Asking again is harmless.

    Args:
        engine: to read with.
        context: of the registration to come.
        request: what will be registered.
        plugins: the company's.

    Raises:
        ServiceRefused: as `register`; `device_not_mapped`, `operation_not_supported` if the
            manufacturer has no look-up, `plugin_unavailable` if it does not answer: try again.
    """
    if not context.company.demand_mapping:
        return DeviceMapping.UNKNOWN
    # A sale is checked when it is stored: agents' terms are not known here.
    device = _read(engine, context, attrs.evolve(request, sale=None))
    mapping = _ask(plugins, request.device.manufacturer, device)
    if mapping is not DeviceMapping.MAPPED:
        raise _refusal(mapping, request.device.manufacturer, device.serial)
    return mapping


def _read(engine: Engine, context: RegistrationContext, request: RegistrationRequest) -> Device:
    """Check the request by all rules, and return the device as its plugin sees it."""
    with engine.connect() as connection:
        known = look_up(connection, context.company, request, lock=False)
    row = prepare_registration(context, request, known).device
    instance = context.directory.instances[str(row["instance_id"])]
    manifest = context.manifest_of(instance)
    details, sealed = None, row["details"]
    if manifest is not None and manifest.details_class is not None and isinstance(sealed, bytes):
        details = manifest.details_class(**json.loads(context.vault.open(sealed)))
    return Device(kind=request.device.kind, serial=str(row["serial"]), details=details, state={})


def _ask(plugins: CompanyPlugins, instance: str, device: Device) -> DeviceMapping:
    try:
        if not plugins.instance(instance).manifest.supports_lookup:
            return DeviceMapping.UNSUPPORTED
        return plugins.register_device(instance, device, correlation_id=new_identifier())
    except MpmError:
        return DeviceMapping.UNREACHABLE  # logged by the dispatch


def _refusal(mapping: DeviceMapping, instance: str, serial: str) -> ServiceRefused:
    maker = f"Manufacturer {instance!r}"
    match mapping:
        case DeviceMapping.NOT_MAPPED:
            return ServiceRefused(
                ReasonCode.DEVICE_NOT_MAPPED,
                f"{maker} does not know device {serial!r}, and the company demands that; check the "
                "serial, or have the device added there. Nothing was stored.",
            )
        case DeviceMapping.UNSUPPORTED:
            return ServiceRefused(
                ReasonCode.OPERATION_NOT_SUPPORTED,
                f"{maker} cannot say whether it knows device {serial!r}, and the company demands "
                "that; its setting demand_mapping must be off for this manufacturer.",
            )
        case _:
            return ServiceRefused(
                ReasonCode.PLUGIN_UNAVAILABLE,
                f"{maker} did not say whether it knows device {serial!r}, and the company demands "
                "that. Nothing was stored; try again.",
            )
