"""Who lives at the scene of the crash tests: customers with every kind of device, and debts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
from sqlalchemy.engine import Connection

from mpm_core import DeviceKind, Manifest, Money
from mpm_core.discovery import find_plugin
from mpm_core.discovery.__init__ import load_plugin_class
from mpm_core.plans import Period
from mpm_host.directory import CompanyRecord, InstanceRecord
from mpm_host.host import Host
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.registration import NewCustomer, NewDevice, RegistrationRequest, register
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.registration.tariff_book import AccessRateTerms, TariffTerms, create_tariff
from tests.faults.acme_makers import KEYED_MAKER, LOOKUP_MAKER

__all__ = ["Device", "Town", "settle_town"]

_DEBTORS = 5  # every fifth customer owes for something else: some of every manufacturer's
_SERIALS = {
    "calin": "47{:09d}",
    "sunking": "98{:09d}",
    "angaza": "SERIAL-{}",
    "daly": "DL{:010d}",
    "openpaygo": "OPG-{:06d}",
    KEYED_MAKER: "AK-{:06d}",
    LOOKUP_MAKER: "AL-{:06d}",
}


@attrs.frozen(kw_only=True)
class Device:
    """Something payable, and what its payments are.

    Attributes:
        owes: its owner has debts, which take some payments as a whole.
    """

    serial: str
    amount: str
    owes: bool


@attrs.frozen(kw_only=True)
class Town:
    """Registers people and their devices.

    Attributes:
        simulators: the manufacturers', who are told of each device.
    """

    host: Host
    simulators: Mapping[str, Any]
    village_id: str
    tariff_id: str
    rated_tariff_id: str
    appliances: Mapping[DeviceKind, str]
    mill_id: str

    def settle(self, number: int, maker: str) -> Device:
        """Register one customer with one device of a manufacturer."""
        serial = _SERIALS[maker].format(number)
        kind = next(iter(self._manifest(maker).device_kinds))
        is_meter = kind is DeviceKind.METER
        customer_id = self._register(
            serial, maker, kind, tariff_id=self.tariff_id if is_meter else None
        )
        owes = number % _DEBTORS == 0
        if owes:
            self._owe(customer_id)
        return Device(serial=serial, amount="300" if is_meter else "500", owes=owes)

    def settle_idle(self, number: int) -> None:
        """Register a meter with an access rate that nobody pays: it only falls due."""
        serial = _SERIALS["calin"].format(number)
        self._register(serial, "calin", DeviceKind.METER, tariff_id=self.rated_tariff_id)

    def _register(self, serial: str, maker: str, kind: DeviceKind, *, tariff_id: str | None) -> str:
        is_meter = kind is DeviceKind.METER
        self.simulators[maker].knows(serial)
        request = RegistrationRequest(
            customer=NewCustomer(name="Asha", surname=serial, phone="+255781230001"),
            village_id=self.village_id,
            device=NewDevice(
                kind=kind,
                serial=serial,
                manufacturer=maker,
                appliance_id=None if is_meter else self.appliances[kind],
                details=self._manifest(maker).example_details,
            ),
            tariff_id=tariff_id,
            sale=None
            if is_meter
            else PlanTerms(cost=_money("2000"), instalments=4, period=Period.WEEKLY),
        )
        host = self.host
        with host.engines.write.begin() as connection:
            return register(
                connection,
                host.house.directory,
                host.vault,
                _company(host),
                request,
                host.clock(),
                self._manifest_of,
            ).customer_id

    def _manifest_of(self, instance: InstanceRecord) -> Manifest:
        return self._manifest(instance.plugin)

    @staticmethod
    def _manifest(maker: str) -> Manifest:
        manifest: Manifest = load_plugin_class(find_plugin(maker)).manifest  # type: ignore[attr-defined]  # checked when it was loaded
        return manifest

    def _owe(self, customer_id: str) -> None:
        company, now = _company(self.host), self.host.clock()
        debt = SaleRequest(
            customer_id=customer_id,
            appliance_id=self.mill_id,
            terms=PlanTerms(
                cost=_money("550"),
                instalments=2,
                period=Period.WEEKLY,
                sold_on=company.today(now) - timedelta(days=60),
            ),
        )
        with self.host.engines.write.begin() as connection:
            sell(connection, company, debt, now)


def settle_town(host: Host, simulators: Mapping[str, Any]) -> Town:
    """Found a village with a tariff and things to be sold."""
    company, now = _company(host), host.clock()
    with host.engines.write.begin() as connection:
        cluster = create_cluster(connection, company, "Coast", now)
        grid = create_mini_grid(connection, company, cluster, "Mkuranga", now)
        plain = TariffTerms(price_per_kwh=Decimal(100))
        rate = AccessRateTerms(amount=_money("10"), period_days=1)
        rated = TariffTerms(price_per_kwh=Decimal(100), access_rate=rate)
        kinds = {
            DeviceKind.SHS: ApplianceKind.SHS,
            DeviceKind.E_BIKE: ApplianceKind.E_BIKE,
        }
        return Town(
            host=host,
            simulators=simulators,
            village_id=create_village(connection, company, grid, "Kisiju", now),
            tariff_id=create_tariff(connection, company, "Household", plain, now),
            rated_tariff_id=create_tariff(connection, company, "Rated", rated, now),
            appliances={
                kind: _appliance(connection, company, appliance, "2000", now)
                for kind, appliance in kinds.items()
            },
            mill_id=_appliance(connection, company, ApplianceKind.OTHER, "550", now),
        )


def _appliance(
    connection: Connection, company: CompanyRecord, kind: ApplianceKind, cost: str, now: datetime
) -> str:
    return create_appliance(connection, company, f"A {kind}", kind, _money(cost), now)


def _company(host: Host) -> CompanyRecord:
    return host.house.directory.by_slug["demo"]


def _money(text: str) -> Money:
    return Money.parse(text, "TZS")
