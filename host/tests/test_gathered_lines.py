"""Lines of the log: written together, in order, none lost, and at once when they are urgent."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time

import pytest

from mpm_host.gathered_lines import GatheredLines

_NEVER = 3600.0


class Stream(io.StringIO):
    """Counts how often it was written to."""

    writes = 0

    def write(self, text):
        self.writes += 1
        return super().write(text)


@pytest.fixture
def stream():
    return Stream()


def test_lines_wait_for_each_other(stream):
    lines = GatheredLines(stream, moment=_NEVER)

    for number in range(100):
        lines.say(f"line {number}")
    assert stream.getvalue() == ""
    lines.flush()

    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(100)]
    assert stream.writes == 1


def test_an_urgent_line_takes_along_what_was_said_before_it(stream):
    lines = GatheredLines(stream, moment=_NEVER)

    lines.say("before")
    lines.say_at_once("urgent")

    assert stream.getvalue() == "before\nurgent\n"


def test_lines_are_written_within_a_moment_again_and_again(stream):
    lines = GatheredLines(stream, moment=0.01)

    for round_number in range(3):
        lines.say(f"round {round_number}")
        until = time.monotonic() + 10
        while f"round {round_number}\n" not in stream.getvalue():
            assert time.monotonic() < until
            time.sleep(0.01)


def test_no_line_of_many_threads_is_lost_or_torn(stream):
    lines = GatheredLines(stream, moment=0.001)

    def say(name):
        for number in range(1000):
            (lines.say_at_once if number % 100 == 0 else lines.say)(f"{name} {number}")

    threads = [threading.Thread(target=say, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.flush()

    written = stream.getvalue().splitlines()
    assert sorted(written) == sorted(f"{name} {n}" for name in "abcd" for n in range(1000))
    for name in "abcd":  # of one thread they are in order
        own = [line for line in written if line.startswith(name)]
        assert own == [f"{name} {n}" for n in range(1000)]


def test_lines_that_nobody_writes_do_not_fill_the_memory(stream):
    lines = GatheredLines(stream, moment=_NEVER)

    for number in range(10_001):
        lines.say(str(number))

    assert len(stream.getvalue().splitlines()) == 10_001


def test_a_stream_that_is_closed_stops_nobody(stream):
    lines = GatheredLines(stream, moment=_NEVER)
    stream.close()

    lines.say_at_once("into nothing")


_PROGRAM = """
import logging
import structlog
from mpm_host.logs import configure_logs

configure_logs()
structlog.get_logger("ours").info("an_event", amount=5, name="Ω")
logging.getLogger("a.library").info("%s lines", 2)
logging.getLogger("a.library").warning("a %s line", "broken", "and more")  # refused by logging
logging.getLogger("a.library").debug("not wanted")
structlog.get_logger("ours").debug("not wanted")
structlog.get_logger("ours").info("the_end")
"""


def test_a_process_that_ends_has_written_all_its_lines():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )

    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [{**line, "timestamp": ""} for line in lines] == [
        {"event": "an_event", "amount": 5, "name": "Ω", "level": "info", "timestamp": ""},
        {"event": "2 lines", "level": "info", "timestamp": ""},
        {"event": "the_end", "level": "info", "timestamp": ""},
    ]
    assert "--- Logging error ---" in done.stderr
