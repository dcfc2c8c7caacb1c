"""A company whose manufacturers say what a test tells them to, with a real database and worker.

The clock stands still until a test moves it. Every call of a manufacturer is noted.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import timedelta

import attrs
import sqlalchemy as sa

from mpm_core import (
    ChargeKind,
    DeviceKind,
    Grant,
    Manifest,
    Operation,
    OrphanEffect,
    OutcomeUnknown,
    PluginKind,
    PluginRuntime,
    Prepared,
    Recovery,
    Secret,
    Unit,
    hookimpl,
)
from mpm_core.company_plugins import CompanyPlugins, DispatchLimits, load_instance
from mpm_core.outbound import OutboundClient
from mpm_host.database import tables as t
from mpm_host.directory import Directory, InstanceState, ManifestFacts
from mpm_host.orders.order_worker import OrderWorker
from mpm_host.payments.payment_views import payment_view
from mpm_host.resources import Resources
from mpm_host.verification.verification import verify
from tests.support.small_company import SmallCompany, small_directory

__all__ = [
    "TAKEN_BACK",
    "OrderBench",
    "Script",
    "energy_grant",
    "lost",
    "time_grant",
    "unlock_grant",
]

# What the customer reads of `energy_grant` when the payment was taken back meanwhile.
TAKEN_BACK = (
    "Payment of 1000 TZS was taken back, but what it bought exists: 1 kWh for meter 47001234567. "
    "Token: 1111 2222 3333 4444 5555 It is yours; its price is collected from your next payment."
)


def lost():
    """Return what a plugin raises when the vendor's answer did not come."""
    return OutcomeUnknown("the answer was lost")


def energy_grant(code="11112222333344445555", watt_hours=1000):
    return Grant(codes=(Secret(code),), quantity=watt_hours, unit=Unit.WATT_HOUR)


def time_grant(code="*1 234#", days=7):
    return Grant(codes=(Secret(code),), quantity=days, unit=Unit.DAY)


def unlock_grant(code="*9 999#"):
    return Grant(codes=(Secret(code),))


@attrs.frozen(kw_only=True)
class NoSettings:
    """Nothing to set."""


class Script:
    """What one manufacturer answers: values, errors to raise, or functions of the order."""

    def __init__(self):
        self.generate = deque()
        self.find = deque()
        self.prepare = deque()
        self.calls = []
        self.ended = threading.Event()  # set when a function of a script has answered

    def answer(self, what, queue, device, charge, order):
        self.calls.append((what, device.serial, charge, order, dict(device.state)))
        if not queue:
            raise AssertionError(f"{what} was not expected")
        planned = queue.popleft()
        if isinstance(planned, BaseException):
            raise planned
        if callable(planned):
            try:
                return planned(order)
            finally:
                self.ended.set()
        return planned

    def asked(self, what="generate"):
        """Return the orders of the calls of one kind."""
        return [order for name, _, _, order, _ in self.calls if name == what]


class _Maker:
    script: Script

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_generate_token(self, device, charge, order):
        return self.script.answer("generate", self.script.generate, device, charge, order)

    @hookimpl
    def mpm_find_token(self, device, charge, order):
        return self.script.answer("find", self.script.find, device, charge, order)


class _PreparingMaker(_Maker):
    @hookimpl
    def mpm_prepare_order(self, device, charge, order):
        if not self.script.prepare:
            return Prepared()
        return self.script.answer("prepare", self.script.prepare, device, charge, order)


class OrderBench(SmallCompany):
    """One company with scripted calin (meters) and sunking (home systems)."""

    def __init__(
        self,
        engines,
        *,
        recovery=Recovery.NONE,
        blocks_device=False,
        prepares=False,
        deadline=5.0,
        token_pattern=None,
    ):
        self.operation = Operation(
            recovery=recovery,
            orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE,
            blocks_device=blocks_device,
        )
        self._base = _PreparingMaker if prepares else _Maker
        self._deadline = deadline
        self._version = "1.0"
        self._token_pattern = token_pattern
        self.scripts = {"calin": Script(), "sunking": Script()}
        super().__init__(engines, directory=self._directory(small_directory("umeme")))
        self.plugins = self.load_plugins()
        self.woken = 0
        self.paused = []
        self.worker = self.new_worker()

    # --- how it is made -------------------------------------------------------------------------

    def _manifest(self, kind, *charges, step=None):
        return Manifest(
            kind=PluginKind.MANUFACTURER,
            title="Scripted",
            settings_class=NoSettings,
            device_kinds=frozenset({kind}),
            operations=dict.fromkeys(charges, self.operation),
            energy_step=step,
            supports_find=True,
            deadline=self._deadline,
            token_pattern=self._token_pattern,
        )

    def _manifests(self):
        return {
            "calin": self._manifest(DeviceKind.METER, ChargeKind.ENERGY, step=100),
            "sunking": self._manifest(DeviceKind.SHS, ChargeKind.TIME, ChargeKind.UNLOCK),
        }

    def _directory(self, plain):
        manifests = self._manifests()
        instances = {
            key: attrs.evolve(one, facts=ManifestFacts.of(manifests[one.name]))
            if one.name in manifests
            else one
            for key, one in plain.instances.items()
        }
        return Directory(companies=plain.companies, instances=instances)

    def load_plugins(self):
        company = self.record.company
        runtime = PluginRuntime(
            company=company, instance="x", http=OutboundClient(allowed_hosts=())
        )
        loaded = [
            load_instance(
                type(
                    name.title(),
                    (self._base,),
                    {"manifest": manifest, "script": self.scripts[name]},
                ),
                NoSettings(),
                runtime,
                name=name,
                plugin_name=name,
                distribution=f"mpm-{name}",
                version=self._version,
            )
            for name, manifest in self._manifests().items()
        ]
        limits = DispatchLimits(grace=0.05)
        return CompanyPlugins(company, loaded, clock=self.clock, limits=limits)

    def clock(self):
        return self.now

    def resources(self, engines=None):
        """What the services work with."""
        return Resources(
            engines=engines or self.engines,
            vault=self.vault,
            clock=self.clock,
            directory=lambda: self.directory,
            plugins_of=lambda _: self.plugins,
            draw=lambda: 0.0,  # no wait is longer than its rule says
        )

    def new_worker(self, engines=None):
        return OrderWorker(
            self.resources(engines),
            wake=self._wake,
            pause=self.paused.append,
        )

    def _wake(self):
        self.woken += 1

    def change_instance(self, name, **changes):
        """Change what the directory says of an instance."""
        found = self.directory.instance_named(self.record.id, name)
        changed = attrs.evolve(found, **changes)
        self.directory = Directory(
            companies=self.directory.companies,
            instances={**self.directory.instances, found.id: changed},
        )

    def upgrade(self, version, recovery):
        """Let the manufacturers' plugins be of another version, which declares this."""
        self._version = version
        self.operation = attrs.evolve(self.operation, recovery=recovery)
        self.plugins = self.load_plugins()
        self.directory = self._directory(self.directory)

    def disable_company(self):
        """Let the company be gone from the configuration: it is disabled, its instances drain."""
        companies = {self.record.id: attrs.evolve(self.record, enabled=False)}
        self.directory = Directory(companies=companies, instances=self.directory.instances)
        for name in self.scripts:
            self.change_instance(name, state=InstanceState.DISABLED)

    def disable(self, name="calin"):
        self.change_instance(name, state=InstanceState.REMOVED)

    # --- time and work --------------------------------------------------------------------------

    def later(self, **amount):
        self.now += timedelta(**amount)

    def work(self, payment_id):
        """Work on the payment's open orders once, as the relay would if they were due."""
        for order in self.orders(payment_id):
            if order["finished_at"] is None:
                self.worker.work_on(order["id"])

    def paid(self, amount="1000", serial="47001234567", reference="R1", **tariff):
        """Register a meter and book a payment for it; returns the payment's id."""
        self.meter(serial, **tariff)
        return self.pay(serial, amount, reference)

    def lost(self, **options):
        """Return a payment whose outcome is unknown."""
        payment_id = self.paid(**options)
        self.scripts["calin"].generate.append(lost())
        self.work(payment_id)
        return payment_id

    # --- what became of it ----------------------------------------------------------------------

    def orders(self, payment_id):
        rows = self.rows(t.orders)
        return [row for row in rows if row["payment_id"] == payment_id]

    def order(self, payment_id):
        [order] = self.orders(payment_id)
        return order

    def attempts(self, payment_id):
        ids = {order["id"] for order in self.orders(payment_id)}
        rows = [row for row in self.rows(t.attempts) if row["order_id"] in ids]
        return [
            (row["number"], row["outcome"])
            for row in sorted(rows, key=lambda row: (row["order_id"], row["number"]))
        ]

    def evidence(self, payment_id):
        ids = {order["id"] for order in self.orders(payment_id)}
        return [
            self.vault.open(row["evidence"])
            for row in self.rows(t.attempts)
            if row["order_id"] in ids and row["evidence"]
        ]

    def view(self, payment_id):
        with self.engines.read.connect() as connection:
            return payment_view(connection, self.vault, payment_id, reveal=True)

    def status(self, payment_id):
        view = self.view(payment_id)
        return view["status"], view["needs_person"], view["reason"]

    def codes(self, payment_id):
        return [token["value"] for token in self.view(payment_id)["tokens"]]

    def told(self, payment_id):
        return [message["body"] for message in self.view(payment_id)["messages"]]

    def lines(self, payment_id):
        return [(line["kind"], line["amount"]) for line in self.view(payment_id)["lines"]]

    def credit(self, customer_id=None):
        query = sa.select(t.customers.c.credit)
        if customer_id is not None:
            query = query.where(t.customers.c.id == customer_id)
        with self.engines.read.connect() as connection:
            return connection.execute(query).scalar_one()

    def differences(self):
        """Return what verification finds; nothing, if the ledger is right."""
        with self.engines.read.connect() as connection:
            return [str(difference) for difference in verify(connection)]
