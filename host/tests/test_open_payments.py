"""No device changes hands, and no sale of one is taken back, while a token of it is open."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mpm_core import Refused
from mpm_core.plans import Period
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.device_changes import DeviceChange, change_device
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sale_changes import SaleChange, change_sale, delete_sale
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.registration.settled_plans import Unlocker
from tests.support.order_bench import OrderBench, energy_grant, lost, time_grant, unlock_grant

METER, HOME = "47001234567", "12345678"


class Shop(OrderBench):
    """A company whose meters change hands and whose home systems are sold and taken back."""

    def __init__(self, engines):
        super().__init__(engines)
        self.actions = PaymentActions(vault=self.vault, directory=lambda: self.directory)
        self.neighbour = self.meter("47009999999", phone="0712000000").customer_id

    def by(self):
        return Actor(name="anna@umeme.tz", at=self.now, reason="the customer called")

    def act(self, verb, payment_id):
        with self.engines.write.begin() as connection:
            getattr(self.actions, verb)(connection, payment_id, self.by(), company_id=None)

    def change(self, device_id, **change):
        with self.engines.write.begin() as connection:
            return change_device(
                connection, self.record, device_id, DeviceChange(**change), self.now
            )

    def sold_home(self, **terms):
        """Sell a home system by the day, or as said; return what was registered."""
        by_day = {"price_per_day": self.money("100"), "minimum_payment": self.money("100")}
        return self.home(HOME, sale=PlanTerms(**(terms or by_day)))

    def take_back(self, plan_id):
        with self.engines.write.begin() as connection:
            delete_sale(connection, self.record, plan_id, self.now)

    def sell_home(self, customer_id):
        [(appliance_id,)] = self.rows(t.appliances, "id")
        request = SaleRequest(
            customer_id=customer_id,
            appliance_id=appliance_id,
            device_serial=HOME,
            terms=PlanTerms(cost=self.money("800"), instalments=2, period=Period.WEEKLY),
        )
        with self.engines.write.begin() as connection:
            return sell(connection, self.record, request, self.now).plan_id

    def owner(self, device_id):
        return dict(self.rows(t.devices, "id", "customer_id"))[device_id]

    def everything(self):
        """Return what changing hands may touch."""
        tables = (t.customers, t.devices, t.plans, t.plan_rows, t.access_debts, t.switches)
        return {table.name: self.rows(table) for table in tables}


@pytest.fixture
def shop(engines):
    return Shop(engines)


def refused(shop, act, *arguments, **named):
    """Return the code and the words that something is refused with; it must change nothing."""
    before = shop.everything()
    with pytest.raises(ServiceRefused) as refusal:
        act(*arguments, **named)
    assert shop.everything() == before
    return refusal.value.code, str(refusal.value)


def one_open(serial, payment_id):
    return "payment_open", (
        f"Device {serial!r} has 1 open payment, {payment_id}; wait for its token, or decide it "
        "first."
    )


def queued(shop, maker, payment_id):
    del shop, maker, payment_id


def sent(shop, maker, payment_id):
    """Let the worker die before it notes what the manufacturer said."""

    def die(_order, _answer):
        raise KeyboardInterrupt

    shop.scripts[maker].generate.append(lost())
    worker = shop.new_worker()
    worker._answers.take = die
    with pytest.raises(KeyboardInterrupt):
        worker.work_on(shop.order(payment_id)["id"])


def unknown(shop, maker, payment_id):
    shop.scripts[maker].generate.append(lost())
    shop.work(payment_id)


def parked(shop, maker, payment_id):
    unknown(shop, maker, payment_id)
    shop.later(seconds=40)
    shop.work(payment_id)


def held(shop, maker, payment_id):
    shop.scripts[maker].generate.append(Refused("unknown device", code="3"))
    shop.work(payment_id)


STANDS = (queued, sent, unknown, parked, held)


@pytest.mark.parametrize("stands", STANDS)
def test_a_meter_keeps_its_owner_while_a_token_of_it_is_open(shop, stands):
    made = shop.meter(METER)
    payment_id = shop.pay(METER, "1000", "R1")
    stands(shop, "calin", payment_id)
    assert shop.order(payment_id)["status"] == {"held": "refused"}.get(
        stands.__name__, stands.__name__
    )

    assert refused(shop, shop.change, made.device_id, customer_id=shop.neighbour) == one_open(
        METER, payment_id
    )

    shop.change(made.device_id, village_id=shop.village("Elsewhere"))
    shop.change(made.device_id, tariff_id=shop.tariff("Shop"))
    assert shop.owner(made.device_id) == made.customer_id


def test_whoever_is_refused_learns_how_many_payments_are_open_and_which_is_the_oldest(shop):
    made = shop.meter(METER)
    first, _ = (shop.pay(METER, "1000", reference) for reference in ("R1", "R2"))
    assert refused(shop, shop.change, made.device_id, customer_id=shop.neighbour) == (
        "payment_open",
        (
            f"Device {METER!r} has 2 open payments, the oldest is {first}; wait for their tokens, "
            "or decide them first."
        ),
    )


@pytest.mark.parametrize("decision", ["issue", "release", "reverse", "retry"])
def test_a_meter_changes_hands_once_its_payment_is_decided(shop, decision):
    made = shop.meter(METER)
    payment_id = shop.pay(METER, "1000", "R1")
    if decision == "issue":
        shop.scripts["calin"].generate.append(energy_grant())
        shop.work(payment_id)
    else:
        held(shop, "calin", payment_id)
        shop.act(decision, payment_id)
    if decision == "retry":
        assert refused(shop, shop.change, made.device_id, customer_id=shop.neighbour) == one_open(
            METER, payment_id
        )
        shop.scripts["calin"].generate.append(energy_grant())
        shop.work(payment_id)

    assert shop.change(made.device_id, customer_id=shop.neighbour) == {
        "customer_id": (made.customer_id, shop.neighbour)
    }
    assert shop.owner(made.device_id) == shop.neighbour
    assert shop.differences() == []


def test_what_is_open_of_another_device_of_the_owner_does_not_matter(shop):
    made = shop.meter(METER)
    shop.pay("47009999999", "1000", "R1")
    shop.change(made.device_id, customer_id=shop.neighbour)
    assert shop.owner(made.device_id) == shop.neighbour


@pytest.mark.parametrize("stands", STANDS)
def test_a_sale_is_not_taken_back_while_a_token_of_its_device_is_open(shop, stands):
    made = shop.sold_home()
    payment_id = shop.pay(HOME, "700", "R1")
    stands(shop, "sunking", payment_id)

    assert refused(shop, shop.take_back, made.plan_id) == one_open(HOME, payment_id)


def test_a_sale_is_taken_back_once_the_token_of_its_device_is_there(shop):
    made = shop.sold_home()
    payment_id = shop.pay(HOME, "700", "R1")
    shop.scripts["sunking"].generate.append(time_grant())
    shop.work(payment_id)

    shop.take_back(made.plan_id)

    assert shop.owner(made.device_id) is None
    assert shop.differences() == []


def test_a_device_is_not_sold_again_while_the_unlock_of_its_paid_off_sale_is_under_way(shop):
    made = shop.sold_home(cost=shop.money("700"), instalments=1, period=Period.WEEKLY)
    unlocker = Unlocker(directory=shop.directory, by=shop.by())
    with shop.engines.write.begin() as connection:
        change = SaleChange(cost=shop.money("0"))
        change_sale(connection, shop.record, made.plan_id, change, unlocker)
    [(payment_id,)] = shop.rows(t.payments, "id")

    assert refused(shop, shop.sell_home, made.customer_id) == one_open(HOME, payment_id)

    shop.scripts["sunking"].generate.append(unlock_grant())
    shop.work(payment_id)
    shop.sell_home(made.customer_id)
    assert [row[0] for row in shop.rows(t.plans, "live")] == [False, True]
    assert shop.differences() == []


def test_a_device_that_belongs_to_nobody_is_not_given_away_with_an_open_token(shop):
    """One that was taken from its owner before the host refused to."""
    made = shop.sold_home()
    payment_id = shop.pay(HOME, "700", "R1")
    with shop.engines.write.begin() as connection:
        connection.execute(sa.update(t.plans).values(live=False, deleted_at=shop.now))
        nobodys = sa.update(t.devices).where(t.devices.c.id == made.device_id)
        connection.execute(nobodys.values(customer_id=None))

    assert refused(shop, shop.sell_home, shop.neighbour) == one_open(HOME, payment_id)
    assert refused(shop, shop.change, made.device_id, customer_id=shop.neighbour) == one_open(
        HOME, payment_id
    )
