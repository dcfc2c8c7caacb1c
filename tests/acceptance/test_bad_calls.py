"""Calls nobody should make, against a real `mpm serve`: refused, and nothing booked.

And its log, read afterwards: it tells of the refusals without a secret or a whole phone number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import attrs
import httpx
import jwt
import pytest
import sqlalchemy as sa

from mpm_calin.simulator import API_KEY, CalinSimulator
from mpm_core.simulation.server import serve
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.database import tables as t
from mpm_host.encryption import new_key
from mpm_host.host import Host
from tests.support.config_text import config_text
from tests.support.seeding import register_meters
from tests.support.served_host import served_host
from tests.support.table_contents import money_tables, table_contents
from tests.support.telecom_calls import (
    airtel_headers,
    airtel_process,
    airtel_validation,
    command,
    vodacom_headers,
    vodacom_validation,
)

METER = "47000124512"
PHONE = "781234567"
SECRET = "canary-airtel-secret-" + "a" * 60
KEY = "canary-vodacom-key"
REQUEST_ID = "5b0f0c9e-8d1f-4d0e-9a53-0c9f0f6e2a11"
VALIDATION = airtel_validation("AIR1", METER, "1000", msisdn=PHONE)
DOCTYPE = b'<!DOCTYPE COMMAND [<!ENTITY me SYSTEM "file:///etc/hostname">]>'
BOMB = (
    b'<!DOCTYPE COMMAND [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<COMMAND><TYPE>&b;</TYPE></COMMAND>"
)


@attrs.frozen(kw_only=True)
class Stage:
    """A served host with a customer, seen from outside."""

    url: str
    log: Path
    engine: sa.Engine
    calin: CalinSimulator
    keys: dict[str, str]

    def post(self, instance, path, body, headers):
        """Post bytes as they are."""
        url = f"{self.url}/callbacks/{self.keys[instance]}/{path}"
        return httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False)

    def status_of(self, reference):
        """Return where a payment stands; `None` when there is none."""
        p = t.payments.c
        query = sa.select(p.status).where(p.reference == reference)
        with self.engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(request, tmp_path_factory):
    """`mpm serve`; its instance `airtel-elsewhere` may be called from elsewhere only."""
    folder = tmp_path_factory.mktemp("served")
    calin = CalinSimulator()
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "mpm.db")
            database = f"sqlite:///{folder / 'mpm.db'}"
        else:
            server = request.getfixturevalue("postgresql")
            template = request.getfixturevalue("postgres_template")
            database = stack.enter_context(server.database(template=template))
        simulation = stack.enter_context(serve({"calin": calin}))
        elsewhere = {"use": "airtel", "jwt_secret": SECRET, "allowed_addresses": ["192.0.2.0/24"]}
        text = config_text(
            database=database,
            secret_key=new_key(),
            instances={
                "airtel": {"jwt_secret": SECRET},
                "airtel-elsewhere": elsewhere,
                "vodacom": {"api_key": KEY},
                "calin": calin.settings(simulation.base_url("calin")),
            },
        )
        running = stack.enter_context(served_host(folder, text))
        source = ConfigSource(folder=folder, environ=dict(os.environ))
        host = stack.enter_context(Host.open(parse_config(text, source)))
        host.load()
        calin.knows(METER)
        register_meters(host, "demo", [METER])
        rows = host.house.directory.instances.values()
        yield Stage(
            url=running.url,
            log=running.log,
            engine=host.engines.read,
            calin=calin,
            keys={row.name: row.callback_key for row in rows},
        )


# --- before anybody reads them -------------------------------------------------------------------


def _chunks():
    """A body without an announced length, and without an end worth waiting for."""
    for _ in range(100):
        yield b"x" * 1024


@pytest.mark.parametrize(
    ("instance", "body", "status", "answer"),
    [
        pytest.param("airtel", b"x" * (64 * 1024 + 1), 413, b"The body is larger than 64 KiB.\n",
                     id="too-large"),
        pytest.param("airtel", _chunks, 413, b"The body is larger than 64 KiB.\n",
                     id="too-large-in-chunks"),
        pytest.param("airtel-elsewhere", VALIDATION, 403, b"This address may not call here.\n",
                     id="foreign-address"),
    ],
)  # fmt: skip
def test_a_call_that_is_too_large_or_foreign_is_refused_unread(
    stage, instance, body, status, answer
):
    before = table_contents(stage.engine)
    sent = body() if callable(body) else body
    got = stage.post(instance, "c2b/validate", sent, airtel_headers(SECRET, "AIR1"))
    assert (got.status_code, got.content) == (status, answer)
    assert table_contents(stage.engine) == before


def test_an_unknown_callback_key_is_404_like_any_other_page(stage):
    before = table_contents(stage.engine)
    got = httpx.post(f"{stage.url}/callbacks/{'0' * 32}/c2b/validate", content=VALIDATION)
    assert (got.status_code, got.content) == (404, b"No such callback.\n")
    assert table_contents(stage.engine) == before


def test_a_forwarded_header_opens_no_door(stage):
    headers = airtel_headers(SECRET, "AIR1") | {"x-forwarded-for": "192.0.2.1"}
    got = stage.post("airtel-elsewhere", "c2b/validate", VALIDATION, headers)
    assert got.status_code == 403


# --- read, and refused in the protocol's own words -----------------------------------------------


def _token(claims, secret=SECRET, algorithm="HS512"):
    return {"authorization": f"Bearer {jwt.encode(claims, secret, algorithm=algorithm)}"}


GOOD_CLAIMS = {"sub": "1", "exp": 4102444800, "payload": {"txnId": "AIR1"}}
PROOFS = {
    "none": {},
    "another-secret": airtel_headers("b" * 64, "AIR1"),
    "algorithm-none": _token(GOOD_CLAIMS, "", "none"),
    "another-algorithm": _token(GOOD_CLAIMS, SECRET, "HS256"),
    "without-exp": _token({"sub": "1", "payload": {"txnId": "AIR1"}}),
    "expired": airtel_headers(SECRET, "AIR1", lifetime=-120),
    "not-a-token": {"authorization": "Bearer canary-not-a-token"},
}


@pytest.mark.parametrize("action", ["validate", "process", "enquiry"])
@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_a_badly_signed_airtel_call_is_401_inside_http_200_and_leaves_nothing(stage, proof, action):
    before = table_contents(stage.engine)
    body = command(TXNID="AIR1") if action == "enquiry" else VALIDATION
    got = stage.post("airtel", f"c2b/{action}", body, proof)
    assert (got.status_code, got.content) == (
        200,
        b"<COMMAND><STATUS>401</STATUS><MESSAGE>Invalid Token</MESSAGE></COMMAND>",
    )
    assert table_contents(stage.engine) == before


def test_a_token_for_another_payment_is_400_and_leaves_nothing(stage):
    before = table_contents(stage.engine)
    headers = airtel_headers(SECRET, "AIR2")
    got = stage.post("airtel", "c2b/process", airtel_process("AIR1", METER, "1000"), headers)
    assert (got.status_code, got.content) == (
        200,
        (
            b"<COMMAND><STATUS>400</STATUS>"
            b"<MESSAGE>Access token contains wrong reference1/txnId</MESSAGE></COMMAND>"
        ),
    )
    assert table_contents(stage.engine) == before


UNREADABLE = {
    "cut-off": VALIDATION[:-1],
    "doctype": DOCTYPE + VALIDATION,
    "entities": BOMB,
    "empty": b"",
    "not-xml": b"hello",
    "json": b'{"TYPE":"C2B"}',
    "utf-16": VALIDATION.decode().encode("utf-16"),
    "not-utf-8": VALIDATION.replace(b"C2B", b"C\xff2B"),
    "nul": VALIDATION.replace(b"C2B", b"C\x002B"),
    "another-root": b"<ORDER><TYPE>C2B</TYPE></ORDER>",
    "element-twice": VALIDATION.replace(b"</COMMAND>", b"<AMOUNT>1</AMOUNT></COMMAND>"),
    "deep": b"<COMMAND>" + b"<A>" * 5000 + b"</A>" * 5000 + b"</COMMAND>",
    "many": b"<COMMAND>" + b"<A>1</A>" * 5000 + b"</COMMAND>",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_airtel_call_is_400_and_leaves_nothing(stage, body):
    before = table_contents(stage.engine)
    got = stage.post("airtel", "c2b/process", body, airtel_headers(SECRET, "AIR1"))
    assert got.status_code == 400
    assert got.content.startswith(b"<COMMAND><STATUS>400</STATUS><MESSAGE>")
    assert b"hostname" not in got.content
    assert table_contents(stage.engine) == before


WRONG_AMOUNTS = ["-5", "1e3", "10.005", "NaN", "Infinity", "1,000", "1_000", "0x10",
                 "\uff11\uff10\uff10", "99999999999999999999999"]  # fmt: skip


@pytest.mark.parametrize("amount", WRONG_AMOUNTS)
@pytest.mark.parametrize("action", ["validate", "process"])
def test_an_amount_that_is_none_is_refused_by_both_telecoms_and_leaves_nothing(
    stage, action, amount
):
    before = table_contents(stage.engine)
    body = airtel_validation("AIR1", METER, amount)
    got = stage.post("airtel", f"c2b/{action}", body, airtel_headers(SECRET, "AIR1"))
    assert (got.status_code, b"<STATUS>400</STATUS>" in got.content) == (200, True)
    asked = vodacom_validation(REQUEST_ID, METER, amount)
    got = stage.post("vodacom", "transactions/validate", asked, vodacom_headers(KEY))
    assert (got.status_code, got.json()["data"]["success"]) == (422, False)
    assert table_contents(stage.engine) == before


@pytest.mark.parametrize("amount", ["0", "0.00", "10.5"])
def test_an_amount_that_cannot_be_paid_is_refused_before_money_moves(stage, amount):
    reference = f"AMOUNT{amount}"
    before = money_tables(stage.engine)
    body = airtel_validation(reference, METER, amount)
    got = stage.post("airtel", "c2b/validate", body, airtel_headers(SECRET, reference))
    assert (got.status_code, got.content) == (
        200,
        b"<COMMAND><STATUS>400</STATUS><MESSAGE>Invalid amount</MESSAGE></COMMAND>",
    )
    assert money_tables(stage.engine) == before
    assert stage.status_of(reference) == "rejected"


BAD_JSON = {
    "member-twice": b'{"reference":"47000124512","amount":1,"amount":2,"request_id":"x"}',
    "deep": b"[" * 10_000 + b"]" * 10_000,
    "not-utf-8": b'{"reference":"\xff"}',
    "a-list": b"[]",
    "empty": b"",
    "not-a-number": b'{"amount":NaN}',
    "infinite": b'{"amount":1e400}',
    "two-documents": b"{}{}",
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
@pytest.mark.parametrize("action", ["validate", "process", "query"])
def test_an_unreadable_vodacom_call_is_refused_and_leaves_nothing(stage, action, body):
    before = table_contents(stage.engine)
    got = stage.post("vodacom", f"transactions/{action}", body, vodacom_headers(KEY))
    assert got.status_code in {400, 422}
    assert got.json()["data"]["success"] is False
    assert table_contents(stage.engine) == before


@pytest.mark.parametrize(
    "amount", [True, [1000], {"value": 1000}, None, "", " "],
    ids=["switch", "list", "object", "null", "empty", "blank"],
)  # fmt: skip
def test_an_amount_of_another_type_is_422_and_leaves_nothing(stage, amount):
    before = table_contents(stage.engine)
    asked = json.dumps({"reference": METER, "amount": amount, "request_id": REQUEST_ID}).encode()
    got = stage.post("vodacom", "transactions/validate", asked, vodacom_headers(KEY))
    assert got.status_code == 422
    assert got.json()["data"]["fields"] == ["amount"]
    assert table_contents(stage.engine) == before


@pytest.mark.parametrize("headers", [{}, vodacom_headers("b")], ids=["none", "another"])
def test_a_vodacom_call_without_the_key_is_401_and_leaves_nothing(stage, headers):
    before = table_contents(stage.engine)
    asked = vodacom_validation(REQUEST_ID, METER, 1000)
    got = stage.post("vodacom", "transactions/validate", asked, headers)
    assert (got.status_code, got.content) == (
        401,
        b'{"data":{"message":"unauthorised","code":"unauthorised","success":false}}',
    )
    assert table_contents(stage.engine) == before


@pytest.mark.parametrize(
    ("instance", "path"),
    [("airtel", "c2b/other"), ("airtel", "x"), ("vodacom", "transactions/other")],
)
def test_a_service_we_do_not_have_is_refused_and_leaves_nothing(stage, instance, path):
    before = table_contents(stage.engine)
    headers = airtel_headers(SECRET, "AIR1") if instance == "airtel" else vodacom_headers(KEY)
    got = stage.post(instance, path, b"{}" if instance == "vodacom" else VALIDATION, headers)
    assert got.status_code == 400 if instance == "vodacom" else got.status_code in {400, 503}
    assert table_contents(stage.engine) == before


# --- hostile texts are stored as texts -----------------------------------------------------------


@pytest.mark.parametrize(
    "serial",
    ["'; DROP TABLE mpm_payment; --", "../../etc/passwd", "{{7*7}}", "%(id)s", "$(reboot)"],
)
def test_a_hostile_serial_is_kept_as_text_in_suspense(stage, serial):
    reference = f"HOSTILE{abs(hash(serial))}"
    body = airtel_process(reference, serial, "1000")
    got = stage.post("airtel", "c2b/process", body, airtel_headers(SECRET, reference))
    assert b"<STATUS>200</STATUS>" in got.content
    p = t.payments.c
    with stage.engine.connect() as connection:
        query = sa.select(p.serial, p.status).where(p.reference == reference)
        assert tuple(connection.execute(query).one()) == (serial, "unmatched")


# --- what the log says of all this ---------------------------------------------------------------


def test_the_log_tells_of_refusals_without_secrets_or_whole_phone_numbers(stage):
    headers = airtel_headers(SECRET, "LOG1")
    good = airtel_validation("LOG1", METER, "1000", msisdn=PHONE)
    for each_headers, body in (
        ({}, good),
        ({"authorization": "Bearer canary-not-a-token"}, good),
        (headers, good.replace(PHONE.encode(), b"canary+" + PHONE.encode())),
        (headers, good[:-1]),
        (headers, good),
    ):
        stage.post("airtel", "c2b/validate", body, each_headers)
    paid = stage.post("airtel", "c2b/process", airtel_process("LOG1", msisdn=PHONE), headers)
    assert b"<STATUS>200</STATUS>" in paid.content
    other = stage.post("airtel", "c2b/process", airtel_process("LOG1", METER, "7"), headers)
    assert b"<STATUS>400</STATUS>" in other.content
    stage.post("vodacom", "transactions/query", b"{", vodacom_headers("canary-wrong-key"))
    _wait_until(lambda: stage.status_of("LOG1") == "settled")
    decided = {"unauthenticated", "malformed", "validated", "accepted", "conflict"}
    _wait_until(lambda: _decisions(stage.log.read_text()) >= decided)  # lines come in a moment
    log = stage.log.read_text()
    codes = [sale.code for sale in stage.calin.sales]
    told = [
        secret
        for secret in ("canary", API_KEY, PHONE, PHONE[-7:], "Bearer ", "eyJ", *codes)
        if secret in log
    ]
    assert told == []


@pytest.mark.parametrize(
    ("proof", "body", "decision"),
    [
        pytest.param(PROOFS["another-secret"], VALIDATION, "unauthenticated", id="P14-signature"),
        pytest.param(PROOFS["expired"], VALIDATION, "unauthenticated", id="P14-expired"),
        pytest.param(None, VALIDATION[:-1], "malformed", id="C11-unreadable"),
    ],
)
def test_a_refused_call_is_a_warning_with_a_digest_and_nothing_else_of_its_body(
    stage, proof, body, decision
):
    digest, seen = hashlib.sha256(body).hexdigest(), len(_warnings(stage, "call_refused"))
    stage.post("airtel", "c2b/validate", body, proof or airtel_headers(SECRET, "AIR1"))
    _wait_until(lambda: len(_warnings(stage, "call_refused")) > seen)
    warning = _warnings(stage, "call_refused")[-1]
    assert len(warning.pop("correlation_id")) > 20
    assert warning.pop("timestamp")
    assert warning == {
        "event": "call_refused",
        "level": "warning",
        "company": "demo",
        "instance": "airtel",
        "decision": decision,
        "path": "c2b/validate",
        "source": "127.0.0.1",
        "bytes": len(body),
        "sha256": digest,
    }


def test_a_call_from_a_foreign_address_is_a_warning_that_says_from_where(stage):
    """P14: the third reason to refuse a call; its body is not even looked at."""
    seen = len(_warnings(stage, "foreign_address"))
    stage.post("airtel-elsewhere", "c2b/validate", VALIDATION, {})
    _wait_until(lambda: len(_warnings(stage, "foreign_address")) > seen)
    warning = _warnings(stage, "foreign_address")[-1]
    assert warning.pop("timestamp")
    assert warning == {
        "event": "foreign_address",
        "level": "warning",
        "company": "demo",
        "instance": "airtel-elsewhere",
        "source": "127.0.0.1",
    }


def _decisions(log):
    return {line["decision"] for line in _lines(log) if line["event"] == "call_answered"}


def _warnings(stage, event):
    return [line for line in _lines(stage.log.read_text()) if line["event"] == event]


def _lines(log):
    """Return what is written whole by now."""
    return [json.loads(line) for line in log.splitlines(keepends=True)
            if line.startswith("{") and line.endswith("\n")]  # fmt: skip


def _wait_until(is_so):
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)
