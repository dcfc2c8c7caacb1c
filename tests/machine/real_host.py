"""The real host of the machine: opened on a real database, worked step by step, and read.

No socket and no engine: calls come in at the desk's door, and the real relay hands work to a list
from which it is carried out piece by piece, as often and in whatever order a test likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections import Counter, defaultdict

import attrs
import httpx
import sqlalchemy as sa

from mpm_core import InboundCall, Money, OutcomeUnknown, PaymentStatus
from mpm_core.allocation.ad_hoc_units import AdHocUnit
from mpm_core.company_plugins import DispatchLimits
from mpm_core.company_plugins.circuit import CircuitLimits
from mpm_core.plans import Plan, PlanKind, PlanRow
from mpm_host import crash_points
from mpm_host.companies.audit_trail import Actor
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.database import tables as t
from mpm_host.host import Host
from mpm_host.payments.cash_desk import CashPayment
from mpm_host.payments.exports import ExportKind, export_rows
from mpm_host.payments.token_desk import AdHocToken
from mpm_host.plugins.instance_settings import InstanceTable
from mpm_host.refusals import ServiceRefused
from mpm_host.services import Services
from mpm_host.web.server import bound_socket, running
from tests.machine.company import INSTANCES, SLUG, sell_mill
from tests.machine.seen import Seen
from tests.machine.simulated_side import BOOKS
from tests.machine.staff_side import StaffSide
from tests.support.hosts import HEAD, KEY, NOW, with_database
from tests.support.shared_application import shared_application

__all__ = ["Crash", "RealHost"]

_PATIENT = DispatchLimits(circuit=CircuitLimits(failures=10**9, refused_devices=10**9))


class Crash(BaseException):
    """The process died here; no handler of the host may see it."""


def _trust_the_disk(connection, _record):
    """Wait for no disk: here a process dies, never the machine (`tests/faults` wait for it)."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


class _Engine:
    """Where the relay puts work: a list instead of dbos."""

    def __init__(self):
        self.waiting = []
        self._names = defaultdict(list)

    def enqueue(self, options, kind, key):
        self.waiting.append((kind, key))
        self._names[kind, key].append(options["workflow_id"])

    def take_name(self, kind, key):
        """Return how the relay knows a piece; none if it comes more often than it was given."""
        names = self._names[kind, key]
        return names.pop(0) if names else ""


@attrs.define
class _Bomb:
    """A crash point turned on once: it raises where production would die."""

    point: crash_points.CrashPoint

    def reach(self, point):
        if point is self.point:
            crash_points._armed = None
            raise Crash(point.value)


_CATALOGS = {}  # by folder: classes are code, not state, and finding them takes most of an opening


class RealHost:
    """One installation; `restart` drops all that was only in memory.

    Args:
        url: of its database.
        folder: of its configuration.
    """

    def __init__(self, url, folder):
        self.now = NOW
        self._url, self._folder = url, folder
        self._loop = asyncio.new_event_loop()
        self.engine = _Engine()
        self.errors = []
        self._codes = {}
        self._seen = None
        self.staff = StaffSide(self)
        self._over_http = False
        self._door = contextlib.ExitStack()
        self._open()

    def _open(self):
        text = HEAD.format(key=KEY, mode="development", allowed=", ".join(map(repr, INSTANCES)))
        config = parse_config(text, ConfigSource(folder=self._folder, environ={}))
        self.host = Host.open(with_database(config, self._url), clock=lambda: self.now)
        self.host.house._limits = _PATIENT  # its time is not ours to move
        house = self.host.house
        house.catalog = _CATALOGS.setdefault(self._folder, house.catalog)
        sa.event.listen(self.host.engines.write, "connect", _trust_the_disk)
        self.host.load()
        sa.event.listen(self.host.engines.write, "commit", self._note_write)
        self.services = Services(self.host, workers=True)
        # The real relay and handlers; only the engine between them is a list, and never started.
        self.work, self.services._work = self.services._work, None
        self.work._client = self.engine
        self.work._handlers = {
            kind: self._watched(handler) for kind, handler in self.work._handlers.items()
        }
        self.late = []  # of each order whose answer was held back: the order then, and the answer
        self._answers = self.services.orders._answers
        self._take, self._answers.take = self._answers.take, self._note_withheld
        if self._over_http:
            self._open_door()

    def go_over_http(self):
        """Let telecoms call the web server from now on, also after restarts."""
        self._over_http = True
        self._open_door()

    def _open_door(self):
        listening = self._door.enter_context(contextlib.closing(bound_socket("127.0.0.1", 0)))
        application = self._door.enter_context(shared_application(self.services))
        self._base = self._door.enter_context(running(application, listening))
        self._http = self._door.enter_context(httpx.Client(timeout=30, trust_env=False))

    def _note_withheld(self, order, answer):
        """Remember what the manufacturer would have answered: it may come after the deadline."""
        if isinstance(answer, OutcomeUnknown) and order.id in BOOKS.withheld:
            self.late.append((order, BOOKS.withheld.pop(order.id)))
        self._take(order, answer)

    def hear_late(self, order, answer):
        """Let an answer come after its deadline."""
        self._answers.hear_late(order, answer)

    def _note_write(self, _connection):
        self._seen = None

    def _watched(self, handler):
        def watched(key):
            try:
                handler(key)
            except Exception as error:
                self.errors.append(error)  # the worker would only log it
                raise

        return watched

    def restart(self):
        """Die and come back."""
        self._close()
        self._open()

    def _close(self):
        self._door.close()
        self.services.close()
        self.host.close()

    def close(self):
        """End for good."""
        crash_points.disarm()
        self._close()
        self._loop.close()

    # --- what comes in ----------------------------------------------------------------------------

    @property
    def company(self):
        """The company as the directory has it."""
        return self.host.house.directory.by_slug[SLUG]

    def say(self, what, reference, **more):
        """Let the telecom call; return the words of the answer."""
        body = json.dumps({"what": what, "reference": reference, **more}).encode()
        telecom = self.host.house.directory.instance_named(self.company.id, "telecom")
        words = self._answer_to(telecom, body).decode()
        if what == "process" and words == "accepted":
            BOOKS.acknowledged.setdefault(reference, Money.parse(more["amount"], "TZS").minor)
        return words

    def _answer_to(self, telecom, body):
        if self._over_http:
            url = f"{self._base}/callbacks/{telecom.callback_key}/pay"
            return self._http.post(url, content=body).content
        call = InboundCall(method="POST", path="pay", headers={}, body=body, source="10.0.0.1")
        answer = self.services.desk.answer(telecom, call, "c-1")
        return self._loop.run_until_complete(answer).body

    def act(self, verb, payment_id, *more, by="asha@umeme.tz"):
        """Let a person do something; tell whether anything was done."""
        action = getattr(self.services.actions, verb)
        with self.host.engines.write.begin() as connection:
            try:
                return action(
                    connection, payment_id, *more, self.actor(by), company_id=self.company.id
                )
            except ServiceRefused:
                return False

    def cash(self, serial, amount):
        """Take cash; return the payment's id, or nothing if it was refused."""
        cash = CashPayment(amount=Money.parse(amount, "TZS"), serial=serial)
        return self._book(self.services.cash.take, cash)

    def ad_hoc(self, serial, amount):
        """Give a token; return as `cash`."""
        token = AdHocToken(serial=serial, amount=amount, unit=AdHocUnit.CURRENCY)
        return self._book(self.services.tokens.give, token)

    def _book(self, take, what):
        try:
            with self.host.engines.write.begin() as connection:
                return take(connection, self.company, what, self.actor()).id
        except ServiceRefused:
            return None

    def sell(self, customer_id, cost, instalments):
        """Sell an appliance whose instalments begin to be due last week; return its plan."""
        with self.host.engines.write.begin() as connection:
            return sell_mill(connection, self.company, customer_id, cost, instalments, self.now)

    def plan(self, plan_id):
        """Return a plan as the rules see it."""
        r = t.plan_rows.c
        rows = self.ask(sa.select(r.id, r.due_on, r.cost, r.remaining).where(r.plan_id == plan_id))
        return Plan(
            id=plan_id,
            kind=PlanKind.APPLIANCE,
            device_serial=None,
            rows=tuple(PlanRow(**row._mapping) for row in rows),
        )

    def switch(self, name, *, on):
        """Enable or disable an instance."""
        if on:
            self.host.companies.enable(SLUG, name, name, InstanceTable(), self.actor())
        else:
            self.host.companies.disable(SLUG, name, self.actor())

    def actor(self, name="asha@umeme.tz"):
        """Return who acts, now."""
        return Actor(name=name, at=self.now, reason="because")

    # --- work -------------------------------------------------------------------------------------

    def relay(self):
        """Hand over what is due, as the relay's thread does.

        PostgreSQL hands back what it marked in any order; a run that is to be repeated needs one.
        """
        waiting = self.engine.waiting
        known = len(waiting)
        self.work._relay._hand_over()
        waiting[known:] = sorted(waiting[known:])

    def carry_out(self, kind, key):
        """Do one piece of work; a failure of ours is the test's failure."""
        self.work._carry_out(kind, key, self.engine.take_name(kind, key))
        if self.errors:
            raise self.errors.pop()

    def accrue(self):
        """Run the daily accrual."""
        self.services._accrual.run()

    def arm(self, point):
        """Die when a crash point is reached next."""
        crash_points._armed = _Bomb(point)

    @property
    def is_armed(self):
        """Tell whether it has yet to die."""
        return crash_points._armed is not None

    def disarm(self):
        """Live on."""
        crash_points.disarm()

    # --- what is there ----------------------------------------------------------------------------

    def ask(self, query):
        """Return the rows of a query."""
        with self.host.engines.read.connect() as connection:
            return connection.execute(query).all()

    def exported(self):
        """Return what the export of payments adds up to, by where the money came from (I15)."""
        total = Counter()
        engine, vault = self.host.engines.read, self.host.vault
        for row in export_rows(engine, vault, self.company.id, ExportKind.PAYMENTS).rows:
            if PaymentStatus(row["status"]).is_booked and row["amount"]:
                source = "clearing" if row["channel"] == "telecom" else "cash"
                total[source] += Money.parse(row["amount"], row["currency"]).minor
        return dict(total)

    @property
    def seen(self):
        """What is in the database now; read again only after a commit."""
        if self._seen is None:
            with self.host.engines.read.connect() as connection:
                self._seen = Seen.read(connection, self.company, self._open_codes)
        return self._seen

    def _open_codes(self, sealed):
        if sealed not in self._codes:
            self._codes[sealed] = [one.reveal() for one in self.host.vault.open_codes(sealed)]
        return self._codes[sealed]
