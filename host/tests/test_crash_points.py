"""Crash points: off they do nothing, on they end the process at the wanted hit."""

from __future__ import annotations

import multiprocessing
import re
import signal
from pathlib import Path

import pytest

import mpm_host
from mpm_core import UserError
from mpm_host.configuration.config_values import Mode
from mpm_host.crash_points import CRASH_VARIABLE, CrashPoint, arm, crash_point, disarm

POINT = CrashPoint.REPLY_DECIDED
SOURCE = Path(mpm_host.__file__).parent


@pytest.fixture(autouse=True)
def _disarmed():
    yield
    disarm()


def _pass_twice(text):
    arm({CRASH_VARIABLE: text}, Mode.DEVELOPMENT)
    for _ in range(2):
        crash_point(CrashPoint.RELAY_MARKED)
        crash_point(POINT)


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [
        pytest.param("reply.decided", -signal.SIGKILL, id="first"),
        pytest.param("reply.decided:2", -signal.SIGKILL, id="second"),
        pytest.param("reply.decided:3", 0, id="not-reached"),
        pytest.param("order.prepared", 0, id="another"),
        pytest.param("", 0, id="off"),
    ],
)
def test_an_armed_point_ends_the_process_at_its_hit_and_no_other(text, exit_code):
    process = multiprocessing.get_context("spawn").Process(target=_pass_twice, args=(text,))
    process.start()
    process.join()
    assert process.exitcode == exit_code


def test_a_point_that_is_off_does_nothing():
    arm({}, Mode.PRODUCTION)
    crash_point(POINT)


def test_production_refuses_to_start_with_a_crash_point():
    with pytest.raises(UserError) as caught:
        arm({CRASH_VARIABLE: "reply.decided"}, Mode.PRODUCTION)
    assert str(caught.value) == (
        "MPM_CRASH_AT is set and would kill this process; unset it, or set mode = "
        '"development" where no real money moves.'
    )


@pytest.mark.parametrize("text", ["nowhere", "reply.decided:0", "reply.decided:x", ":1"])
def test_a_variable_that_names_no_point_is_refused(text):
    with pytest.raises(UserError) as caught:
        arm({CRASH_VARIABLE: text}, Mode.DEVELOPMENT)
    assert str(caught.value) == (
        f"MPM_CRASH_AT={text!r} names no crash point; write one of {', '.join(CrashPoint)}, "
        "and :2 behind it for the second time it is reached."
    )


def test_every_registered_point_stands_in_the_source_exactly_once():
    calls = re.compile(r"crash_point\(CrashPoint\.(\w+)\)")
    found = sorted(
        name for path in SOURCE.rglob("*.py") for name in calls.findall(path.read_text("utf-8"))
    )
    assert found == sorted(point.name for point in CrashPoint)
