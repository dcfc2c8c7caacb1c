"""Verification beside the work: no false difference, and the same memory for a long history."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines
from mpm_host.verification.verification import verify
from tests.benchmarks.bulk import copy_history
from tests.support.order_bench import OrderBench, energy_grant, lost
from tests.support.small_company import SmallCompany

METERS = ["47001234567", "47001234568"]
PAYMENTS = 12  # of each meter
FEW, MANY = 2_000, int(os.environ.get("MPM_VERIFIED_PAYMENTS", "100000"))
MORE_MEMORY = 16 << 20  # bytes for fifty times as many payments; a list of them would take far more


def _live(bench, serial):
    """Pay, work and take back: some tokens come, some answers are lost, some payments go back."""
    actions = PaymentActions(vault=bench.vault, directory=lambda: bench.directory)
    actor = Actor(name="anna@umeme.tz", at=bench.now, reason="paid twice")
    for number in range(PAYMENTS):
        payment_id = bench.pay(serial, "1000", f"{serial}-{number}")
        code = f"{serial}{number:09d}"
        planned = lost() if number % 4 == 1 else energy_grant(code)
        bench.scripts["calin"].generate.append(planned)
        bench.work(payment_id)
        if number % 4 == 3:
            with bench.engines.write.begin() as connection:
                actions.reverse(connection, payment_id, actor, company_id=bench.record.id)


def test_verification_finds_nothing_while_payments_are_accepted_and_worked_on(engines):
    bench = OrderBench(engines)
    for number, serial in enumerate(METERS):
        bench.meter(serial, f"071234567{number}", access_rate="200", period_days=7, days_ago=14)
    found, runs = [], 0
    with ThreadPoolExecutor(len(METERS)) as pool:
        lives = [pool.submit(_live, bench, serial) for serial in METERS]
        while not all(life.done() for life in lives):
            found += bench.differences()
            runs += 1
        for life in lives:
            life.result()

    assert found == []
    assert bench.differences() == []
    assert len(bench.rows(t.payments)) == PAYMENTS * len(METERS)
    assert runs > 1


def _verified(url):
    """Verify a database in a process of its own; tell differences, seconds and bytes it took."""
    engines = open_engines(url)
    before = _most_memory()
    began = time.monotonic()
    with engines.read.connect() as connection:
        count = sum(1 for _ in verify(connection))
    engines.dispose()
    return count, time.monotonic() - began, _most_memory() - before


def _most_memory():
    """Return the most bytes this process ever had; `getrusage` would count its parent's."""
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def _in_a_process(url):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_verified, [url])


@pytest.mark.slow
@pytest.mark.long
def test_verification_of_a_long_history_takes_no_more_memory(engines, database_url):
    company = SmallCompany(engines)
    company.meter(METERS[0])
    for number in range(200):  # as many as are copied at a time
        company.issue(company.pay(METERS[0], "1000", f"MP-{number}"), f"{number:020d}")
    copy_history(engines.write, prefix="MP-", first=0, payments=FEW)
    few = _in_a_process(database_url)
    copy_history(engines.write, prefix="MP-", first=FEW, payments=MANY)
    many = _in_a_process(database_url)
    print(f"{FEW} payments: {few}; {MANY} more: {many}")  # noqa: T201 - the figure of docs/proof.md

    assert few[0] == many[0] == 0
    assert many[2] - few[2] < MORE_MEMORY
