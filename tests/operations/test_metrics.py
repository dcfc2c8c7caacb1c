"""Metrics: what happened is counted, what waits is read, and nobody's data is in it."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from mpm_core import Refused
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.monitoring.database_gauges import DatabaseGauges
from mpm_host.work_sources import SOURCES
from tests.support.order_bench import OrderBench, energy_grant, lost
from tests.support.query_plans import captured_statements
from tests.support.telecom_calls import airtel_process, airtel_validation

METER = "47000124512"
FAILURES = 5  # in a row, after which an instance is left alone


def metrics(company, **options):
    return company.http.get(f"{company.world.url}/metrics", **options)


def sample(trial, name, **labels):
    """Return one sample's value; nothing if it is not there."""
    wanted = set(labels.items())
    for line in metrics(trial).text.splitlines():
        found = re.fullmatch(r"(\w+?)(?:\{(.*)\})? (\S+)", line)
        if found and found[1] == name:
            have = set(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
            if wanted <= have:
                return float(found[3])
    return None


def test_a_paid_token_is_counted_under_its_company_and_instances(company):
    company.meter(METER)
    company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "1000"))
    company.airtel("process", "AIR1", airtel_process("AIR1"))
    company.wait_for("AIR1")

    telecom = {"company": company.slug, "instance": "airtel"}
    maker = {"company": company.slug, "instance": "calin"}
    counted = {
        "accepted": sample(company, "mpm_payments_accepted_total", **telecom),
        "validated": sample(company, "mpm_calls_total", **telecom, kind="validation"),
        "timed": sample(company, "mpm_call_seconds_count", **telecom, kind="process"),
        "issued": sample(company, "mpm_attempts_total", **maker, outcome="issued"),
        "step": sample(company, "mpm_order_steps_total", **maker, status="issued"),
        "tokens": sample(company, "mpm_token_seconds_count", **maker),
        "sent": sample(company, "mpm_messages_total", company=company.slug, status="sent"),
        "circuit": sample(company, "mpm_circuit_open", **maker),
        "up": sample(company, "mpm_database_up"),
    }
    expected = dict.fromkeys(counted, 1.0) | {"circuit": 0.0}
    assert counted == expected


def test_what_waits_is_read_from_the_database(company):
    company.meter(METER)
    company.world.simulators["calin"].set_fault("lose_answer", serial=METER, times=1)
    company.airtel("process", "AIR1", airtel_process("AIR1", METER, "1000"))
    company.wait_for("AIR1", ["unknown"])
    maker = {"company": company.slug, "instance": "calin"}

    def waiting():
        return [
            sum(
                sample(company, "mpm_open_orders", **maker, status=status) or 0
                for status in ("unknown", "parked")
            ),
            sample(company, "mpm_unknown_orders", **maker, age="under 1m"),
        ]

    wait_until(lambda: waiting() == [1.0, 1.0], seconds=15)
    assert sample(company, "mpm_relay_lag_seconds", queue="orders") is not None


def wait_until(happened, *, seconds):
    import time  # noqa: PLC0415 - the figures are kept for some seconds

    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.2)


def test_a_circuit_is_told_open_while_an_instance_is_left_alone(company):
    maker = company.world.simulators["calin"]
    serials = [f"470001246{number:02d}" for number in range(FAILURES)]
    for serial in serials:
        company.meter(serial)
        maker.set_fault("lose_answer", serial=serial, times=1)
        company.airtel("process", f"AIR{serial}", airtel_process(f"AIR{serial}", serial, "1000"))

    def circuit(instance):
        return sample(company, "mpm_circuit_open", company=company.slug, instance=instance)

    wait_until(lambda: circuit("calin") == 1.0, seconds=30)
    assert circuit("sunking") == 0.0


def test_metrics_name_no_device_no_phone_and_no_payment(company):
    company.meter(METER, phone="+255781239876")
    body = airtel_process("SECRETREFERENCE", METER, "1000", msisdn="781239875")
    company.airtel("process", "SECRETREFERENCE", body)
    company.wait_for("SECRETREFERENCE")
    text = metrics(company).text
    assert "mpm_token_seconds" in text
    for private in (METER, "781239876", "781239875", "SECRETREFERENCE"):
        assert private not in text


# --- how long what waits has waited ---------------------------------------------------------------


AGED = (
    "mpm_oldest_open_order_seconds",
    "mpm_queued_messages",
    "mpm_oldest_queued_message_seconds",
    "mpm_relay_lag_seconds",
)


def lags(**late):
    """Return the seconds by which queues are late; those that are not named are on time."""
    queues = dict.fromkeys(SOURCES, 0.0) | late
    return {(queue,): seconds for queue, seconds in queues.items()}


def gauges(bench, *names):
    """Return what is told now, by name and by the labels' values in their order."""
    read = DatabaseGauges(
        engine=bench.engines.read, clock=bench.clock, directory=lambda: bench.directory
    )
    return {
        metric.name: {tuple(one.labels.values()): one.value for one in metric.samples}
        for metric in read.collect()
        if metric.name in names
    }


def waiting_for_a_person(bench):
    name = "mpm_payments_for_a_person"
    return gauges(bench, name)[name]


def test_ages_are_those_of_what_has_waited_longest(engines):
    bench = OrderBench(engines)
    serials = [f"4700123456{number}" for number in range(4)]
    for serial in serials:
        bench.meter(serial)
    told, queued, also_queued, unknown = serials
    bench.scripts["calin"].generate.extend([energy_grant(), lost()])
    bench.work(bench.pay(told, "1000", "R1"))
    bench.later(minutes=1)
    bench.pay(queued, "1000", "R2")
    bench.later(seconds=30)
    bench.pay(also_queued, "1000", "R3")
    bench.work(bench.pay(unknown, "1000", "R4"))
    bench.later(seconds=30)

    maker, company = ("umeme", "calin"), ("umeme",)
    assert gauges(bench, *AGED) == {
        "mpm_oldest_open_order_seconds": {(*maker, "queued"): 60.0, (*maker, "unknown"): 30.0},
        "mpm_queued_messages": {company: 1.0},
        "mpm_oldest_queued_message_seconds": {company: 120.0},
        "mpm_relay_lag_seconds": lags(orders=60.0, messages=120.0, devices=120.0),
    }
    bench.later(hours=1)
    assert gauges(bench, *AGED) == {
        "mpm_oldest_open_order_seconds": {(*maker, "queued"): 3660.0, (*maker, "unknown"): 3630.0},
        "mpm_queued_messages": {company: 1.0},
        "mpm_oldest_queued_message_seconds": {company: 3720.0},
        "mpm_relay_lag_seconds": lags(orders=3660.0, messages=3720.0, devices=3720.0),
    }


def test_every_payment_that_needs_a_person_is_counted_once_where_it_stands(engines):
    bench = OrderBench(engines)
    names = ("held", "unknown", "settled", "disputed", "pending")
    calin = bench.scripts["calin"].generate
    calin.extend([Refused("unknown meter"), lost(), energy_grant("1" * 20), energy_grant("2" * 20)])
    paid = {}
    for number, name in enumerate(names):
        serial = f"4700123456{number}"
        bench.meter(serial)
        paid[name] = bench.pay(serial, "1000", name)
        if calin:
            bench.work(paid[name])
    assert waiting_for_a_person(bench) == {("umeme", "held"): 1.0}

    bench.later(minutes=1)
    bench.work(paid["unknown"])
    bench.pay("X999", "1000", "unmatched")
    actions = PaymentActions(vault=bench.vault, directory=lambda: bench.directory)
    anna = Actor(name="anna@umeme.tz", at=bench.now, reason="the customer called")
    with engines.write.begin() as connection:
        actions.reissue(connection, paid["settled"], anna, company_id=bench.record.id)
        disputed = sa.update(t.payments).where(t.payments.c.id == paid["disputed"])
        connection.execute(disputed.values(conflict=True, disputed=True, needs_person=True))
    assert waiting_for_a_person(bench) == {
        ("umeme", status): 1.0 for status in ("held", "unknown", "settled", "disputed", "unmatched")
    }


# --- who may read them ---------------------------------------------------------------------------


def test_a_proxy_nobody_declared_does_not_open_the_metrics_to_strangers(company):
    answer = metrics(company, headers={"x-forwarded-for": "203.0.113.7"})
    assert (answer.status_code, answer.text) == (
        403,
        "The metrics may not be read from this address.\n",
    )


@pytest.mark.parametrize(
    ("given", "status"),
    [("Bearer right", 200), ("Bearer wrong", 401), ("", 401)],
    ids=["right", "wrong", "none"],
)
def test_a_token_is_asked_for_once_one_is_set(given, status):
    from litestar.testing import TestClient  # noqa: PLC0415 - only here

    from mpm_core import Secret  # noqa: PLC0415 - only here
    from mpm_host.web.operations import (  # noqa: PLC0415 - only here
        MetricsAccess,
        Operations,
        operations_application,
    )

    access = MetricsAccess(token=Secret("right"), addresses=(), trusted_proxies=())
    operations = Operations(problems=tuple, metrics=lambda: b"counted 1\n", access=access)
    with TestClient(operations_application(operations)) as client:
        answer = client.get("/metrics", headers={"authorization": given})
    assert answer.status_code == status
    assert ("counted" in answer.text) == (status == 200)


# --- what it costs -------------------------------------------------------------------------------


def test_what_waits_is_read_by_the_indexes_of_what_is_open(company):
    """The history is never read: only partial indexes of rows that are open or need a person."""
    engine = company.world.host.engines.read
    gauges = DatabaseGauges(
        engine=engine,
        clock=company.world.host.clock,
        directory=lambda: company.world.host.house.directory,
    )
    with captured_statements(engine) as said:
        assert next(iter(gauges.collect())).name == "mpm_database_up"
        list(gauges.collect())
    asked = [one for one in said if "count(" in one[0] or "min(" in one[0]]  # not the relay's
    assert len(asked) == 4  # once, although it was asked twice
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # small tables are read as a whole: they are small
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, given in asked:
            plan = " ".join(
                str(row[-1]) for row in connection.exec_driver_sql(explain + statement, given)
            )
            assert "_due" in plan or "ix_mpm_payment_needs_person" in plan, plan
            assert "Seq Scan" not in plan, plan
            scanned = re.findall(r"SCAN mpm_\w+(?! USING)(?=\s|$)", plan)
            assert scanned == [], plan
