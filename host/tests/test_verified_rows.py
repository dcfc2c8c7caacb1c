"""Every row of money that is gone, and every reference, word and moment of one that is changed.

What verification cannot find is listed, with the reason; the lists are exact.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mpm_core import Charge, ChargeKind, Money, PaymentStatus, Unit
from mpm_core.plans import PlanKind
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.agents.agent_money import Source, book_cash
from mpm_host.agents.agent_receipts import take_receipt
from mpm_host.agents.agent_rules import EntryKind
from mpm_host.agents.agent_store import create_agent, lock_agent
from mpm_host.agents.agent_values import NewAgent
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import agent_tables
from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines
from mpm_host.database.every_table import metadata
from mpm_host.database.outbox_tables import pushes
from mpm_host.identifiers import new_identifier
from mpm_host.orders.order_rules import AttemptOutcome, OrderStatus
from mpm_host.orders.order_store import OrderPurpose
from mpm_host.orders.switch_rows import extend_switch, keep_switch
from mpm_host.payments.ledger import LedgerAccount
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.pushes.push_rules import PushStatus
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.verification.verification import verify
from tests.support.small_company import SmallCompany, small_directory

METER, HOME = "47001234567", "12345678"
TABLES = {
    table.name.removeprefix("mpm_"): table
    for table in (
        t.payments, t.entries, t.orders, t.attempts, t.tokens, t.proposals, t.plans, t.plan_rows,
        t.access_debts, t.switches, t.customers, agent_tables.agents, agent_tables.agent_entries,
        agent_tables.agent_receipts, pushes,
    )
}  # fmt: skip
# Rows nobody else speaks of, and why.
GONE_UNSEEN = {
    "push": "it asks for money and is none; the payment keeps what came of it",
    "access_debt": "until something is paid on it, only the row says that it was charged",
    "plan": "energy as a service has no rows, and nobody has paid for it yet",
    "switch": "which devices cannot count time themselves is the plugin's word",
}
# Columns that say, for some rows at least, what nothing else in the database says.
CHANGED_UNSEEN = {
    "payment.instance_id": "which telecom brought it, but for a push",
    "order.instance_id": "who was asked: a device may change its manufacturer",
    "entry.customer_id": "of a down payment's cash: the entry beside it says whose it is",
    "plan.device_id": "which of the customer's devices was sold",
    "plan.customer_id": "who bought a use that nobody has paid for yet",
    "plan.appliance_id": "what was sold; the plan's own cost is the money",
    "access_debt.customer_id": "who was charged, as long as nothing is paid on it",
    "plan.kind": "a word for the appliance; its money is the same",
    "access_debt.device_id": "which of the customer's meters was charged",
    "customer.village_id": "a place, no money",
    "agent.mini_grid_id": "a place, no money",
    "order.status": "refused or cancelled, of a payment that was taken back: both brought nothing",
    "order.kind": "of an order that brought nothing and whose money went back",
    "attempt.outcome": "issued or unknown: an answer may come late, and the token counts",
    "push.status": "what the telecom said last; a payment may come after it said no",
}


def _words(*values):
    return [getattr(value, "value", value) for value in values]


WORDS = {
    "payment.status": _words(*PaymentStatus),
    "payment.channel": _words(*PaymentChannel),
    "entry.account": _words(*LedgerAccount),
    "order.status": _words(*OrderStatus),
    "order.kind": _words(*ChargeKind),
    "order.purpose": [None, *_words(*OrderPurpose)],
    "attempt.outcome": _words(*AttemptOutcome),
    "token.kind": _words(*ChargeKind),
    "proposal.approved": [True, False, None],
    "plan.kind": _words(*PlanKind),
    "plan.live": [True, False],
    "plan_row.is_down_payment": [True, False],
    "switch.unlocked": [True, False],
    "agent_entry.kind": _words(*EntryKind),
    "push.status": _words(*PushStatus),
}
_ONE_IN = 19
MOMENTS = ("payment.accepted_at", "payment.booked_on", "switch.paid_until")
REFERENCES = {
    "entry.refers_to": ("plan_row", "access_debt", "plan"),
    "payment.plan_id": ("plan",),
    "order.follows_id": ("order",),
    **{
        f"{name}.{column.name}": (key.column.table.name.removeprefix("mpm_"),)
        for name, table in TABLES.items()
        for column in table.c
        for key in column.foreign_keys
        if key.column.table is not t.companies
    },
}


class Books(SmallCompany):
    """A company with a row in every table of money."""

    def __init__(self, engines):
        super().__init__(engines, directory=small_directory("umeme"))
        self.actor = Actor(name="anna@umeme.tz", at=self.now, reason="as agreed")
        self.meter(METER, access_rate="200", period_days=7, days_ago=14)
        self.issue(self.pay(METER, "1000", "MP-1"), "1" * 20)
        terms = PlanTerms(cost=self.money("900"), down_payment=self.money("500"), instalments=2)
        self.plan = self.home(HOME, sale=terms).plan_id
        self._bike(self.pay(HOME, "200", "MP-2"))
        self.pay("404", "70", "MP-3")
        self._act("reverse", self.pay(METER, "300", "MP-4"))
        self._reissue(self.pay(METER, "400", "MP-5"))
        self.pay(METER, "500", "MP-6")
        self._push("MP-6")
        self.home("87654321", "0712345670", PlanTerms(price_per_day=self.money("100")))
        self._charge_access()
        self._agent()

    def _charge_access(self):
        """Charge the meter for a boundary long ago that nobody has paid."""
        [meter] = [row for row in self.rows(t.devices) if row["serial"] == METER]
        with self.engines.write.begin() as connection:
            connection.execute(
                sa.insert(t.access_debts).values(
                    id=new_identifier(), company_id=self.record.id, device_id=meter["id"],
                    customer_id=meter["customer_id"], due_on=self.record.today(self.now)
                    - timedelta(days=90), amount=20_000, remaining=20_000, currency="TZS",
                )
            )  # fmt: skip

    def _bike(self, payment_id):
        device = next(row["id"] for row in self.rows(t.devices) if row["serial"] == HOME)
        with self.engines.write.begin() as connection:
            keep_switch(connection, self.record.id, device, self.now)
        order_id = self.issue(payment_id, "2" * 20)
        order = next(row for row in self.rows(t.orders) if row["id"] == order_id)
        charge = Charge(
            kind=ChargeKind.TIME, money=Money(order["money"], "TZS"), quantity=order["quantity"],
            unit=Unit.DAY,
        )  # fmt: skip
        with self.engines.write.begin() as connection:
            extend_switch(connection, device, charge, self.now)

    def _act(self, verb, payment_id, by="anna@umeme.tz"):
        actions = PaymentActions(vault=self.vault, directory=lambda: self.directory)
        actor = Actor(name=by, at=self.now, reason="as agreed")
        with self.engines.write.begin() as connection:
            getattr(actions, verb)(connection, payment_id, actor, company_id=self.record.id)

    def _reissue(self, payment_id):
        self.issue(payment_id, "3" * 20)
        self._act("reissue", payment_id)
        self._act("approve", payment_id, by="baraka@umeme.tz")

    def _push(self, reference):
        [payment] = [row for row in self.rows(t.payments) if row["reference"] == reference]
        with self.engines.write.begin() as connection:
            connection.execute(
                sa.insert(pushes).values(
                    id=new_identifier(), company_id=self.record.id,
                    instance_id=payment["instance_id"], payment_id=payment["id"], key=reference,
                    serial=METER, amount=payment["amount"], currency="TZS", payer="+255712345678",
                    status="paid", details={}, created_at=self.now,
                )
            )  # fmt: skip

    def _agent(self):
        [payment] = [row["id"] for row in self.rows(t.payments) if row["reference"] == "MP-1"]
        with self.engines.write.begin() as connection:
            new = NewAgent(
                name="Juma", phone="0755000001", commission_rate="0.1",
                mini_grid_id=connection.scalar(sa.select(t.mini_grids.c.id).limit(1)),
                risk_balance=self.money("5000"),
            )  # fmt: skip
            agent = create_agent(connection, self.record, new, self.actor)
            for amount, kind, source in (
                (100_000, EntryKind.PAYMENT, Source(payment_id=payment)),
                (50_000, EntryKind.DOWN_PAYMENT, Source(plan_id=self.plan)),
            ):
                agent = lock_agent(connection, self.record, agent.id)
                book_cash(connection, agent, amount, kind, source, self.actor)
            take_receipt(connection, self.record, agent.id, self.money("300"), self.actor)


@pytest.fixture
def engines(empty_database_url):
    """A database whose tables have no triggers, so that rows can be corrupted."""
    opened = open_engines(empty_database_url)
    metadata.create_all(opened.write)
    yield opened
    opened.dispose()


@pytest.fixture
def careless(engines):
    """A connection with the company's books, which the database lets be corrupted."""
    Books(engines)
    with engines.write.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN")
        else:
            _drop_constraints(connection)
        yield connection
        connection.rollback()
        connection.invalidate()  # the pragmas are the connection's


def _drop_constraints(connection):
    """Let everything be written; what is dropped comes back with the rollback."""
    connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
    for table in TABLES.values():
        for constraint in table.constraints:
            if isinstance(constraint, sa.CheckConstraint) and constraint.name:
                connection.exec_driver_sql(
                    f"ALTER TABLE {table.name} DROP CONSTRAINT IF EXISTS {constraint.name}"
                )


def _rules(connection):
    return {difference.rule for difference in verify(connection)}


@contextlib.contextmanager
def _undone(connection):
    """Take back what was done inside."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


def _ids(connection, name):
    return list(connection.scalars(sa.select(TABLES[name].c.id).order_by(TABLES[name].c.id)))


def _is_seen(connection, name, row_id, value):
    """Change one column of one row; tell whether it is found, or `None` if nobody can write it."""
    table_name, column = name.split(".")
    table = TABLES[table_name]
    with _undone(connection):
        try:
            with connection.begin_nested():
                connection.execute(
                    sa.update(table).where(table.c.id == row_id).values({column: value})
                )
        except sa.exc.IntegrityError:  # a unique key, or no null: the database looks after it
            return None
        return bool(_rules(connection))


def test_verification_is_silent_about_these_books(careless):
    assert _rules(careless) == set()


def test_every_row_that_is_gone_is_told_or_listed(careless):
    unseen = set()
    for name, table in TABLES.items():
        ids = _ids(careless, name)
        assert ids, f"no row of {name} to delete"
        for row_id in ids:
            with _undone(careless):
                careless.execute(sa.delete(table).where(table.c.id == row_id))
                if not _rules(careless):
                    unseen.add(name)

    assert unseen == set(GONE_UNSEEN)


def test_every_change_is_told_or_listed(careless):
    """Each row, each reference to another one of its kind, each word that the column knows.

    PostgreSQL is asked for one in a few: what is found is the same, and each answer takes longer.
    """
    changes = [
        (name, row_id, value)
        for name, row_id, old, values in _changes(careless)
        for value in values
        if value != old
    ]
    on_sqlite = careless.dialect.name == "sqlite"
    tried = changes if on_sqlite else changes[::_ONE_IN]
    unseen = {
        name for name, row_id, value in tried if _is_seen(careless, name, row_id, value) is False
    }

    assert unseen <= set(CHANGED_UNSEEN)
    assert unseen == set(CHANGED_UNSEEN) or not on_sqlite


def _changes(connection):
    """Yield what to change: column, row, its value, and others that are of its kind."""
    for name, others in _others(connection).items():
        table_name, column = name.split(".")
        table = TABLES[table_name]
        for row_id, old in connection.execute(sa.select(table.c.id, table.c[column])).all():
            if old not in {None, ""}:
                yield name, row_id, old, others


def _others(connection):
    references = {
        name: [key for parent in parents for key in _parents(connection, parent)][:3]
        for name, parents in REFERENCES.items()
    }
    return references | WORDS | {name: [None] for name in MOMENTS}


def _parents(connection, name):
    table = metadata.tables[f"mpm_{name}"]
    return connection.scalars(sa.select(table.c.id).order_by(table.c.id)).all()
