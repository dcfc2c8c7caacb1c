"""The documented sample calls, posted as bytes to a running host, and its answers as bytes.

Sources: C2B COMMAND interface and JSON contract (validate, process, query), sample pairs.
"""

from __future__ import annotations

import pytest

from tests.support.telecom_calls import airtel_headers, vodacom_headers
from tests.support.trial_company import AIRTEL_SECRET, VODACOM_KEY, trial_company

XML = "application/xml; charset=utf-8"
VALIDATE = (
    b"<COMMAND><TYPE>C2B</TYPE><CUSTOMERMSISDN>781234567</CUSTOMERMSISDN>"
    b"<MERCHANTMSISDN>680000001</MERCHANTMSISDN><AMOUNT>5000</AMOUNT>"
    b"<REFERENCE>SHS00001234</REFERENCE><REFERENCE1>AIR0000000001</REFERENCE1></COMMAND>"
)
PROCESS = (
    b"<COMMAND><TYPE>C2B</TYPE><REFERENCE1>AIR0000000001</REFERENCE1>"
    b"<REFERENCE2>MP260108.1200.A00001</REFERENCE2></COMMAND>"
)
ENQUIRY = b"<COMMAND><TXNID>AIR0000000001</TXNID></COMMAND>"
JSON_VALIDATE = (
    b'{"reference":"SHS00001234","amount":100,"request_id":"5b0f0c9e-8d1f-4d0e-9a53-0c9f0f6e2a11"}'
)
JSON_PROCESS = (
    b'{"referenceId":"REF-00001","transactionId":"VOD-TXN-000001","mpesaReceipt":"MPESA-TX-1"}'
)
JSON_QUERY = b'{"referenceId":"REF-00001"}'


def _command(inner):
    return f"<COMMAND>{inner}</COMMAND>".encode()


@pytest.fixture
def airtel(company):
    """Ask Airtel's way: returns status, content type and body of the answer."""
    company.enable("airtel", jwt_secret=AIRTEL_SECRET, minimum_amount="100")

    def ask(action, body, reference="AIR0000000001", **proof):
        headers = airtel_headers(AIRTEL_SECRET, reference, **proof)
        answer = company.post("airtel", f"c2b/{action}", body, headers)
        return answer.status_code, answer.headers["content-type"], answer.content

    return ask


def test_airtel_samples_1_5_and_7_make_one_payment(company, airtel):
    company.home_system("SHS00001234", cost="10000", instalments=10)
    validated = _command("<STATUS>200</STATUS><MESSAGE>Success</MESSAGE>")
    assert airtel("validate", VALIDATE) == (200, XML, validated)
    accepted = _command(
        "<STATUS>200</STATUS><MESSAGE>Success</MESSAGE><TXNID>AIR0000000001</TXNID>"
    )
    assert airtel("process", PROCESS) == (200, XML, accepted)
    assert airtel("process", PROCESS) == (200, XML, accepted)
    found = _command("<STATUS>200</STATUS><MESSAGE>Success</MESSAGE><REF>1</REF>")
    assert airtel("enquiry", ENQUIRY) == (200, XML, found)
    paid = company.wait_for("AIR0000000001")
    assert (paid["status"], paid["receipt"]) == ("settled", "MP260108.1200.A00001")
    assert company.lines("AIR0000000001") == [("instalment", "1000")] * 5
    assert airtel("enquiry", ENQUIRY) == (200, XML, found)


@pytest.mark.parametrize(
    ("action", "body", "reference", "inner"),
    [
        pytest.param(
            "validate",
            VALIDATE,
            "AIR0000000001",
            "<STATUS>400</STATUS><MESSAGE>Device not found</MESSAGE>",
            id="2-unknown-serial",
        ),
        pytest.param(
            "validate",
            VALIDATE.replace(b"5000", b"50").replace(b"SHS00001234", b"47000124512"),
            "AIR0000000001",
            "<STATUS>400</STATUS><MESSAGE>Amount below minimum</MESSAGE>",
            id="3-below-minimum",
        ),
        pytest.param(
            "process",
            PROCESS,
            "AIR0000000001",
            "<STATUS>400</STATUS><MESSAGE>Unknown reference1</MESSAGE>",
            id="6-never-validated",
        ),
        pytest.param(
            "enquiry",
            ENQUIRY,
            "AIR0000000001",
            "<STATUS>404</STATUS><MESSAGE>Not Found</MESSAGE>",
            id="7-unknown",
        ),
    ],
)
def test_airtel_sample_of_a_refusal_books_nothing(company, airtel, action, body, reference, inner):
    company.meter("47000124512")
    before = company.money_rows()
    assert airtel(action, body, reference) == (200, XML, _command(inner))
    assert company.money_rows() == before


@pytest.mark.parametrize("lifetime", [None, -61], ids=["without", "expired"])
def test_airtel_sample_4_without_a_good_token_is_401_inside_http_200(company, airtel, lifetime):
    company.home_system("SHS00001234", cost="10000", instalments=10)
    before = company.contents()
    refused = _command("<STATUS>401</STATUS><MESSAGE>Invalid Token</MESSAGE>")
    if lifetime is None:
        answer = company.post("airtel", "c2b/validate", VALIDATE, {})
        assert (answer.status_code, answer.content) == (200, refused)
    else:
        assert airtel("validate", VALIDATE, lifetime=lifetime) == (200, XML, refused)
    assert company.contents() == before


@pytest.fixture
def mozambique(world, http):
    """A company where amounts are meticais, with a solar home system."""
    trial = trial_company(world, http, country="MZ", currency="MZN")
    trial.enable_all()
    trial.home_system("SHS00001234", cost="1000", instalments=10, phone="+258841234567")
    return trial


def test_vodacom_samples_1_3_and_4_make_one_payment(mozambique):
    validated = mozambique.vodacom("validate", JSON_VALIDATE)
    assert (validated.status_code, validated.headers["content-type"], validated.content) == (
        200,
        "application/json",
        (
            b'{"data":{"transactionId":"VOD-TXN-000001","status":"validated",'
            b'"details":{"product":"SHS","validAmount":100},"success":true}}'
        ),
    )
    accepted = (
        b'{"data":{"transactionId":"VOD-TXN-000001","status":"processing",'
        b'"providerReference":"MPESA-TX-1","success":true}}'
    )
    answers = [mozambique.vodacom("process", JSON_PROCESS) for _ in range(2)]
    assert [(a.status_code, a.content) for a in answers] == [(200, accepted)] * 2
    assert mozambique.wait_for("REF-00001")["status"] == "settled"
    found = mozambique.vodacom("query", JSON_QUERY).json()["data"]
    assert found.pop("completedAt")
    assert found == {
        "referenceId": "REF-00001",
        "transactionId": "VOD-TXN-000001",
        "status": "completed",
        "mpesaReceipt": "MPESA-TX-1",
        "success": True,
    }


@pytest.mark.parametrize(
    ("action", "body", "key", "status", "answer"),
    [
        pytest.param(
            "validate",
            JSON_VALIDATE.replace(b"SHS00001234", b"SHS00009999"),
            VODACOM_KEY,
            400,
            b'{"data":{"message":"device not found","code":"unknown_serial","success":false}}',
            id="2-unknown-serial",
        ),
        pytest.param(
            "query",
            JSON_QUERY,
            VODACOM_KEY,
            404,
            b'{"data":{"message":"unknown reference","code":"unknown_reference","success":false}}',
            id="4-unknown",
        ),
        pytest.param(
            "process",
            JSON_PROCESS,
            "another-key",
            401,
            b'{"data":{"message":"unauthorised","code":"unauthorised","success":false}}',
            id="5-unknown-key",
        ),
    ],
)
def test_vodacom_sample_of_a_refusal_books_nothing(mozambique, action, body, key, status, answer):
    before = mozambique.money_rows()
    got = mozambique.post("vodacom", f"transactions/{action}", body, vodacom_headers(key))
    assert (got.status_code, got.content) == (status, answer)
    assert mozambique.money_rows() == before
