"""What cannot work is told when a process starts, in the doctor's words, and stops nobody else."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mpm_core import Decision, InboundCall
from mpm_host.payments.payment_desk import PaymentDesk
from mpm_host.plugins.broken_plugins import broken_plugins, warn_of_broken_plugins
from mpm_host.plugins.diagnosis import diagnose

PATIENCE = 60
COMPANIES = """
[companies.umeme]
name = "Umeme"
country = "TZ"
currency = "TZS"
[companies.umeme.plugins.tele]
api_key = { env = "NOPE_KEY" }
[companies.umeme.plugins.rude]
[companies.umeme.plugins.sound]
[companies.jirani]
name = "Jirani"
country = "TZ"
currency = "TZS"
[companies.jirani.plugins.sound]
[companies.jirani.plugins.lost]
"""
SETTING = (
    "Company 'umeme', plugin 'tele', setting 'api_key': environment variable NOPE_KEY is not set; "
    "set it or write another value."
)
GHOST = "Plugin 'ghost' is not installed; type: pip install mpm-ghost"


@pytest.fixture
def plugins(plugin_folder):
    settings = 'api_key: Secret = setting(help="Key.")'
    plugin_folder.install("tele", kind="telecom", settings=settings)
    read = "@hookimpl\ndef mpm_read_call(self, call):\n    raise Misconfigured('canary')"
    plugin_folder.install("rude", kind="telecom", hooks=read)
    plugin_folder.install("sound")
    return ("tele", "rude", "sound", "lost", "ghost")


@pytest.fixture
def host(open_host, plugins):
    return open_host(COMPANIES, allowed=plugins)


def test_each_that_cannot_work_is_one_warning_in_the_doctors_words(host):
    said = {
        (finding.company, finding.instance): finding.problem
        for finding in diagnose(host).findings
        if finding.problem
    }

    with capture_logs() as logged:
        warn_of_broken_plugins(host.house)

    assert said.keys() == {("jirani", "lost"), ("umeme", "tele")}
    assert said["umeme", "tele"] == SETTING
    assert logged == [
        *(
            {
                "event": "instance_broken",
                "log_level": "warning",
                "company": company,
                "instance": instance,
                "plugin": instance,
                "problem": said[company, instance],
            }
            for company, instance in sorted(said)
        ),
        {
            "event": "plugin_missing",
            "log_level": "warning",
            "plugin": "ghost",
            "problem": GHOST,
        },
    ]
    for company in ("umeme", "jirani"):
        assert host.companies.find_instance(company, "sound").takes_new_work


def test_where_everything_works_nothing_is_said(open_host, plugins):
    host = open_host(COMPANIES.replace("[companies.jirani.plugins.lost]", ""), allowed=plugins[:3],
                     environ={"NOPE_KEY": "there is one"})  # fmt: skip

    assert broken_plugins(host.house) == ()


def test_reconcile_tells_it_and_ends_well(command_line, plugins):
    configured(command_line, plugins)

    first = command_line("company", "reconcile")
    again = command_line("company", "reconcile", "--json")

    lost = next(line for line in first.errors.splitlines() if "jirani/lost" in line)
    assert lost.startswith("Warning: jirani/lost: Plugin 'lost' is not installed; ")
    assert first.errors == f"{lost}\nWarning: umeme/tele: {SETTING}\nWarning: {GHOST}\n"
    assert (first.exit_code, again.exit_code, again.output) == (0, 0, "[]\n")
    assert first.output.endswith("Company 'jirani': instance 'lost' created.\n")
    assert again.errors == first.errors


@pytest.mark.parametrize(
    ("command", "sign"),
    [(("serve", "--port", "0"), "Listening on"), (("worker",), "Working; ")],
    ids=["serve", "worker"],
)
def test_a_process_says_it_before_it_says_that_it_works(
    command_line, plugins, plugin_folder, monkeypatch, command, sign
):
    configured(command_line, plugins)
    monkeypatch.setenv("PYTHONPATH", str(plugin_folder.path))

    printed = printed_until(sign, *command)

    events = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    said = [(event["event"], event["level"], event["plugin"]) for event in events]
    assert said == [
        ("instance_broken", "warning", "lost"),
        ("instance_broken", "warning", "tele"),
        ("plugin_missing", "warning", "ghost"),
    ]
    assert events[1]["problem"] == SETTING


def configured(command_line, plugins):
    command_line("init")
    path = Path("mpm.toml")
    text = path.read_text()
    line = next(line for line in text.splitlines() if line.startswith("allowed_plugins"))
    path.write_text(text.replace(line, f"allowed_plugins = {json.dumps(plugins)}") + COMPANIES)


def printed_until(sign, *command):
    """Run a command until it prints something, and end it; return what it printed before that."""
    with Path("process.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "mpm_host", *command], stderr=log)
    try:
        until = time.monotonic() + PATIENCE
        while sign not in (printed := Path("process.log").read_text()):
            assert process.poll() is None, printed
            assert time.monotonic() < until, printed
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait(PATIENCE)
    return printed.partition(sign)[0]


# --- a telecom that calls one all the same --------------------------------------------------------


@pytest.fixture
def desk(host):
    made = PaymentDesk(host.resources, wake=lambda: None, note_delivery=lambda *_: None)
    yield made
    made.close()


def called(desk, host, name="tele"):
    """Let the telecom call; return the log's lines about it without the one of the answer."""
    call = InboundCall(method="POST", path="pay", headers={}, body=b"", source="10.0.0.1")
    instance = host.companies.find_instance("umeme", name)
    with capture_logs() as logged:
        asyncio.run(desk.answer(instance, call, "c-1"))
    failed, answered = logged
    assert answered["decision"] == Decision.UNAVAILABLE
    return failed


FAILED = {
    "event": "call_failed",
    "log_level": "error",
    "company": "umeme",
    "instance": "tele",
    "correlation_id": "c-1",
    "error": "Misconfigured",
}


def test_a_call_of_one_says_in_the_log_what_is_wrong_with_it(desk, host):
    assert called(desk, host) == FAILED | {
        "detail": "Company umeme has no instance tele loaded; enable it or choose another. Nothing "
        "was called.",
        "problem": SETTING,
    }


def test_what_a_plugin_calls_misconfigured_is_not_repeated(desk, host):
    """Its words are a stranger's: they may hold the credentials that were refused."""
    assert called(desk, host, "rude") == FAILED | {
        "instance": "rude",
        "error": "ContractViolation",
    }
