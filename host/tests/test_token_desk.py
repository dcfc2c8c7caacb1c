"""The token desk: ad-hoc tokens, past all debts, as payments of their own channel."""

from __future__ import annotations

import attrs
import pytest
import sqlalchemy as sa

from mpm_core import Refused
from mpm_core.allocation.ad_hoc_units import AdHocUnit
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.directory import InstanceState
from mpm_host.payments.token_desk import AdHocToken, TokenDesk
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.plan_terms import PlanTerms
from tests.support.order_bench import OrderBench, energy_grant, lost, time_grant

METER, HOME = "47001234567", "12345678"
WHY = "meter was replaced"
POSSIBLE = None


class Bench(OrderBench):
    """A bench with somebody who gives tokens."""

    def __init__(self, engines, **options):
        super().__init__(engines, **options)
        self.desk = TokenDesk(vault=self.vault, directory=lambda: self.directory)

    def by(self, reason=WHY):
        return Actor(name="anna@umeme.tz", at=self.now, reason=reason)

    def give(self, amount, unit, serial=METER, reason=WHY):
        token = AdHocToken(serial=serial, amount=amount, unit=AdHocUnit(unit))
        with self.engines.write.begin() as connection:
            return self.desk.give(connection, self.record, token, self.by(reason)).id

    def refused(self, amount, unit, **more):
        """Return the code and message of a refusal; it must write nothing."""
        before = self.count_rows()
        with pytest.raises(ServiceRefused) as refusal:
            self.give(amount, unit, **more)
        assert self.count_rows() == before
        return refusal.value.code, str(refusal.value)

    def told_before(self, serial):
        """Return the code of each unit's objection."""
        with self.engines.read.connect() as connection:
            found = self.desk.objections(connection, self.record, serial, self.by())
        return {unit.value: str(one.code) if one else POSSIBLE for unit, one in found.items()}

    def service(self):
        """Sell a home system for 250 a day, 5000 at least at a time."""
        sale = PlanTerms(
            price_per_day=self.money("250"),
            minimum_payment=self.money("5000"),
            sold_on=self.record.today(self.now),
        )
        return self.home(HOME, sale=sale)


@pytest.fixture
def bench(engines):
    return Bench(engines)


def test_money_becomes_a_token_past_all_debts(bench):
    """T-42."""
    owner = bench.meter(METER, access_rate="200", period_days=7, days_ago=14).customer_id

    payment_id = bench.give("500", "currency")
    bench.scripts["calin"].generate.append(energy_grant(watt_hours=500))
    bench.work(payment_id)

    view = bench.view(payment_id)
    assert (view["instance"], view["channel"], view["number"]) == ("ad_hoc", "ad_hoc", 1)
    assert bench.status(payment_id) == ("settled", False, "")
    assert bench.lines(payment_id) == [("energy", "500")]
    assert bench.codes(payment_id) == ["11112222333344445555"]
    assert bench.told(payment_id) == [
        (
            "Payment of 500 TZS received. 0.5 kWh for meter 47001234567. "
            "Token: 1111 2222 3333 4444 5555"
        )
    ]
    assert [(event["kind"], event["detail"], event["actor"]) for event in view["events"]] == [
        ("taken", WHY, "anna@umeme.tz")
    ]
    assert bench.rows(t.audit, "actor", "action", "after", "reason")[-1] == (
        "anna@umeme.tz",
        "payment.ad_hoc",
        {"amount": "500", "serial": METER, "asked": "500 currency"},
        WHY,
    )
    owed = [row["remaining"] for row in bench.rows(t.access_debts)]
    assert (owed, bench.credit(owner)) == ([20_000, 20_000], 0)
    assert bench.differences() == []


def test_days_are_worth_their_price(bench):
    """E-72, T-43."""
    bench.service()

    payment_id = bench.give("4", "days", serial=HOME)
    bench.scripts["sunking"].generate.append(time_grant(days=4))
    bench.work(payment_id)

    assert bench.view(payment_id)["amount"] == "1000"
    assert bench.lines(payment_id) == [("time", "1000")]
    assert [token["quantity"] for token in bench.view(payment_id)["tokens"]] == [4]
    assert bench.differences() == []


def test_energy_is_worth_its_price(bench):
    """E-73, T-44."""
    bench.meter(METER, price="120")

    payment_id = bench.give("3", "kWh")

    assert bench.view(payment_id)["amount"] == "360"
    assert bench.lines(payment_id) == [("energy", "360")]
    assert bench.order(payment_id)["quantity"] == 3000
    assert bench.differences() == []


def test_what_the_vendor_really_granted_is_shown(bench):
    """T-45."""
    bench.service()

    payment_id = bench.give("7.25", "days", serial=HOME)
    bench.scripts["sunking"].generate.append(time_grant(days=8))
    bench.work(payment_id)

    assert bench.view(payment_id)["amount"] == "1812.50"
    assert [token["quantity"] for token in bench.view(payment_id)["tokens"]] == [8]
    assert bench.differences() == []


def test_days_on_a_plan_with_instalments_pay_none_of_them(bench):
    sale = PlanTerms(cost=bench.money("2800"), instalments=4, sold_on=bench.record.today(bench.now))
    bench.home(HOME, sale=sale)

    bench.give("31", "days", serial=HOME)

    assert [row["remaining"] for row in bench.rows(t.plan_rows)] == [70_000] * 4
    assert bench.differences() == []


def test_what_no_step_is_made_of_becomes_credit(bench):
    owner = bench.meter(METER, price="130").customer_id

    payment_id = bench.give("500", "currency")

    assert bench.lines(payment_id) == [("energy", "494"), ("credit", "6")]
    assert bench.credit(owner) == 600
    assert bench.differences() == []


def test_a_lost_answer_is_kept_in_doubt_and_the_order_stays(bench):
    """T-48 says nothing is stored; but what is unknown must never be lost."""
    bench.meter(METER)
    payment_id = bench.give("500", "currency")
    bench.scripts["calin"].generate.append(lost())

    bench.work(payment_id)

    assert bench.status(payment_id)[0] == "unknown"
    assert bench.differences() == []


def test_a_refused_token_is_held_and_can_be_reversed(bench):
    owner = bench.meter(METER).customer_id
    payment_id = bench.give("500", "currency")
    bench.scripts["calin"].generate.append(Refused("unknown meter"))
    bench.work(payment_id)
    assert bench.status(payment_id) == ("held", True, "vendor_refused")

    actions = PaymentActions(vault=bench.vault, directory=lambda: bench.directory)
    with bench.engines.write.begin() as connection:
        actions.reverse(connection, payment_id, bench.by(), company_id=bench.record.id)

    assert bench.status(payment_id) == ("reversed", False, "reversed")
    assert (bench.lines(payment_id), bench.credit(owner)) == ([], 0)
    assert bench.differences() == []


# --- what cannot be asked for, told before and when it is asked all the same ----------------------


def nobodys(bench):
    bench.meter(METER)
    _set(bench, customer_id=None)


def without_tariff(bench):
    bench.meter(METER)
    _set(bench, tariff_id=None)


def switched_off(bench):
    bench.meter(METER)
    bench.change_instance("calin", state=InstanceState.DISABLED)


def not_mapped(bench):
    bench.meter(METER)
    demanding = attrs.evolve(bench.record, demand_mapping=True)
    bench.directory = attrs.evolve(bench.directory, companies={demanding.id: demanding})


def _set(bench, **values):
    with bench.engines.write.begin() as connection:
        connection.execute(sa.update(t.devices).values(**values))


DAYLESS, ENERGYLESS = "unit_not_supported", "unit_not_supported"
CAPABILITIES = {
    "meter": (lambda bench: bench.meter(METER), METER, [POSSIBLE, POSSIBLE, DAYLESS]),
    "home": (lambda bench: bench.service(), HOME, [POSSIBLE, ENERGYLESS, POSSIBLE]),
    "T-47-tariff": (without_tariff, METER, ["no_tariff", "no_tariff", DAYLESS]),
    "T-47-plan": (lambda bench: bench.home(HOME), HOME, ["no_plan", ENERGYLESS, "no_plan"]),
    "T-47-customer": (nobodys, METER, ["device_unassigned"] * 3),
    "not mapped": (not_mapped, METER, ["device_not_mapped"] * 3),
    "T-47-adapter": (switched_off, METER, ["plugin_not_enabled"] * 3),
}


@pytest.mark.parametrize(("prepare", "serial", "codes"), CAPABILITIES.values(), ids=CAPABILITIES)
def test_whether_a_unit_is_possible_is_told_before_as_it_is_when_asked(
    bench, prepare, serial, codes
):
    prepare(bench)

    assert bench.told_before(serial) == dict(zip(["currency", "kWh", "days"], codes, strict=True))
    for unit, code in bench.told_before(serial).items():
        if code is POSSIBLE:
            bench.give("500", unit, serial=serial)
        else:
            assert bench.refused("500", unit, serial=serial)[0] == code
    assert bench.differences() == []


def test_an_unknown_serial_is_refused_before_and_when_asked(bench):
    answer = ("unknown_serial", "The company has no device '404'; register it first.")

    assert bench.refused("500", "currency", serial="404") == answer
    with pytest.raises(ServiceRefused) as refusal:
        bench.told_before("404")
    assert (refusal.value.code, str(refusal.value)) == answer


@pytest.mark.parametrize("reason", ["", "  "], ids=["none", "blank"])
def test_a_token_without_a_reason_is_refused(bench, reason):
    bench.meter(METER)

    assert bench.refused("500", "currency", reason=reason) == (
        "reason_required", "Say why; it is kept with the payment for ever.",
    )  # fmt: skip


def test_an_amount_that_makes_no_token_is_refused(bench):
    """T-49; the other amounts are in the rules' own tests."""
    bench.meter(METER)

    assert bench.refused("0", "kWh") == ("amount_invalid", "The amount 0 kWh must be more than 0.")
