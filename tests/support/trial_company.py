"""A company of its own for a test, in a host that already runs.

Its secrets are invented and recognisable, so that a test can look for them where they must not be.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs
import httpx
import sqlalchemy as sa

from mpm_core import DeviceKind, Money
from mpm_core.plans import Period
from mpm_host.companies.audit_trail import Actor
from mpm_host.companies.company_store import insert_instance
from mpm_host.database import tables as t
from mpm_host.demo.simulated_world import SimulatedWorld
from mpm_host.directory import CompanyRecord, InstanceRecord, InstanceState
from mpm_host.payments.payment_views import payment_view
from mpm_host.plugins.instance_settings import InstanceTable, seal_table
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.registration import NewCustomer, NewDevice, RegistrationRequest, register
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.registration.tariff_book import AccessRateTerms, TariffTerms, create_tariff
from tests.support.table_contents import Contents, money_tables, table_contents
from tests.support.telecom_calls import airtel_headers, vodacom_headers

__all__ = ["AIRTEL_SECRET", "VODACOM_KEY", "TrialCompany", "trial_company"]

AIRTEL_SECRET = "canary-airtel-secret-" + "s" * 60
VODACOM_KEY = "canary-vodacom-key"
ENDED = ("settled", "held", "unmatched", "rejected", "denied", "reversed")
_PHONE = "+255781230001"
_POLL_SECONDS = 0.02


@attrs.frozen(kw_only=True)
class TrialCompany:
    """One company in a running world."""

    world: SimulatedWorld
    http: httpx.Client
    slug: str
    village_id: str

    @property
    def record(self) -> CompanyRecord:
        """The company as the directory has it."""
        return self.world.host.house.directory.by_slug[self.slug]

    # --- its instances -------------------------------------------------------

    def enable(self, name: str, plugin: str | None = None, **table: object) -> InstanceRecord:
        """Enable an instance with settings and host options."""
        return self.world.host.companies.enable(
            self.slug, name, plugin or name, InstanceTable.split(table), self.actor
        )

    def disable(self, name: str) -> None:
        """Let an instance drain."""
        self.world.host.companies.disable(self.slug, name, self.actor)

    def enable_all(self) -> None:
        """Enable the four plugins, in one go: a test needs them within milliseconds."""
        tables: dict[str, Mapping[str, object]] = {
            "airtel": {"jwt_secret": AIRTEL_SECRET},
            "vodacom": {"api_key": VODACOM_KEY},
            **{
                maker: self.world.simulators[maker].settings(self.world.simulation.base_url(maker))
                for maker in ("calin", "sunking")
            },
        }
        host = self.world.host
        with host.engines.write.begin() as connection:
            for name, table in tables.items():
                insert_instance(
                    connection,
                    self.record,
                    self.actor,
                    name=name,
                    plugin=name,
                    state=InstanceState.ENABLED,
                    sealed=seal_table(InstanceTable.split(table), host.vault),
                )
        host.house.reload()

    @property
    def actor(self) -> Actor:
        """Who changes things in tests."""
        return Actor(name="test", at=self.world.host.clock())

    # --- customers and devices -----------------------------------------------

    def money(self, text: str) -> Money:
        """Read an amount in the company's currency."""
        return Money.parse(text, self.record.company.currency)

    def meter(
        self,
        serial: str,
        *,
        price: str = "100",
        access_rate: str | None = None,
        phone: str = _PHONE,
        manufacturer: str = "calin",
    ) -> str:
        """Register a customer with a meter and return the customer's id."""
        terms = TariffTerms(
            price_per_kwh=Decimal(price),
            access_rate=AccessRateTerms(amount=self.money(access_rate), period_days=7)
            if access_rate
            else None,
        )
        with self.world.host.engines.write.begin() as connection:
            tariff_id = create_tariff(
                connection, self.record, f"Tariff {serial}", terms, self.world.host.clock()
            )
        device = NewDevice(kind=DeviceKind.METER, serial=serial, manufacturer=manufacturer)
        return self._register(device, phone, tariff_id=tariff_id)

    def home_system(self, serial: str, *, cost: str, instalments: int, phone: str = _PHONE) -> str:
        """Register a customer with a solar home system and return the customer's id."""
        appliance_id = self._appliance(f"System {serial}", ApplianceKind.SHS, cost)
        device = NewDevice(
            kind=DeviceKind.SHS, serial=serial, manufacturer="sunking", appliance_id=appliance_id
        )
        sale = PlanTerms(cost=self.money(cost), instalments=instalments, period=Period.WEEKLY)
        return self._register(device, phone, sale=sale)

    def owes(self, customer_id: str, amount: str, *, rows: int = 1) -> None:
        """Sell a plain appliance whose instalments were due long ago."""
        today = self.record.today(self.world.host.clock())
        appliance_id = self._appliance(f"Mill {customer_id}", ApplianceKind.OTHER, amount)
        sold_on = today.replace(year=today.year - 3, day=1)
        terms = PlanTerms(
            cost=self.money(amount), instalments=rows, period=Period.WEEKLY, sold_on=sold_on
        )
        sale = SaleRequest(customer_id=customer_id, appliance_id=appliance_id, terms=terms)
        with self.world.host.engines.write.begin() as connection:
            sell(connection, self.record, sale, self.world.host.clock())

    def _appliance(self, name: str, kind: ApplianceKind, cost: str) -> str:
        with self.world.host.engines.write.begin() as connection:
            return create_appliance(
                connection, self.record, name, kind, self.money(cost), self.world.host.clock()
            )

    def _register(
        self,
        device: NewDevice,
        phone: str,
        *,
        tariff_id: str | None = None,
        sale: PlanTerms | None = None,
    ) -> str:
        if device.manufacturer in self.world.simulators:
            self.world.simulators[device.manufacturer].knows(device.serial)
        request = RegistrationRequest(
            customer=NewCustomer(name="Asha", surname="Trial", phone=phone),
            village_id=self.village_id,
            device=device,
            tariff_id=tariff_id,
            sale=sale,
        )
        host = self.world.host
        with host.engines.write.begin() as connection:
            registered = register(
                connection, host.house.directory, host.vault, self.record, request, host.clock()
            )
        return registered.customer_id

    # --- calls ---------------------------------------------------------------

    def callback_url(self, instance: str, path: str) -> str:
        """Return where a telecom calls."""
        record = self.world.host.companies.find_instance(self.slug, instance)
        return f"{self.world.url}/callbacks/{record.callback_key}/{path}"

    def post(
        self, instance: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Post bytes as they are."""
        url = self.callback_url(instance, path)
        return self.http.post(url, content=body, headers=dict(headers))

    def airtel(self, action: str, reference: str, body: bytes) -> httpx.Response:
        """Make a genuine Airtel call: `validate`, `process` or `enquiry`."""
        headers = airtel_headers(AIRTEL_SECRET, reference)
        return self.post("airtel", f"c2b/{action}", body, headers)

    def vodacom(self, action: str, body: bytes) -> httpx.Response:
        """Make a genuine Vodacom call: `validate`, `process` or `query`."""
        headers = vodacom_headers(VODACOM_KEY)
        return self.post("vodacom", f"transactions/{action}", body, headers)

    # --- what became of it ---------------------------------------------------

    def payment(self, reference: str) -> dict[str, object]:
        """Return a payment as the public interface shows it."""
        query = sa.select(t.payments.c.id).where(
            t.payments.c.company_id == self.record.id, t.payments.c.reference == reference
        )
        with self.world.host.engines.read.connect() as connection:
            payment_id = connection.execute(query).scalar_one()
            return payment_view(connection, self.world.host.vault, payment_id, reveal=True)

    def wait_for(
        self, reference: str, statuses: Sequence[str] = ENDED, *, seconds: float = 30.0
    ) -> dict[str, object]:
        """Wait until a payment has one of some statuses and its messages are out.

        Raises:
            TimeoutError: it did not come to that in time.
        """
        until = time.monotonic() + seconds
        while True:
            found = self.payment(reference)
            messages = found["messages"]
            if not isinstance(messages, list):
                raise TypeError(messages)
            told = all(message["status"] != "queued" for message in messages)
            if found["status"] in statuses and told:
                return found
            if time.monotonic() > until:
                raise TimeoutError(f"{reference} is {found['status']}, not {statuses}")
            time.sleep(_POLL_SECONDS)

    def lines(self, reference: str) -> list[tuple[object, object]]:
        """Return kind and amount of a payment's lines."""
        lines = self.payment(reference)["lines"]
        if not isinstance(lines, list):
            raise TypeError(lines)
        return [(line["kind"], line["amount"]) for line in lines]

    def statuses(self) -> Sequence[tuple[str | None, str]]:
        """Return reference and status of every payment, in their order."""
        p = t.payments.c
        query = sa.select(p.reference, p.status).where(p.company_id == self.record.id)
        with self.world.host.engines.read.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(query.order_by(p.id))]

    def contents(self) -> Contents:
        """Return every row of the company."""
        return table_contents(self.world.host.engines.read, self.record.id)

    def money_rows(self) -> Contents:
        """Return the rows only a booking or a worker may touch."""
        return money_tables(self.world.host.engines.read, self.record.id)


def trial_company(
    world: SimulatedWorld,
    http: httpx.Client,
    *,
    country: str = "TZ",
    currency: str = "TZS",
    timezone: str | None = None,
) -> TrialCompany:
    """Create a company without any instance."""
    slug = f"trial-{secrets.token_hex(4)}"
    details = {"name": "Trial", "country": country, "currency": currency}
    if timezone:
        details["timezone"] = timezone
    actor = Actor(name="test", at=world.host.clock())
    record = world.host.companies.create(slug, details, actor)
    now = world.host.clock()
    with world.host.engines.write.begin() as connection:
        cluster_id = create_cluster(connection, record, "Coast", now)
        mini_grid_id = create_mini_grid(connection, record, cluster_id, "Mkuranga", now)
        village_id = create_village(connection, record, mini_grid_id, "Kisiju", now)
    return TrialCompany(world=world, http=http, slug=slug, village_id=village_id)
