"""What registration is asked, what it may know, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cached_property

import attrs

from mpm_core import DeviceKind, DeviceMapping, Manifest, Msisdn
from mpm_host.directory import CompanyRecord, Directory, InstanceRecord
from mpm_host.encryption import Vault
from mpm_host.registration.appliances import StoredAppliance
from mpm_host.registration.plan_terms import PlanTerms, PlanWrites
from mpm_host.registration.tariff_book import StoredTariff

__all__ = [
    "ExistingCustomer",
    "KnownThings",
    "ManifestOf",
    "NewCustomer",
    "NewDevice",
    "Registered",
    "RegistrationContext",
    "RegistrationRequest",
    "RegistrationWrites",
    "no_manifest",
]

ManifestOf = Callable[[InstanceRecord], Manifest | None]


def no_manifest(_instance: InstanceRecord) -> None:
    """Know no plugin: serial rules and details are not checked."""


@attrs.frozen(kw_only=True)
class NewCustomer:
    """Somebody who is not a customer yet.

    Attributes:
        phone: as typed (national numbers belong to the company's country), or read already.
    """

    name: str
    surname: str
    phone: str | Msisdn = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class ExistingCustomer:
    """A customer of the company."""

    id: str


@attrs.frozen(kw_only=True)
class NewDevice:
    """The device to register.

    Attributes:
        manufacturer: the name of an enabled instance that serves the kind.
        appliance_id: what it was sold as; required for solar home systems and e-bikes.
        details: what the plugin's manifest asks for besides the serial.
    """

    kind: DeviceKind
    serial: str
    manufacturer: str
    appliance_id: str | None = None
    details: Mapping[str, object] = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class RegistrationRequest:
    """What to register.

    Attributes:
        village_id: where the device stands, and where a new customer lives.
        tariff_id: required for meters, forbidden for others.
        sale: the terms, if the device is sold on a plan at once.
        registered_on: the company's today when it is not given; access rates count from it.
    """

    customer: NewCustomer | ExistingCustomer
    village_id: str | None
    device: NewDevice
    tariff_id: str | None = None
    sale: PlanTerms | None = None
    registered_on: date | None = None


@attrs.frozen(kw_only=True)
class Registered:
    """What came of a registration."""

    customer_id: str
    device_id: str
    plan_id: str | None = None


@attrs.frozen(kw_only=True)
class RegistrationContext:
    """What every registration of one company needs.

    Attributes:
        mapping: what the manufacturer has said already; *unknown* lets it be asked afterwards.
    """

    directory: Directory
    vault: Vault
    company: CompanyRecord
    now: datetime
    manifest_of: ManifestOf = no_manifest
    mapping: DeviceMapping = DeviceMapping.UNKNOWN

    @cached_property
    def today(self) -> date:
        """The company's date; asked once for many registrations."""
        return self.company.today(self.now)


@attrs.frozen(kw_only=True)
class KnownThings:
    """What the caller has found of what requests name; what is absent is unknown."""

    customers: frozenset[str]
    villages: frozenset[str]
    tariffs: Mapping[str, StoredTariff]
    appliances: Mapping[str, StoredAppliance]
    serials: frozenset[str]


@attrs.frozen(kw_only=True)
class RegistrationWrites:
    """Rows of one registration; no customer row when the customer exists."""

    customer: dict[str, object] | None
    device: dict[str, object]
    plan: PlanWrites | None

    @property
    def registered(self) -> Registered:
        """The ids it made or used."""
        return Registered(
            customer_id=str(self.device["customer_id"]),
            device_id=str(self.device["id"]),
            plan_id=self.plan.plan_id if self.plan else None,
        )
