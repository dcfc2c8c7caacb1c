"""One company with two manufacturers and a telecom, in a real database, for tests of services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from mpm_core import (
    ChargeKind,
    Company,
    DeviceKind,
    Money,
    Operation,
    OrphanEffect,
    PluginKind,
    ProcessRequest,
    Recovery,
    Reply,
    Secret,
)
from mpm_host.database import tables as t
from mpm_host.database.every_table import metadata
from mpm_host.directory import (
    CompanyRecord,
    Directory,
    InstanceRecord,
    InstanceState,
    ManifestFacts,
)
from mpm_host.encryption import Vault, new_key
from mpm_host.payments.booking import Accept, Book
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.registration.registration import NewCustomer, NewDevice, RegistrationRequest, register
from mpm_host.registration.registration_values import RegistrationContext
from mpm_host.registration.tariff_book import AccessRateTerms, TariffTerms, create_tariff
from tests.support.issuing import issue_order

__all__ = ["NOW", "SmallCompany", "company_record", "small_directory"]

NOW = datetime(2026, 3, 1, 21, 30, tzinfo=UTC)  # 2 March in Dar es Salaam
_ZONE = "Africa/Dar_es_Salaam"
_OPERATION = Operation(
    recovery=Recovery.NONE, orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE, blocks_device=False
)


def company_record(slug="umeme"):
    return CompanyRecord(
        id=f"company-{slug}",
        company=Company(slug=slug, name=slug.title(), country="TZ", currency="TZS", timezone=_ZONE),
        managed=False,
        enabled=True,
        arrears_buy_time=False,
        zone=ZoneInfo(_ZONE),
    )


def _facts(kind, *device_kinds, step=None):
    return ManifestFacts(
        kind=kind,
        device_kinds=frozenset(device_kinds),
        operations={ChargeKind.ENERGY: _OPERATION, ChargeKind.TIME: _OPERATION},
        energy_step=step,
    )


def _instance(company, name, facts, state=InstanceState.ENABLED):
    return InstanceRecord(
        id=f"{name}-{company.company.slug}",
        company_id=company.id,
        name=name,
        plugin=name,
        state=state,
        callback_key=f"key-{name}-{company.company.slug}",
        managed=False,
        facts=facts,
    )


def small_directory(*slugs):
    """Return companies with calin (meters), sunking (SHS, e-bikes), an off maker and airtel."""
    companies = [company_record(slug) for slug in slugs]
    meters = _facts(PluginKind.MANUFACTURER, DeviceKind.METER, step=100)
    homes = _facts(PluginKind.MANUFACTURER, DeviceKind.SHS, DeviceKind.E_BIKE)
    instances = [
        instance
        for company in companies
        for instance in (
            _instance(company, "calin", meters),
            _instance(company, "sunking", homes),
            _instance(company, "resting", meters, InstanceState.DISABLED),
            _instance(company, "airtel", _facts(PluginKind.TELECOM)),
        )
    ]
    return Directory(
        companies={company.id: company for company in companies},
        instances={instance.id: instance for instance in instances},
    )


class SmallCompany:
    """The rows of one company, and short ways to add more; amounts are TZS as text."""

    def __init__(self, engines, slug="umeme", directory=None, vault=None):
        self.engines = engines
        self.directory = directory or small_directory(slug)
        self.record = self.directory.by_slug[slug]
        self.vault = vault or Vault([Secret(new_key())])
        self.now = NOW
        with engines.write.begin() as connection:
            self._insert_company(connection)

    def _insert_company(self, connection):
        company = self.record.company
        connection.execute(
            sa.insert(t.companies).values(
                id=self.record.id, slug=company.slug, name=company.name, country=company.country,
                currency=company.currency, timezone=company.timezone, managed=False, enabled=True,
                created_at=NOW,
            )
        )  # fmt: skip
        for instance in self.directory.instances_of(self.record.id):
            connection.execute(
                sa.insert(t.instances).values(
                    id=instance.id, company_id=self.record.id, name=instance.name,
                    plugin=instance.plugin, state=instance.state.value, managed=False,
                    callback_key=instance.callback_key, created_at=NOW,
                )
            )  # fmt: skip

    @property
    def context(self):
        return RegistrationContext(
            directory=self.directory, vault=self.vault, company=self.record, now=self.now
        )

    def money(self, text):
        return Money.parse(text, "TZS")

    def village(self, name="Kimwani"):
        with self.engines.write.begin() as connection:
            cluster = create_cluster(connection, self.record, f"Cluster of {name}", NOW)
            grid = create_mini_grid(connection, self.record, cluster, f"Grid of {name}", NOW)
            return create_village(connection, self.record, grid, name, NOW)

    def tariff(self, name="Household", price="1000", access_rate=None, period_days=30):
        rate = access_rate and AccessRateTerms(
            amount=self.money(access_rate), period_days=period_days
        )
        terms = TariffTerms(price_per_kwh=Decimal(price), access_rate=rate or None)
        with self.engines.write.begin() as connection:
            return create_tariff(connection, self.record, name, terms, NOW)

    def appliance(self, name="Home 40", kind=ApplianceKind.SHS, price="300000"):
        with self.engines.write.begin() as connection:
            return create_appliance(connection, self.record, name, kind, self.money(price), NOW)

    def register(self, request, **more):
        with self.engines.write.begin() as connection:
            return register(
                connection, self.directory, self.vault, self.record, request, self.now, **more
            )

    def meter(self, serial="47001234567", phone="0712345678", days_ago=0, **tariff):
        """Register a customer with a meter; everything it needs is made."""
        return self.register(
            RegistrationRequest(
                customer=NewCustomer(name="Asha", surname="Juma", phone=phone),
                village_id=self.village(f"Village of {serial}"),
                device=NewDevice(kind=DeviceKind.METER, serial=serial, manufacturer="calin"),
                tariff_id=self.tariff(f"Tariff of {serial}", **tariff),
                registered_on=self.record.today(self.now) - timedelta(days=days_ago),
            )
        )

    def home(self, serial="12345678", phone="0712345679", sale=None):
        """Register a customer with a solar home system."""
        return self.register(
            RegistrationRequest(
                customer=NewCustomer(name="Baraka", surname="Mushi", phone=phone),
                village_id=self.village(f"Village of {serial}"),
                device=NewDevice(
                    kind=DeviceKind.SHS,
                    serial=serial,
                    manufacturer="sunking",
                    appliance_id=self.appliance(f"Home of {serial}"),
                ),
                sale=sale,
            )
        )

    def pay(self, serial, amount, reference):
        """Book a payment as the telecom's process call does, and return its id."""
        book = Book(vault=self.vault, clock=lambda: self.now, directory=lambda: self.directory)
        airtel = self.directory.instance_named(self.record.id, "airtel")
        command = Accept(
            instance=airtel,
            request=ProcessRequest(
                reference=reference, serial=serial, amount=self.money(amount), payer=None
            ),
            reply=Reply(status=200, content_type="text/plain", body=b"ok"),
        )
        with self.engines.write.begin() as connection:
            [outcome] = book(connection, [command])
        return outcome.payment.id

    def issue(self, payment_id, code="12345678901234567890"):
        """Give the payment's order its token, as the order worker does; return the order's id."""
        return issue_order(self.engines.write, self.vault, payment_id, self.now, code)

    def rows(self, table, *columns):
        """Return the rows of a table in the order of their ids, all columns or some."""
        query = sa.select(*([table.c[name] for name in columns] or [table])).order_by(table.c.id)
        with self.engines.read.connect() as connection:
            return [
                tuple(row) if columns else dict(row._mapping) for row in connection.execute(query)
            ]

    def count_rows(self):
        """Return how many rows each table has, to see that nothing was written."""
        with self.engines.read.connect() as connection:
            return {
                table.name: connection.scalar(sa.select(sa.func.count()).select_from(table))
                for table in metadata.sorted_tables
            }
