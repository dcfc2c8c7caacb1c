"""The cash desk: what staff take by hand, for a device or for one plan."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from mpm_core import Money, Refused
from mpm_core.plans import PlanChangeRefused
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.directory import InstanceState
from mpm_host.payments.cash_desk import CashDesk, CashPayment
from mpm_host.payments.exports import ExportKind, export_rows
from mpm_host.payments.payment_records import PaymentKeys, find_payments
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.appliances import ApplianceKind
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sale_changes import delete_sale
from mpm_host.registration.sales import SaleRequest, sell
from tests.support.order_bench import OrderBench, energy_grant, time_grant, unlock_grant

METER, HOME = "47001234567", "12345678"


class Counter(OrderBench):
    """A bench with somebody at the cash desk."""

    def __init__(self, engines, **options):
        super().__init__(engines, **options)
        self.desk = CashDesk(vault=self.vault, directory=lambda: self.directory)

    def take(self, amount, reason="", **target):
        by = Actor(name="anna@umeme.tz", at=self.now, reason=reason)
        cash = CashPayment(amount=self.money(amount), **target)
        with self.engines.write.begin() as connection:
            return self.desk.take(connection, self.record, cash, by).id

    def refused(self, amount, **target):
        """Return the code and message of a refusal; it must write nothing."""
        before = self.count_rows()
        with pytest.raises((ServiceRefused, PlanChangeRefused)) as refusal:
            self.take(amount, **target)
        assert self.count_rows() == before
        return refusal.value.code, str(refusal.value)

    def sell_television(self, customer_id):
        """Sell a plain appliance in five monthly rows of 200, the first in April."""
        request = SaleRequest(
            customer_id=customer_id,
            appliance_id=self.appliance(f"TV of {customer_id}", ApplianceKind.OTHER),
            terms=PlanTerms(
                cost=self.money("1000"), instalments=5, sold_on=self.record.today(self.now)
            ),
        )
        with self.engines.write.begin() as connection:
            return sell(connection, self.record, request, self.now).plan_id

    def home_sale(self):
        """Sell a home system in four monthly rows of 700; returns the plan's id."""
        sale = PlanTerms(
            cost=self.money("2800"), instalments=4, sold_on=self.record.today(self.now)
        )
        return self.home(HOME, sale=sale).plan_id

    def service_sale(self, minimum):
        """Sell a home system for 100 a day; returns the plan's id."""
        sale = PlanTerms(
            price_per_day=self.money("100"),
            minimum_payment=self.money(minimum),
            sold_on=self.record.today(self.now),
        )
        return self.home(HOME, sale=sale).plan_id

    def act(self, verb, payment_id):
        actions = PaymentActions(vault=self.vault, directory=lambda: self.directory)
        actor = Actor(name="anna@umeme.tz", at=self.now, reason="a mistake")
        with self.engines.write.begin() as connection:
            getattr(actions, verb)(connection, payment_id, actor, company_id=self.record.id)

    def booked(self, payment_id):
        """Return every account of a payment with its sum."""
        e = t.entries.c
        query = (
            sa.select(e.account, sa.func.sum(e.amount))
            .where(e.payment_id == payment_id)
            .group_by(e.account)
            .order_by(e.account)
        )
        with self.engines.read.connect() as connection:
            return [(account, int(total)) for account, total in connection.execute(query)]

    def remaining(self, plan_id):
        r = t.plan_rows.c
        query = sa.select(r.remaining).where(r.plan_id == plan_id).order_by(r.due_on, r.id)
        with self.engines.read.connect() as connection:
            return list(connection.scalars(query))


@pytest.fixture
def counter(engines):
    return Counter(engines)


# --- for a device ---------------------------------------------------------------------------------


def test_cash_for_a_meter_becomes_a_token_like_a_telecoms_payment(counter):
    counter.meter(METER)

    payment_id = counter.take("1000", serial=f" {METER} ")
    counter.scripts["calin"].generate.append(energy_grant())
    counter.work(payment_id)

    view = counter.view(payment_id)
    assert (view["instance"], view["channel"], view["number"]) == ("cash", "cash", 1)
    assert (view["reference"], view["msisdn"], view["serial"]) == (None, None, METER)
    assert counter.status(payment_id) == ("settled", False, "")
    assert counter.lines(payment_id) == [("energy", "1000")]
    assert counter.booked(payment_id) == [("cash", -100_000), ("energy", 100_000)]
    assert counter.told(payment_id) == [
        "Payment of 1000 TZS received. 1 kWh for meter 47001234567. Token: 1111 2222 3333 4444 5555"
    ]
    assert [(event["kind"], event["actor"]) for event in view["events"]] == [
        ("taken", "anna@umeme.tz")
    ]
    assert counter.rows(t.audit, "actor", "action", "subject", "after")[-1] == (
        "anna@umeme.tz", "payment.cash", payment_id, {"amount": "1000", "serial": METER},
    )  # fmt: skip
    assert counter.differences() == []


def test_cash_clears_debts_first_and_what_is_settled_by_them_brings_no_token(counter):
    owner = counter.meter(METER).customer_id
    plan_id = counter.sell_television(owner)
    counter.later(days=40)  # the first row is overdue

    payment_id = counter.take("150", serial=METER)

    assert counter.status(payment_id) == ("settled", False, "")
    assert counter.lines(payment_id) == [("instalment", "150")]
    assert counter.remaining(plan_id) == [5_000, 20_000, 20_000, 20_000, 20_000]
    assert counter.told(payment_id) == [
        "Payment of 150 TZS received. Paid: instalments 150. Still due: 50 TZS."
    ]
    assert counter.differences() == []


def test_staff_payments_have_running_numbers_of_their_own_and_telecoms_keep_theirs(counter):
    counter.meter(METER)
    taken = [counter.take("1000", serial=METER) for _ in range(2)]
    paid = counter.pay(METER, "1000", "R1")

    numbers = [counter.view(payment_id)["number"] for payment_id in (*taken, paid)]
    assert numbers == [1, 2, 1]


DEVICE_REFUSALS = {
    "unknown": (
        "1000", "404", "unknown_serial", "The company has no device '404'; register it first."
    ),
    "nobody's": (
        "1000", HOME, "device_unassigned",
        "Device '12345678' belongs to nobody; give it to a customer first.",
    ),
    "nothing": ("0", METER, "amount_invalid", "The amount 0 must be more than 0."),
    "too little": (
        "99", METER, "amount_below_minimum",
        ("What is left for device 47001234567 is 99 TZS, but nothing is sold to it below 100 TZS. "
         "Pay at least 100 TZS."),
    ),
    "no serial": ("1000", "  ", "serial_invalid", "The serial is empty; write the device's."),
}  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "serial", "code", "message"), DEVICE_REFUSALS.values(), ids=DEVICE_REFUSALS
)
def test_what_validation_would_refuse_is_refused_before_anything_is_booked(
    counter, amount, serial, code, message
):
    counter.meter(METER)
    counter.home(HOME)
    with counter.engines.write.begin() as connection:
        d = t.devices.c
        connection.execute(sa.update(t.devices).where(d.serial == HOME).values(customer_id=None))

    assert counter.refused(amount, serial=serial) == (code, message)


def test_cash_in_another_currency_is_refused(counter):
    counter.meter(METER)
    counter.money = lambda text: Money.parse(text, "UGX")

    assert counter.refused("1000", serial=METER) == (
        "amount_invalid", "The amount is in UGX, but the company's currency is TZS.",
    )  # fmt: skip


def test_cash_for_a_device_whose_manufacturer_is_switched_off_is_refused(counter):
    counter.meter(METER)
    counter.change_instance("calin", state=InstanceState.DISABLED)

    assert counter.refused("1000", serial=METER) == (
        "plugin_not_enabled",
        "The manufacturer's plugin calin is not enabled; enable it first.",
    )


@pytest.mark.parametrize("target", [{}, {"serial": METER, "sale_id": "1"}], ids=["none", "both"])
def test_cash_is_for_one_thing(counter, target):
    assert counter.refused("1000", **target) == (
        "payment_target_invalid", "Give either a serial or a sale_id.",
    )  # fmt: skip


# --- for a sale -----------------------------------------------------------------------------------


def test_a_plain_appliance_is_repaid_by_its_sale_and_other_debts_stay(counter):
    """T-12, T-19: paid ahead of time, and nothing but its rows moves."""
    owner = counter.meter(METER, access_rate="200", period_days=7, days_ago=14).customer_id
    plan_id = counter.sell_television(owner)

    payment_id = counter.take("300", sale_id=plan_id)

    assert counter.status(payment_id) == ("settled", False, "")
    assert counter.lines(payment_id) == [("instalment", "200"), ("instalment", "100")]
    assert counter.remaining(plan_id) == [0, 10_000, 20_000, 20_000, 20_000]
    assert counter.view(payment_id)["serial"] is None
    assert counter.booked(payment_id) == [("cash", -30_000), ("instalment", 30_000)]
    assert counter.rows(t.audit, "after")[-1] == (
        {"amount": "300", "serial": None, "sale_id": plan_id},
    )
    assert counter.differences() == []


def test_a_home_systems_sale_buys_days_and_paid_off_it_is_unlocked(counter):
    plan_id = counter.home_sale()
    first = counter.take("700", sale_id=plan_id)
    counter.scripts["sunking"].generate.append(time_grant(days=31))
    counter.work(first)
    last = counter.take("2100", sale_id=plan_id)
    counter.scripts["sunking"].generate.append(unlock_grant())
    counter.work(last)

    assert counter.view(first)["serial"] == HOME
    assert [token["quantity"] for token in counter.view(first)["tokens"]] == [31]
    assert counter.remaining(plan_id) == [0, 0, 0, 0]
    assert [token["kind"] for token in counter.view(last)["tokens"]] == ["unlock"]
    assert counter.refused("100", sale_id=plan_id)[0] == "plan_already_settled"
    assert counter.differences() == []


SALES = {
    "T-13": ("199", {}, "amount_below_minimum",
             "199 TZS is too little for plan {plan!r}; take at least 200 TZS."),
    "T-14": ("1000.01", {}, "amount_above_maximum",
             "1000.01 TZS is more than is open on plan {plan!r}; take at most 1000 TZS."),
    "T-23": ("100", {"service": "500"}, "amount_below_minimum",
             "100 TZS is too little for plan {plan!r}; take at least 500 TZS."),
    "T-24": ("0", {"service": "0"}, "amount_invalid", "The amount 0 must be more than 0."),
}  # fmt: skip


@pytest.mark.parametrize(("amount", "terms", "code", "message"), SALES.values(), ids=SALES)
def test_what_a_plan_does_not_take_is_refused_before_anything_is_booked(
    counter, amount, terms, code, message
):
    owner = counter.meter(METER).customer_id
    plan_id = counter.service_sale(terms["service"]) if terms else counter.sell_television(owner)

    assert counter.refused(amount, sale_id=plan_id) == (code, message.format(plan=plan_id))


@pytest.mark.parametrize("minimum", ["0", "300"], ids=["T-21", "T-22"])
def test_energy_as_a_service_is_paid_by_its_sale(counter, minimum):
    payment_id = counter.take("300", sale_id=counter.service_sale(minimum))

    assert counter.status(payment_id) == ("token_pending", False, "")
    assert counter.lines(payment_id) == [("eaas", "300")]
    assert counter.order(payment_id)["quantity"] == 3
    assert counter.differences() == []


def test_less_than_the_usual_instalment_is_taken_if_it_is_all_that_is_left(counter):
    """T-15."""
    plan_id = counter.sell_television(counter.meter(METER).customer_id)
    counter.take("900", sale_id=plan_id)

    counter.take("100", sale_id=plan_id)

    assert counter.remaining(plan_id) == [0, 0, 0, 0, 0]
    assert counter.differences() == []


def test_a_sale_that_is_not_the_companys_cannot_be_paid(counter):
    assert counter.refused("100", sale_id="nonsense") == (
        "unknown_sale", "The company has no sale with id 'nonsense'.",
    )  # fmt: skip


def test_a_sale_that_was_taken_back_cannot_be_paid(counter):
    plan_id = counter.sell_television(counter.meter(METER).customer_id)
    with counter.engines.write.begin() as connection:
        delete_sale(connection, counter.record, plan_id, counter.now)

    assert counter.refused("200", sale_id=plan_id) == (
        "sale_deleted", f"Sale {plan_id!r} was taken back; nothing can be paid on it.",
    )  # fmt: skip


# --- what can be done with it ---------------------------------------------------------------------


def test_cash_that_bought_energy_can_be_reversed_like_any_payment(counter):
    owner = counter.meter(METER).customer_id
    payment_id = counter.take("1000", serial=METER)
    counter.scripts["calin"].generate.append(energy_grant())
    counter.work(payment_id)

    counter.act("reverse", payment_id)

    assert counter.status(payment_id) == ("reversed", False, "reversed")
    assert counter.credit(owner) == -100_000
    assert counter.differences() == []


def test_reversed_cash_of_a_sale_reopens_its_rows(counter):
    plan_id = counter.sell_television(counter.meter(METER).customer_id)
    payment_id = counter.take("300", sale_id=plan_id)

    counter.act("reverse", payment_id)

    assert counter.remaining(plan_id) == [20_000] * 5
    assert counter.booked(payment_id) == [("cash", 0), ("instalment", 0)]
    assert counter.differences() == []


def test_t_66_a_failure_of_cash_too_has_a_reason_of_bounded_length(counter):
    counter.meter(METER)
    payment_id = counter.take("1000", serial=METER)
    counter.scripts["calin"].generate.append(Refused("x" * 5000))

    counter.work(payment_id)

    assert counter.status(payment_id) == ("held", True, "vendor_refused")
    [attempt] = counter.view(payment_id)["attempts"]
    assert set(attempt["detail"]) == {"x"}
    assert len(attempt["detail"]) <= 1000


def test_a_held_cash_payment_can_be_released(counter):
    owner = counter.meter(METER).customer_id
    payment_id = counter.take("1000", serial=METER)
    counter.scripts["calin"].generate.append(Refused("unknown meter"))
    counter.work(payment_id)

    counter.act("release", payment_id)

    assert counter.credit(owner) == 100_000
    assert counter.told(payment_id)[-1] == "Payment of 1000 TZS received. Your credit: 1000 TZS."
    assert counter.differences() == []


def test_no_telecoms_enquiry_finds_cash(counter):
    counter.meter(METER)
    counter.take("1000", serial=METER)
    instances = [instance.id for instance in counter.directory.instances_of(counter.record.id)]
    keys = [PaymentKeys(instance_id=one, number=1, reference="1") for one in instances]

    with counter.engines.read.connect() as connection:
        found = find_payments(connection, keys, lock=False)

    assert [found.find(key) for key in keys] == [None] * len(keys)


def test_cash_is_exported_with_its_channel_and_number(counter):
    counter.meter(METER)
    counter.take("1000", serial=METER)
    counter.pay(METER, "500", "R1")

    rows = list(
        export_rows(
            counter.engines.read, counter.vault, counter.record.id, ExportKind.PAYMENTS
        ).rows
    )
    shown = [(row["channel"], row["instance"], row["number"], row["amount"]) for row in rows]
    assert shown == [("cash", "cash", "1", "1000"), ("telecom", "airtel", "1", "500")]


def test_cash_at_two_desks_at_once_pays_one_debt_once(counter):
    """Both lock the customer, so the second one sees what the first one left."""
    plan_id = counter.sell_television(counter.meter(METER).customer_id)
    with ThreadPoolExecutor(2) as desks:
        waiting = [desks.submit(counter.take, "600", sale_id=plan_id) for _ in range(2)]
        outcomes = [one.exception() for one in waiting]

    assert sorted(type(one).__name__ for one in outcomes) == ["NoneType", "PlanChangeRefused"]
    assert counter.remaining(plan_id) == [0, 0, 0, 20_000, 20_000]
    assert counter.differences() == []
