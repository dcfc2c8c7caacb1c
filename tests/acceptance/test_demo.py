"""The demo as a user starts it: a process, its output and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

STATUSES = ["settled", "settled", "settled", "settled", "settled", "rejected", "settled",
            "settled", "unknown"]  # fmt: skip
LINES = [
    [("energy", "988"), ("credit", "12")],
    [("instalment", "300"), ("access_rate", "200"), ("energy", "494"), ("credit", "6")],
    [("instalment", "500")],
    [("instalment", "700")],
    [("instalment", "1000")],
    [],
    [("credit", "-12"), ("energy", "520"), ("credit", "12")],
    [("instalment", "300"), ("energy", "700")],
    [("energy", "1000")],
]
FIELDS = {
    "id", "instance", "reference", "receipt", "serial", "msisdn", "amount", "currency", "status",
    "needs_person", "reason", "conflict", "lines", "tokens", "messages", "attempts",
    "calculation", "events",
}  # fmt: skip


@pytest.fixture(scope="module")
def payments():
    """What `mpm demo --json --payments 5` prints."""
    done = _demo("--json", "--payments", "5")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def _demo(*options):
    return subprocess.run(
        [sys.executable, "-m", "mpm_host", "demo", *options],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_demo_prints_one_array_of_payments_in_the_order_they_were_made(payments):
    assert [payment["status"] for payment in payments] == [*STATUSES, *["settled"] * 5]
    seen = [[(line["kind"], line["amount"]) for line in p["lines"]] for p in payments]
    assert seen == [*LINES, *[[("energy", "1000")]] * 5]
    assert [p["created_at"] for p in payments] == sorted(p["created_at"] for p in payments)


def test_every_payment_of_the_demo_has_the_fields_of_the_public_interface(payments):
    assert [FIELDS - set(payment) for payment in payments] == [set()] * len(payments)


def test_the_tokens_of_the_demo_are_those_that_were_sent(payments):
    for payment in payments:
        for token in payment["tokens"]:
            told = "".join(message["body"] for message in payment["messages"])
            assert token["value"] in told.replace(" ", "")


def test_the_demo_shows_masked_phone_numbers_only(payments):
    shown = json.dumps(payments)
    assert "781234567" not in shown
    assert "78123000" not in shown


def test_the_demo_tells_its_story_in_plain_text_when_it_is_piped():
    done = _demo()
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert done.stdout.rstrip().endswith("All 9 payments ended as they should.")


def test_the_demo_says_in_one_line_what_it_cannot_do():
    done = _demo("--plugin", "nonesuch")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert "nonesuch" in done.stderr
