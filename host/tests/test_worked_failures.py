"""The worked examples of the domain where a manufacturer fails: E-46 to E-49, E-52, E-53."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from mpm_core import NotSent, Recovery, Refused
from mpm_host.database import tables as t
from mpm_host.registration.appliances import ApplianceKind
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sales import SaleRequest, sell
from tests.support.order_bench import OrderBench, energy_grant, lost, time_grant

SERIAL = "47001234567"
CLEARED = [("instalment", "300"), ("access_rate", "200"), ("energy", "500")]


@pytest.fixture
def bench(engines):
    return OrderBench(engines)


def debtor(bench):
    """A meter whose owner is overdue with 300 for a TV and 200 of access rate; 1000 is paid."""
    registered = bench.meter(SERIAL, price="100", access_rate="200", days_ago=40)
    sold_on = bench.record.today(bench.now) - timedelta(days=60)
    appliance_id = bench.appliance("TV", ApplianceKind.OTHER, "300")
    with bench.engines.write.begin() as connection:
        sell(
            connection,
            bench.record,
            SaleRequest(
                customer_id=registered.customer_id,
                appliance_id=appliance_id,
                terms=PlanTerms(cost=bench.money("300"), instalments=1, sold_on=sold_on),
            ),
            bench.now,
        )
    return bench.pay(SERIAL, "1000", "R1")


def open_debts(bench):
    rows = bench.rows(t.plan_rows, "remaining") + bench.rows(t.access_debts, "remaining")
    return [left for (left,) in rows if left]


def test_e46_debts_stay_cleared_while_the_vendor_is_down_and_the_sms_comes_once(bench):
    payment_id = debtor(bench)
    bench.scripts["calin"].generate += [NotSent("down"), energy_grant(watt_hours=5000)]

    bench.work(payment_id)
    assert bench.status(payment_id)[0] == "token_pending"
    assert (bench.lines(payment_id), open_debts(bench)) == (CLEARED, [])
    bench.later(seconds=3)
    bench.work(payment_id)
    bench.work(payment_id)

    assert bench.status(payment_id) == ("settled", False, "")
    assert (bench.lines(payment_id), open_debts(bench)) == (CLEARED, [])
    [token] = bench.view(payment_id)["tokens"]
    assert (token["quantity"], token["unit"]) == ("5", "kWh")
    assert len(bench.told(payment_id)) == 1
    assert bench.differences() == []


def test_e46_debts_stay_cleared_while_the_outcome_is_unknown(bench):
    payment_id = debtor(bench)
    bench.scripts["calin"].generate.append(lost())

    bench.work(payment_id)

    assert bench.status(payment_id)[0] == "unknown"
    assert (bench.lines(payment_id), open_debts(bench)) == (CLEARED, [])


def test_e47_a_final_no_holds_the_payment_and_reserves_the_value(bench):
    payment_id = debtor(bench)
    bench.scripts["calin"].generate.append(Refused("unknown meter"))

    bench.work(payment_id)

    assert bench.status(payment_id) == ("held", True, "vendor_refused")
    assert (bench.lines(payment_id), open_debts(bench)) == (CLEARED, [])
    assert len(bench.told(payment_id)) == 1
    assert bench.differences() == []


def home(bench, terms):
    bench.home("12345678", sale=terms)
    return bench.pay("12345678", "700", "R1")


def test_e48_a_paid_week_of_a_home_system_stays_paid_while_the_vendor_is_down(bench):
    terms = PlanTerms(cost=bench.money("2800"), instalments=4)
    payment_id = home(bench, terms)
    bench.scripts["sunking"].generate.append(NotSent("down"))

    bench.work(payment_id)

    assert bench.status(payment_id)[0] == "token_pending"
    assert bench.lines(payment_id) == [("instalment", "700")]
    assert open_debts(bench) == [70_000] * 3
    assert bench.differences() == []


def test_e49_no_debt_arises_for_energy_as_a_service(bench):
    terms = PlanTerms(price_per_day=bench.money("100"), minimum_payment=bench.money("100"))
    payment_id = home(bench, terms)
    bench.scripts["sunking"].generate += [NotSent("down"), time_grant()]

    bench.work(payment_id)
    assert bench.lines(payment_id) == [("eaas", "700")]
    assert open_debts(bench) == []
    bench.later(seconds=3)
    bench.work(payment_id)

    assert bench.status(payment_id)[0] == "settled"
    assert bench.differences() == []


def test_e52_a_crash_after_the_vendor_answered_asks_again_under_the_same_key(engines):
    bench = OrderBench(engines, recovery=Recovery.KEYED)
    payment_id = bench.paid()
    with engines.write.begin() as connection:  # as a worker that died in the call leaves it
        connection.execute(
            sa.update(t.orders).values(
                status="sent", attempts=1, prepared={}, lease_until=bench.now, due_at=bench.now
            )
        )
    bench.scripts["calin"].generate.append(energy_grant())
    order_id = bench.order(payment_id)["id"]

    bench.work(payment_id)
    bench.later(seconds=40)
    bench.work(payment_id)
    bench.work(payment_id)

    assert [order.key for order in bench.scripts["calin"].asked()] == [order_id]
    assert len(bench.codes(payment_id)) == 1


def test_e53_a_job_that_is_delivered_again_has_no_effect(bench):
    payment_id = debtor(bench)
    bench.scripts["calin"].generate.append(energy_grant(watt_hours=5000))
    bench.work(payment_id)
    before = [bench.rows(table) for table in (t.entries, t.tokens, t.messages, t.orders)]

    for order in bench.orders(payment_id):
        bench.worker.work_on(order["id"])

    assert [bench.rows(table) for table in (t.entries, t.tokens, t.messages, t.orders)] == before
    assert len(bench.scripts["calin"].asked()) == 1


def test_a_device_that_pays_itself_off_is_unlocked_once(bench):
    terms = PlanTerms(cost=bench.money("700"), instalments=1)

    payment_id = home(bench, terms)

    assert [order["kind"] for order in bench.orders(payment_id)] == ["unlock"]
