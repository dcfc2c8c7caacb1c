"""A company with a village, in which people are registered and things are sold to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

import attrs

from mpm_core import DeviceKind, Money, Simulator
from mpm_core.manifest import Manifest
from mpm_core.plans import Period
from mpm_host.directory import CompanyRecord
from mpm_host.host import Host
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.registration import (
    NewCustomer,
    NewDevice,
    RegistrationRequest,
    register,
)
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.registration.tariff_book import AccessRateTerms, TariffTerms, create_tariff

__all__ = ["COMPANY", "CURRENCY", "SimulatedVillage", "found_village"]

COMPANY = "demo"
CURRENCY = "TZS"


@attrs.frozen(kw_only=True)
class SimulatedVillage:
    """Who lives there, and what they have.

    Attributes:
        host: the opened installation.
        simulators: by the name of their instance; manufacturers' are told of each device.
        manifests: by the same names.
    """

    host: Host
    simulators: Mapping[str, Simulator]
    manifests: Mapping[str, Manifest]
    village_id: str

    @property
    def company(self) -> CompanyRecord:
        """The company everything belongs to."""
        return self.host.house.directory.by_slug[COMPANY]

    @property
    def today(self) -> date:
        """The company's date."""
        return self.company.today(self.host.clock())

    def money(self, text: str) -> Money:
        """Read an amount in the company's currency."""
        return Money.parse(text, CURRENCY)

    def tariff(
        self,
        name: str,
        price: str,
        *,
        minimum: str | None = None,
        access_rate: str | None = None,
        period_days: int = 7,
    ) -> str:
        """Create a tariff and return its id."""
        terms = TariffTerms(
            price_per_kwh=Decimal(price),
            minimum_purchase=self.money(minimum) if minimum else None,
            access_rate=AccessRateTerms(amount=self.money(access_rate), period_days=period_days)
            if access_rate
            else None,
        )
        with self.host.engines.write.begin() as connection:
            return create_tariff(connection, self.company, name, terms, self.host.clock())

    def customer_with_meter(  # noqa: PLR0913 - one argument per choice, all by name
        self,
        name: str,
        phone: str,
        serial: str,
        tariff_id: str,
        *,
        days_ago: int = 0,
        manufacturer: str = "calin",
    ) -> str:
        """Register a customer with a meter some days ago and return the customer's id."""
        return self._register(
            name,
            phone,
            NewDevice(kind=DeviceKind.METER, serial=serial, manufacturer=manufacturer),
            tariff_id=tariff_id,
            days_ago=days_ago,
        )

    def customer_with_device(  # noqa: PLR0913 - as above
        self,
        name: str,
        phone: str,
        serial: str,
        sale: PlanTerms,
        *,
        manufacturer: str = "sunking",
        kind: DeviceKind = DeviceKind.SHS,
    ) -> str:
        """Register a customer with a device on a plan and return the customer's id."""
        with self.host.engines.write.begin() as connection:
            appliance_id = create_appliance(
                connection,
                self.company,
                f"{kind} {serial}",
                ApplianceKind(kind.value),
                self.money("1000"),
                self.host.clock(),
            )
        device = NewDevice(
            kind=kind,
            serial=serial,
            manufacturer=manufacturer,
            appliance_id=appliance_id,
            details=self.manifests[manufacturer].example_details,
        )
        return self._register(name, phone, device, sale=sale)

    def _register(  # noqa: PLR0913 - as above
        self,
        name: str,
        phone: str,
        device: NewDevice,
        *,
        tariff_id: str | None = None,
        sale: PlanTerms | None = None,
        days_ago: int = 0,
    ) -> str:
        self.simulators[device.manufacturer].knows(device.serial)
        request = RegistrationRequest(
            customer=NewCustomer(name=name, surname="Demo", phone=phone),
            village_id=self.village_id,
            device=device,
            tariff_id=tariff_id,
            sale=sale,
            registered_on=self.today - timedelta(days=days_ago),
        )
        with self.host.engines.write.begin() as connection:
            registered = register(
                connection,
                self.host.house.directory,
                self.host.vault,
                self.company,
                request,
                self.host.clock(),
                lambda instance: self.manifests[instance.name],
            )
        return registered.customer_id

    def owes(self, customer_id: str, name: str, amount: str, *, days_overdue: int) -> None:
        """Sell a plain appliance whose only instalment was due some days ago."""
        due_on = self.today - timedelta(days=days_overdue)
        with self.host.engines.write.begin() as connection:
            appliance_id = create_appliance(
                connection,
                self.company,
                f"{name} {customer_id[-6:]}",
                ApplianceKind.OTHER,
                self.money(amount),
                self.host.clock(),
            )
            sell(
                connection,
                self.company,
                SaleRequest(
                    customer_id=customer_id,
                    appliance_id=appliance_id,
                    terms=PlanTerms(
                        cost=self.money(amount),
                        instalments=1,
                        period=Period.MONTHLY,
                        sold_on=due_on - timedelta(days=30),
                        first_due_on=due_on,
                    ),
                ),
                self.host.clock(),
            )


def found_village(host: Host) -> str:
    """Found a village and return its id."""
    company, now = host.house.directory.by_slug[COMPANY], host.clock()
    with host.engines.write.begin() as connection:
        cluster_id = create_cluster(connection, company, "Coast", now)
        mini_grid_id = create_mini_grid(connection, company, cluster_id, "Mkuranga", now)
        return create_village(connection, company, mini_grid_id, "Kisiju", now)
