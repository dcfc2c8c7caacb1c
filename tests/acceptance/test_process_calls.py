"""What a process call meets: the design's table, row by row, over real HTTP."""

from __future__ import annotations

import itertools

import pytest

from tests.support.telecom_calls import (
    airtel_enquiry,
    airtel_process,
    airtel_validation,
    vodacom_validation,
)

METER = "47000124512"
OTHER_METER = "47000124520"
ACCEPTED = b"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE><TXNID>AIR1</TXNID></COMMAND>"
VALIDATED = b"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE></COMMAND>"
CONFLICT = b"<COMMAND><STATUS>400</STATUS><MESSAGE>Duplicate Reference1</MESSAGE></COMMAND>"
UNKNOWN = b"<COMMAND><STATUS>400</STATUS><MESSAGE>Unknown reference1</MESSAGE></COMMAND>"
REJECTED = b"<COMMAND><STATUS>400</STATUS><MESSAGE>Device not found</MESSAGE></COMMAND>"
NOT_FOUND = b"<COMMAND><STATUS>404</STATUS><MESSAGE>Not Found</MESSAGE></COMMAND>"
NO_AMOUNT = b"<COMMAND><STATUS>400</STATUS><MESSAGE>Invalid amount</MESSAGE></COMMAND>"
REQUEST_ID = "5b0f0c9e-8d1f-4d0e-9a53-0c9f0f6e2a11"


@pytest.fixture
def paid(company):
    """A company whose customer has validated and paid 1000 as AIR1."""
    company.meter(METER)
    company.meter(OTHER_METER)
    validated = company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "1000"))
    assert validated.content == VALIDATED
    assert company.airtel("process", "AIR1", airtel_process("AIR1")).content == ACCEPTED
    return company


@pytest.mark.parametrize(
    "body",
    [
        airtel_process("AIR1"),
        airtel_process("AIR1", METER),
        airtel_process("AIR1", METER, "1000"),
        airtel_process("AIR1", METER, "1000.00", msisdn="+255 781 234 567"),
        airtel_process("AIR1", msisdn="255781234567", receipt="MP260108.1200.A00002"),
    ],
    ids=["ids-only", "with-serial", "with-amount", "written-otherwise", "other-receipt"],
)
def test_the_same_payment_again_gets_the_stored_answer_and_books_nothing(paid, body):
    """E-50, T-51."""
    paid.wait_for("AIR1")
    before = paid.contents()
    again = [paid.airtel("process", "AIR1", body) for _ in range(3)]
    assert [(a.status_code, a.content) for a in again] == [(200, ACCEPTED)] * 3
    assert paid.contents() == before


@pytest.mark.parametrize(
    "body",
    [
        airtel_process("AIR1", OTHER_METER),
        airtel_process("AIR1", METER, "1001"),
        airtel_process("AIR1", METER, "1000", msisdn="781234568"),
        airtel_process("AIR1", "no-such-serial", "1000"),
    ],
    ids=["serial", "amount", "payer", "unknown-serial"],
)
def test_the_same_reference_with_other_content_is_a_conflict_and_books_nothing(paid, body):
    """E-55, T-54."""
    paid.wait_for("AIR1")
    before = paid.money_rows()
    answer = paid.airtel("process", "AIR1", body)
    assert (answer.status_code, answer.content) == (200, CONFLICT)
    assert paid.money_rows() == before
    after = paid.payment("AIR1")
    assert (after["status"], after["conflict"], after["amount"]) == ("settled", True, "1000")
    assert paid.airtel("process", "AIR1", airtel_process("AIR1")).content == ACCEPTED


@pytest.mark.parametrize(
    "body",
    [
        airtel_process("AIR1", OTHER_METER, "1000"),
        airtel_process("AIR1", METER, "999"),
        airtel_process("AIR1", msisdn="781234568"),
    ],
    ids=["serial", "amount", "payer"],
)
def test_a_validated_intent_that_differs_is_a_conflict_and_can_still_be_paid(company, body):
    """T-91: refused, and then processed as it was agreed."""
    company.meter(METER)
    company.meter(OTHER_METER)
    company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "1000"))
    before = company.money_rows()
    answer = company.airtel("process", "AIR1", body)
    assert (answer.status_code, answer.content) == (200, CONFLICT)
    assert company.money_rows() == before
    assert company.statuses() == [("AIR1", "validated")]
    assert company.airtel("process", "AIR1", airtel_process("AIR1")).content == ACCEPTED


def test_a_validated_payment_is_accepted_whatever_has_changed_since(company):
    customer = company.meter(METER)
    company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "1000"))
    company.owes(customer, "900")
    company.disable("calin")
    answer = company.airtel("process", "AIR1", airtel_process("AIR1"))
    assert (answer.status_code, answer.content) == (200, ACCEPTED)
    assert company.lines("AIR1") == [("instalment", "900"), ("energy", "100")]


def test_a_validated_payment_whose_debts_grew_past_it_buys_nothing_and_settles(company):
    customer = company.meter(METER)
    company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "1000"))
    company.owes(customer, "5000")
    assert company.airtel("process", "AIR1", airtel_process("AIR1")).content == ACCEPTED
    assert company.lines("AIR1") == [("instalment", "1000")]
    assert company.wait_for("AIR1")["tokens"] == []


def test_a_payment_that_was_never_validated_is_accepted_when_serial_and_amount_are_valid(company):
    company.meter(METER)
    answer = company.airtel("process", "AIR1", airtel_process("AIR1", METER, "1000"))
    assert (answer.status_code, answer.content) == (200, ACCEPTED)
    assert company.lines("AIR1") == [("energy", "1000")]


def test_a_rejected_payment_is_accepted_when_it_has_become_valid(company):
    asked = airtel_validation("AIR1", METER, "1000")
    assert company.airtel("validate", "AIR1", asked).content == REJECTED
    company.meter(METER)
    answer = company.airtel("process", "AIR1", airtel_process("AIR1", METER, "1000"))
    assert (answer.status_code, answer.content) == (200, ACCEPTED)
    assert company.lines("AIR1") == [("energy", "1000")]


@pytest.mark.parametrize("validated_first", [False, True], ids=["never-validated", "rejected"])
def test_money_for_an_unknown_serial_is_kept_in_suspense_for_a_person(company, validated_first):
    if validated_first:
        company.airtel("validate", "AIR1", airtel_validation("AIR1", "X999", "1000"))
    answer = company.airtel("process", "AIR1", airtel_process("AIR1", "X999", "1000"))
    assert (answer.status_code, answer.content) == (200, ACCEPTED)
    found = company.payment("AIR1")
    assert (found["status"], found["needs_person"], found["reason"]) == (
        "unmatched",
        True,
        "unknown_serial",
    )
    assert company.lines("AIR1") == [("suspense", "1000")]
    enquiry = company.airtel("enquiry", "AIR1", airtel_enquiry("AIR1"))
    assert b"<STATUS>200</STATUS>" in enquiry.content


def test_ids_only_of_a_payment_nobody_asked_about_are_refused_and_leave_nothing(company):
    """T-57, T-91."""
    before = company.contents()
    answer = company.airtel("process", "AIR1", airtel_process("AIR1"))
    assert (answer.status_code, answer.content) == (200, UNKNOWN)
    assert company.contents() == before


def test_a_repeated_validation_gets_the_stored_verdict_and_another_one_a_refusal(company):
    company.meter(METER)
    asked = airtel_validation("AIR1", METER, "1000")
    first = company.airtel("validate", "AIR1", asked)
    before = company.contents()
    assert company.airtel("validate", "AIR1", asked).content == first.content == VALIDATED
    assert company.contents() == before
    changed = airtel_validation("AIR1", METER, "2000")
    assert company.airtel("validate", "AIR1", changed).content == CONFLICT
    assert company.statuses() == [("AIR1", "validated")]
    assert company.airtel("process", "AIR1", airtel_process("AIR1")).content == ACCEPTED
    assert company.lines("AIR1") == [("energy", "1000")]


@pytest.mark.parametrize(
    "order",
    sorted(set(itertools.permutations(("validate", "process", "process", "enquiry")))),
    ids="-".join,
)
def test_the_end_does_not_depend_on_the_order_of_the_calls(company, order):
    """Only a *no* said before the money came decides otherwise, and then for good."""
    company.meter(METER)
    bodies = {
        "validate": airtel_validation("AIR1", METER, "1000"),
        "process": airtel_process("AIR1", METER, "1000"),
        "enquiry": airtel_enquiry("AIR1"),
    }
    answers = [(action, company.airtel(action, "AIR1", bodies[action])) for action in order]
    denied = order.index("enquiry") < order.index("process")
    paid_answers = {answer.content for action, answer in answers if action == "process"}
    asked = next(answer.content for action, answer in answers if action == "enquiry")
    if denied:
        assert paid_answers == {CONFLICT}
        assert asked == NOT_FOUND
        assert company.statuses() == [("AIR1", "denied")]
        assert company.money_rows()["mpm_entry"] == []
    else:
        assert paid_answers == {ACCEPTED}
        assert b"<STATUS>200</STATUS>" in asked
        assert company.wait_for("AIR1")["status"] == "settled"
        assert company.lines("AIR1") == [("energy", "1000")]


def test_an_enquiry_is_never_answered_404_after_the_money_is_ours(company):
    """Whatever became of the order: waiting, unknown, held, settled."""
    company.meter(METER)
    simulator = company.world.simulators["calin"]
    simulator.set_fault("lose_answer", serial=METER, times=1)
    company.airtel("process", "AIR1", airtel_process("AIR1", METER, "1000"))
    company.wait_for("AIR1", ("unknown",))
    seen = [company.airtel("enquiry", "AIR1", airtel_enquiry("AIR1")).content]
    simulator.set_fault("unknown_device", serial=OTHER_METER, times=1)
    company.meter(OTHER_METER)
    company.airtel("process", "AIR2", airtel_process("AIR2", OTHER_METER, "1000"))
    company.wait_for("AIR2", ("held",))
    seen.append(company.airtel("enquiry", "AIR2", airtel_enquiry("AIR2")).content)
    numbers = [company.payment(reference)["number"] for reference in ("AIR1", "AIR2")]
    assert seen == [
        f"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE><REF>{n}</REF></COMMAND>".encode()
        for n in numbers
    ]


def test_a_late_process_after_our_final_no_books_nothing_however_often(company):
    company.meter(METER)
    company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "1000"))
    enquiry = company.airtel("enquiry", "AIR1", airtel_enquiry("AIR1"))
    assert enquiry.content == NOT_FOUND
    before = company.money_rows()
    for body in (airtel_process("AIR1"), airtel_process("AIR1", METER, "1000")):
        assert company.airtel("process", "AIR1", body).content == CONFLICT
    assert company.money_rows() == before
    assert company.airtel("enquiry", "AIR1", airtel_enquiry("AIR1")).content == NOT_FOUND
    asked_again = company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "1000"))
    assert asked_again.content == CONFLICT


def test_the_same_reference_at_another_telecom_or_company_is_another_payment(
    world, company, another_company
):
    for each in (company, another_company):
        each.meter(METER)
        each.airtel("process", "AIR1", airtel_process("AIR1", METER, "1000"))
    asked = company.vodacom("validate", vodacom_validation(REQUEST_ID, METER, 700)).json()["data"]
    number = asked["transactionId"]
    body = f'{{"referenceId":"AIR1-","transactionId":"{number}"}}'.encode()
    assert company.vodacom("process", body).json()["data"]["status"] == "processing"
    assert [status for _, status in another_company.statuses()] != []
    assert len(company.statuses()) == 2
    assert len(another_company.statuses()) == 1


# --- the JSON contract: validation and process meet by our number ---------------------------------


def _vodacom_number(company, amount=1000):
    answer = company.vodacom("validate", vodacom_validation(REQUEST_ID, METER, amount))
    return answer.json()["data"]["transactionId"]


def _vodacom_process(company, reference, number, **more):
    members = {"referenceId": reference, "transactionId": number, **more}
    inner = ",".join(f'"{name}":"{value}"' for name, value in members.items())
    return company.vodacom("process", f"{{{inner}}}".encode())


def test_a_number_is_paid_once_and_the_same_pair_gets_equal_bytes(company):
    company.meter(METER)
    number = _vodacom_number(company)
    first = _vodacom_process(company, "REF-00001", number)
    again = _vodacom_process(company, "REF-00001", number)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.status_code == 200
    assert company.lines("REF-00001") == [("energy", "1000")]


@pytest.mark.parametrize(
    ("reference", "number", "more"),
    [
        pytest.param("REF-00002", "VOD-TXN-000001", {}, id="number-bound-to-another-reference"),
        pytest.param("REF-00001", "VOD-TXN-000002", {}, id="reference-with-another-number"),
        pytest.param("REF-00001", "VOD-TXN-000001", {"amount": "999"}, id="another-amount"),
    ],
)
def test_a_pair_that_was_never_agreed_is_409_and_books_nothing(company, reference, number, more):
    company.meter(METER)
    assert _vodacom_number(company) == "VOD-TXN-000001"
    other = "6b0f0c9e-8d1f-4d0e-9a53-0c9f0f6e2a11"
    company.vodacom("validate", vodacom_validation(other, METER, 500))
    assert _vodacom_process(company, "REF-00001", "VOD-TXN-000001").status_code == 200
    company.wait_for("REF-00001")
    before = company.money_rows()
    answer = _vodacom_process(company, reference, number, **more)
    assert answer.status_code == 409
    assert answer.json()["data"]["code"] == "duplicate_reference"
    assert company.money_rows() == before


def test_a_number_nobody_was_given_is_404_and_leaves_nothing(company):
    company.meter(METER)
    before = company.contents()
    answer = _vodacom_process(company, "REF-00001", "VOD-TXN-000077")
    assert answer.status_code == 404
    assert company.contents() == before


@pytest.mark.parametrize("validated", [False, True], ids=["unknown", "rejected-before"])
def test_a_payment_of_nothing_is_refused_and_not_tried_again(company, validated):
    company.meter(METER)
    if validated:
        answer = company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "0"))
        assert answer.content == NO_AMOUNT
    before = company.contents()
    paid = company.airtel("process", "AIR1", airtel_process("AIR1", METER, "0"))
    assert (paid.status_code, paid.content) == (200, NO_AMOUNT)
    assert company.contents() == before
