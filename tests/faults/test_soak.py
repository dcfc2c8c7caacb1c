"""A whole host that works for minutes keeps its memory, its file handles and its threads (T15).

So do the job engine's records of what is done, which it never deletes by itself.

`MPM_SOAK_SECONDS` chooses how long. The first payments and the first half of the time warm it up
and are not compared: as the database grows, SQLite fills a cache of at most 2 MB per connection.
How soon its telecom was answered is printed and not judged: others share the machine.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from pathlib import Path

import attrs
import pytest

from tests.faults.evidence import examine
from tests.faults.impatient_telecom import ImpatientTelecom, planned_payments
from tests.faults.scene import crash_scene
from tests.faults.traced_memory import TracedMemory
from tests.faults.waiting import wait_until_nothing_is_open
from tests.support.engine_records import engine_rows

# Minutes of load: run by `nox -s nightly`.
pytestmark = [pytest.mark.slow, pytest.mark.long]

SECONDS = float(os.environ.get("MPM_SOAK_SECONDS", "90"))
WARM_UP = 300  # payments
COMPARED = 600  # payments, where what is held for each is asked for
BATCH, PAUSE = 10, 0.5  # payments, seconds: a pace the host keeps up with on a busy machine
MOST_GROWTH = 0.05
MOST_BYTES = 1_500  # held for each payment that is over
MOST_GROWTH_OF_RECORDS = 0.5  # they come and go in waves; if none ever went, it would be 0.9
PAGE = os.sysconf("SC_PAGE_SIZE")


@attrs.frozen(kw_only=True)
class Sample:
    """What the host's process holds at one moment.

    Attributes:
        payments: acknowledged so far.
        megabytes: of memory, caches included.
        handles: of files.
        threads: of the process.
        records: of the job engine.
    """

    payments: int
    megabytes: float
    handles: int
    threads: int
    records: int

    @classmethod
    def of(cls, scene, payments):
        """Look into /proc, and into the engine's own tables."""
        process = Path(f"/proc/{scene.host._process.pid}")
        pages = int((process / "statm").read_text().split()[1])
        database = scene.opened.engines.write.url
        return cls(
            payments=payments,
            megabytes=pages * PAGE / 1e6,
            handles=len(list((process / "fd").iterdir())),
            threads=len(list((process / "task").iterdir())),
            records=engine_rows(database, "workflow_status", "count(*)")[0][0],
        )


def pay(telecom, payments):
    """Make one batch of payments, and let the host go on with them for a moment."""
    telecom.release([payments.pop() for _ in range(BATCH)])
    telecom.wait_until_all_are_answered(60)
    time.sleep(PAUSE)


def warm_up(telecom, payments):
    """Pay until what a host fills once is full."""
    while len(telecom.acknowledged) < WARM_UP:
        pay(telecom, payments)


def soak(scene, telecom, payments):
    """Pay at a steady pace and return a sample for every batch after the warm-up."""
    warm_up(telecom, payments)
    samples, until = [], time.monotonic() + SECONDS
    while payments and time.monotonic() < until:
        pay(telecom, payments)
        samples.append(Sample.of(scene, len(telecom.acknowledged)))
    return samples


def growth(samples, what):
    """Return the middle of the third and of the last quarter."""
    values = [getattr(one, what) for one in samples]
    quarter = len(values) // 4
    third, last = values[-2 * quarter : -quarter], values[-quarter:]
    return statistics.median(third), statistics.median(last)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_memory_handles_and_threads_stay_flat_under_load(tmp_path, database_url, capsys):
    count = int(SECONDS / PAUSE + 1) * BATCH + 2 * WARM_UP
    with crash_scene(tmp_path, database_url, payments=400) as scene:
        dice = random.Random(1)  # noqa: S311 - not a secret
        payments = planned_payments(scene, count)
        with ImpatientTelecom(scene=scene, dice=dice) as telecom, scene.host.running():
            samples = soak(scene, telecom, payments)
            wait_until_nothing_is_open(scene, seconds=120)
        found = examine(scene, dict(telecom.acknowledged))
    measured = ("megabytes", "handles", "threads", "records")
    grown = {what: growth(samples, what) for what in measured}
    slow = statistics.quantiles(telecom.took, n=20)[-1] * 1000
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the point
            f"\n{len(telecom.acknowledged)} payments, {SECONDS:.0f} s of them compared: {grown}; "
            f"95 % of {len(telecom.took)} calls answered within {slow:.0f} ms"
        )

    assert (found.lost, found.doubled, found.ledger) == ((), {}, ())
    assert grown["megabytes"][1] <= grown["megabytes"][0] * (1 + MOST_GROWTH)
    assert grown["handles"][1] <= grown["handles"][0] * (1 + MOST_GROWTH) + 1
    assert grown["threads"][1] <= grown["threads"][0] * (1 + MOST_GROWTH) + 1
    assert grown["records"][1] <= grown["records"][0] * (1 + MOST_GROWTH_OF_RECORDS) + 1


def held_after(telecom, payments, traced, count):
    """Pay so much more; return the least that was held, and how many payments there were by then.

    The least, because what is under way is rightly held, and adds to it.
    """
    samples, until = [], len(telecom.acknowledged) + count
    while len(telecom.acknowledged) < until:
        pay(telecom, payments)
        samples.append((traced.held(), len(telecom.acknowledged)))
    return min(samples)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_held_of_a_payment_that_is_over(tmp_path, database_url, capsys):
    traced = TracedMemory.make()
    with crash_scene(tmp_path, database_url, payments=400, variant=traced) as scene:
        dice = random.Random(1)  # noqa: S311 - not a secret
        payments = planned_payments(scene, 2 * (WARM_UP + COMPARED))
        with ImpatientTelecom(scene=scene, dice=dice) as telecom, scene.host.running():
            traced.held()
            warm_up(telecom, payments)
            first, before = held_after(telecom, payments, traced, COMPARED // 4)
            held_after(telecom, payments, traced, COMPARED // 2)
            last, after = held_after(telecom, payments, traced, COMPARED // 4)
    each = (last - first) / (after - before)
    with capsys.disabled():
        print(f"\n{after - before} payments, {each:.0f} bytes held for each")  # noqa: T201 - the figure is the point

    assert each <= MOST_BYTES
