"""Metrics: what happened is counted, what waits is read, and nobody's data is in it."""

from __future__ import annotations

import re

import pytest

from mpm_host.monitoring.database_gauges import DatabaseGauges
from tests.support.query_plans import captured_statements
from tests.support.telecom_calls import airtel_process, airtel_validation

METER = "47000124512"


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


def test_metrics_name_no_device_no_phone_and_no_payment(company):
    company.meter(METER, phone="+255781239876")
    body = airtel_process("SECRETREFERENCE", METER, "1000", msisdn="781239875")
    company.airtel("process", "SECRETREFERENCE", body)
    company.wait_for("SECRETREFERENCE")
    text = metrics(company).text
    assert "mpm_token_seconds" in text
    for private in (METER, "781239876", "781239875", "SECRETREFERENCE"):
        assert private not in text


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
    """The history is never read: only partial indexes of open rows, or a company's statuses."""
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
    companies = len(company.world.host.house.directory.companies)
    assert len(asked) == 3 + companies  # once, although it was asked twice
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # small tables are read as a whole: they are small
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, given in asked:
            plan = " ".join(
                str(row[-1]) for row in connection.exec_driver_sql(explain + statement, given)
            )
            assert "_due" in plan or "status" in plan, plan
            assert "Seq Scan" not in plan, plan
            scanned = re.findall(r"SCAN mpm_\w+(?! USING)(?=\s|$)", plan)
            assert scanned == [], plan
