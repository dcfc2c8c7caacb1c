"""Logs say who did what and how it went, and nothing that is secret or personal (quality 3.3)."""

from __future__ import annotations

import json
import re

import httpx
import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from tests.concurrency.desks import SECRET
from tests.operations.stage import staged, wait_until
from tests.support.telecom_calls import (
    airtel_enquiry,
    airtel_headers,
    airtel_process,
    airtel_validation,
)

PAYER = "781239991"  # what the telecom sends
EMAIL = "asha@example.com"
KINDS = ["sqlite"]


@pytest.fixture
def day(tmp_path, sqlite_template):
    """What a whole process logged, with what it must not have."""
    import shutil  # noqa: PLC0415 - only here

    shutil.copyfile(sqlite_template, tmp_path / "mpm.db")
    with (
        staged(tmp_path, f"sqlite:///{tmp_path / 'mpm.db'}", meters=3) as stage,
        stage.started("serve.log", "serve", "--port", "0") as server,
    ):
        wait_until(lambda: "Listening on" in stage.log("serve.log"), seconds=60)
        url = stage.log("serve.log").partition("Listening on ")[2].split()[0]
        with stage.opened() as host:
            keys = sa.select(t.instances.c.callback_key).where(t.instances.c.name == "airtel")
            with host.engines.read.connect() as connection:
                callbacks = f"{url}/callbacks/{connection.execute(keys).scalar_one()}/c2b"
            lines = _live(stage, url, callbacks, host)
            secrets = [
                *_tokens(host),
                SECRET,
                stage.text.partition('api_key = "')[2][:8],
                PAYER,
                EMAIL,
            ]
        server.terminate()
        assert server.wait(30) == 0
        yield lines + stage.log("serve.log").splitlines(), secrets


def _live(stage, url, callbacks, host):
    good, lost, refused = stage.meters
    stage.maker.set_fault("lose_answer", serial=lost)
    stage.maker.set_fault("malformed_json", serial=refused)
    with httpx.Client(trust_env=False) as http:

        def say(action, reference, body, secret=SECRET):
            headers = airtel_headers(secret, reference)
            return http.post(f"{callbacks}/{action}", content=body, headers=headers)

        for number, serial in enumerate((good, lost, refused, "nobody-has-this")):
            reference = f"AIR{number}"
            body = airtel_validation(reference, serial, "1000", msisdn=PAYER)
            say("validate", reference, body)
            say("process", reference, airtel_process(reference, serial, "1000", msisdn=PAYER))
            say("enquiry", reference, airtel_enquiry(reference))
        say("process", "AIR9", airtel_process("AIR9", good, "1"), secret="w" * 70)
        say("process", "AIR9", b"<COMMAND><broken>" + PAYER.encode())
        http.get(f"{url}/api/v1/payments", headers={"authorization": f"Bearer {SECRET}"})
        http.post(f"{url}/api/v1/sessions", json={"email": EMAIL, "password": "not the one"})
    wait_until(
        lambda: stage.orders(host)["issued"] == 1 and not stage.orders(host)["queued"], seconds=60
    )
    return []


def _tokens(host):
    with host.engines.read.connect() as connection:
        sealed = connection.execute(sa.select(t.tokens.c.codes)).scalars().all()
    return [code.reveal() for one in sealed for code in host.vault.open_codes(one)]


def test_a_day_of_payments_leaves_no_secret_and_no_number_in_the_log(day):
    lines, secrets = day
    assert len(secrets) >= 4
    assert all(len(secret) >= 8 for secret in secrets)
    found = [(s[:4], line[:200]) for s in secrets for line in lines if s in line]
    assert found == []
    digits = [line for line in lines if re.search(r"(?<![0-9a-f])\+?255\d{9}", line)]
    assert digits == []


def test_each_inbound_call_and_each_vendor_call_is_one_structured_line(day):
    lines, _ = day
    events = [json.loads(line) for line in lines if line.startswith("{")]
    calls = [event for event in events if event["event"] == "call_answered"]
    wanted = {"company", "instance", "correlation_id", "kind", "decision", "seconds", "path"}
    assert len(calls) == 14
    assert all(wanted <= event.keys() for event in calls)
    vendor = [event for event in events if event["event"] in {"hook_answered", "hook_failed"}]
    minting = [event for event in vendor if event["hook"] == "mpm_generate_token"]
    assert {event["outcome"] for event in minting} >= {"Grant", "OutcomeUnknown"}
    wanted = {"company", "instance", "correlation_id", "hook", "outcome", "seconds", "version"}
    assert all(wanted <= event.keys() for event in minting)
    assert all("=" not in event["event"] for event in vendor)
    api = [event for event in events if event["event"] == "api_answered"]
    assert [(event["operation"], event["status"]) for event in api] == [
        ("list_payments", 401),
        ("log_in", 403),
    ]
    [guess] = [event for event in events if event["event"] == "access_refused"]
    assert {name: guess[name] for name in ("level", "operation", "reason", "source")} == {
        "level": "warning",
        "operation": "log_in",
        "reason": "wrong_password",
        "source": "127.0.0.1",
    }
    assert guess["correlation_id"] == api[-1]["correlation_id"]
