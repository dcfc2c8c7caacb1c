"""Customers with meters, registered in a host that need not run."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from mpm_core import DeviceKind
from mpm_host.host import Host
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.registration.registration import NewCustomer, NewDevice, RegistrationRequest, register
from mpm_host.registration.tariff_book import TariffTerms, create_tariff

__all__ = ["register_meters"]


def register_meters(
    host: Host,
    slug: str,
    serials: Sequence[str],
    *,
    price: str = "100",
    phone: str = "781230001",
    manufacturer: str = "calin",
) -> tuple[str, ...]:
    """Register a customer for each meter, in one village under one tariff; return their ids."""
    company, now = host.house.directory.by_slug[slug], host.clock()
    with host.engines.write.begin() as connection:
        cluster = create_cluster(connection, company, f"Coast {serials[0]}", now)
        grid = create_mini_grid(connection, company, cluster, "Mkuranga", now)
        village = create_village(connection, company, grid, "Kisiju", now)
        terms = TariffTerms(price_per_kwh=Decimal(price))
        tariff = create_tariff(connection, company, f"Household {serials[0]}", terms, now)
        devices = [
            NewDevice(kind=DeviceKind.METER, serial=serial, manufacturer=manufacturer)
            for serial in serials
        ]
        return tuple(
            register(
                connection,
                host.house.directory,
                host.vault,
                company,
                RegistrationRequest(
                    customer=NewCustomer(name="Asha", surname="Trial", phone=phone),
                    village_id=village,
                    device=device,
                    tariff_id=tariff,
                ),
                now,
            ).customer_id
            for device in devices
        )
