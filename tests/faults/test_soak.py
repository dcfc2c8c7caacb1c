"""A whole host that works for minutes keeps its memory, its file handles and its threads (T15).

So do the job engine's records of what is done, which it never deletes by itself.

`MPM_SOAK_SECONDS` chooses how long; the first part warms it up and is not compared.
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
from tests.faults.waiting import wait_until_nothing_is_open
from tests.support.engine_records import engine_rows

# Minutes of load: run by `nox -s nightly`.
pytestmark = [pytest.mark.slow, pytest.mark.long]

SECONDS = float(os.environ.get("MPM_SOAK_SECONDS", "90"))
WARM_UP = 0.4  # of the time
BATCH, PAUSE = 10, 0.5  # payments, seconds: a pace the host keeps up with on a busy machine
MOST_GROWTH = 0.05
MOST_GROWTH_OF_RECORDS = 0.5  # they come and go in waves; if none ever went, it would be 0.9
PAGE = os.sysconf("SC_PAGE_SIZE")


@attrs.frozen(kw_only=True)
class Sample:
    """What the host's process holds at one moment."""

    megabytes: float
    handles: int
    threads: int
    records: int

    @classmethod
    def of(cls, pid, database):
        """Look into /proc, and into the engine's own tables."""
        process = Path(f"/proc/{pid}")
        pages = int((process / "statm").read_text().split()[1])
        return cls(
            megabytes=pages * PAGE / 1e6,
            handles=len(list((process / "fd").iterdir())),
            threads=len(list((process / "task").iterdir())),
            records=engine_rows(database, "workflow_status", "count(*)")[0][0],
        )


def soak(scene, telecom, payments):
    """Pay at a steady pace and return a sample for every batch."""
    pid, samples, until = scene.host._process.pid, [], time.monotonic() + SECONDS
    database = scene.opened.engines.write.url
    while payments and time.monotonic() < until:
        telecom.release([payments.pop() for _ in range(BATCH)])
        telecom.wait_until_all_are_answered(60)
        time.sleep(PAUSE)
        samples.append(Sample.of(pid, database))
    return samples


def growth(samples, what):
    """Return the middle of the first and of the last quarter after the warm-up."""
    warm = [getattr(one, what) for one in samples[int(len(samples) * WARM_UP) :]]
    quarter = len(warm) // 4
    return statistics.median(warm[:quarter]), statistics.median(warm[-quarter:])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_memory_handles_and_threads_stay_flat_under_load(tmp_path, database_url, capsys):
    count = int(SECONDS / PAUSE + 1) * BATCH
    with crash_scene(tmp_path, database_url, payments=400) as scene:
        dice = random.Random(1)  # noqa: S311 - not a secret
        payments = planned_payments(scene, count)
        with ImpatientTelecom(scene=scene, dice=dice) as telecom, scene.host.running():
            samples = soak(scene, telecom, payments)
            wait_until_nothing_is_open(scene, seconds=120)
        found = examine(scene, dict(telecom.acknowledged))
    measured = ("megabytes", "handles", "threads", "records")
    grown = {what: growth(samples, what) for what in measured}
    with capsys.disabled():
        print(f"\n{len(telecom.acknowledged)} payments in {SECONDS:.0f} s: {grown}")  # noqa: T201 - the figures are the point

    assert (found.lost, found.doubled, found.ledger) == ((), {}, ())
    assert grown["megabytes"][1] <= grown["megabytes"][0] * (1 + MOST_GROWTH)
    assert grown["handles"][1] <= grown["handles"][0] * (1 + MOST_GROWTH) + 1
    assert grown["threads"][1] <= grown["threads"][0] * (1 + MOST_GROWTH) + 1
    assert grown["records"][1] <= grown["records"][0] * (1 + MOST_GROWTH_OF_RECORDS) + 1
