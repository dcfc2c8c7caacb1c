from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_angaza.mapping import (
    TARGET,
    Credit,
    credit_target,
    read_credit,
    read_grant,
    read_refusal,
    sale_fields,
)
from mpm_angaza.plugin import AngazaPlugin
from mpm_core import (
    Charge,
    ChargeKind,
    ContractViolation,
    Device,
    DeviceKind,
    Grant,
    Money,
    NotSupported,
    Order,
    Refused,
    Secret,
    Unit,
)

SERIAL = "SERIAL-123"
DEVICE = Device(kind=DeviceKind.SHS, serial=SERIAL)
NOW = datetime(2026, 2, 8, 12, 0, tzinfo=UTC)
END = "2026-02-15T00:00:00+00:00"
KEYCODE = "1234-5678-9012"
ANSWER = {"_embedded": {"latest_keycode": {"keycode": KEYCODE}}}


MOMENTS = st.integers(0, 10**15).map(lambda micros: NOW + timedelta(microseconds=micros))


def charge(quantity, kind=ChargeKind.TIME, unit=Unit.DAY):
    return Charge(kind=kind, money=Money(100000, "TZS"), quantity=quantity, unit=unit)


UNLOCK = charge(None, kind=ChargeKind.UNLOCK, unit=None)
CLEAR = charge(None, kind=ChargeKind.CLEAR, unit=None)


def fields_of(asked, prepared):
    order = Order(key="a" * 32, attempt=1, created_at=NOW, prepared=prepared)
    return sale_fields(DEVICE, asked, order)


@pytest.mark.parametrize(
    ("credit", "expected"),
    [
        pytest.param(Credit(), "2026-02-15T12:00:00+00:00", id="never had any"),
        pytest.param(
            Credit(until=NOW - timedelta(days=3)), "2026-02-15T12:00:00+00:00", id="ended"
        ),
        pytest.param(
            Credit(until=NOW + timedelta(days=3)), "2026-02-18T12:00:00+00:00", id="still lasts"
        ),
        pytest.param(
            Credit(until=NOW + timedelta(microseconds=1)),
            "2026-02-15T12:00:01+00:00",
            id="ends within a second",
        ),
    ],
)
def test_days_are_added_to_the_later_of_now_and_the_end_of_credit(credit, expected):
    assert credit_target(charge(7), credit, NOW) == expected


@given(
    days=st.integers(1, 3650),
    until=st.none() | MOMENTS,
    now=MOMENTS,
)
def test_nobody_gets_less_than_was_paid_or_a_second_more(days, until, now):
    target = datetime.fromisoformat(credit_target(charge(days), Credit(until=until), now))
    start = max(now, until or now)
    assert timedelta(0) <= target - start - timedelta(days=days) < timedelta(seconds=1)
    assert target.microsecond == 0


def test_days_for_an_unlocked_unit_are_refused():
    with pytest.raises(Refused) as refused:
        credit_target(charge(7), Credit(unlocked=True), NOW)
    assert str(refused.value) == "The unit is unlocked for good, so no days can be added."


@pytest.mark.parametrize(
    ("days", "until"),
    [
        pytest.param(1, "9999-12-31T23:59:59+00:00", id="credit to the end of time"),
        pytest.param(1, "9999-12-30T23:59:59.5+00:00", id="no second is left to round up to"),
        pytest.param(3_000_000, None, id="thousands of years"),
        pytest.param(10**30, None, id="more than any calendar has"),
    ],
)
def test_days_beyond_the_calendar_are_refused(days, until):
    credit = read_credit({"state": {"desired": {TARGET: until}}})
    with pytest.raises(Refused) as refused:
        credit_target(charge(days), credit, NOW)
    assert (refused.value.code, str(refused.value)) == (
        "too_far",
        f"With {days} more days the unit's credit would end after the year 9999.",
    )


def test_a_sale_asks_for_the_prepared_end_of_credit():
    assert fields_of(charge(7), {TARGET: END}) == {
        "unit_number": SERIAL,
        "state": {"desired": {"credit_until_dt": END}},
    }


def test_an_unlock_asks_for_no_end():
    """T-94."""
    assert fields_of(UNLOCK, {}) == {
        "unit_number": SERIAL,
        "state": {"desired": {"credit_until_dt": "UNLOCKED"}},
    }


@pytest.mark.parametrize("quantity", [None, 0, -1])
def test_a_quantity_that_is_not_sold_is_refused(quantity):
    with pytest.raises(ContractViolation):
        credit_target(charge(quantity), Credit(), NOW)
    with pytest.raises(ContractViolation):
        fields_of(charge(quantity), {})


def test_a_charge_of_another_kind_is_not_supported():
    with pytest.raises(NotSupported):
        fields_of(CLEAR, {})


@pytest.mark.parametrize("keycode", [KEYCODE, "*599 791 493 194 43#", "599 791 493"])
def test_a_grant_holds_keycode_and_quantity(keycode):
    answer = {"_embedded": {"latest_keycode": {"keycode": keycode}}}
    assert read_grant(answer, charge(7)) == Grant(
        codes=(Secret(keycode),), quantity=7, unit=Unit.DAY
    )


@pytest.mark.parametrize(
    ("code", "good"),
    [
        (KEYCODE, True),
        ("*599 791 493 194 43#", True),
        ("59979149319443", True),  # as a person may type it
        ("12345", False),
        ("Invalid unit number", False),
    ],
)
def test_the_token_pattern_takes_keycodes_in_groups_or_together(code, good):
    assert bool(AngazaPlugin.manifest.token_pattern.fullmatch(code)) is good


def test_a_grant_names_the_unit_that_the_answer_names():
    grant = read_grant({**ANSWER, "unit_number": "SERIAL-999"}, charge(7))
    assert grant is not None
    assert grant.device_serial == "SERIAL-999"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        "text",
        7,
        {"_embedded": None},
        {"_embedded": {"latest_keycode": {"keycode": ""}}},
        {"_embedded": {"latest_keycode": {"keycode": "1234"}}},
        {"_embedded": {"latest_keycode": {"keycode": 123456789012}}},
        {**ANSWER, "context": {"reason": "Invalid unit number"}},
    ],
)
def test_an_answer_without_a_good_keycode_grants_nothing(body):
    assert read_grant(body, charge(7)) is None


def test_a_refusal_is_the_vendors_reason():
    """T-94."""
    refused = read_refusal({"context": {"reason": "Invalid unit number"}})
    assert refused is not None
    assert (refused.code, str(refused)) == ("Invalid unit number", "Invalid unit number")


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        "text",
        7,
        {"context": {}},
        {"context": {"reason": ""}},
        {"context": {"reason": 7}},
        {**ANSWER, "context": {"reason": "Invalid unit number"}},
    ],
)
def test_anything_else_is_no_refusal(body):
    assert read_refusal(body) is None


@pytest.mark.parametrize(
    ("target", "credit"),
    [
        pytest.param(END, Credit(until=datetime(2026, 2, 15, tzinfo=UTC)), id="an end"),
        pytest.param("2026-02-15T03:00:00+03:00", Credit(until=datetime(2026, 2, 15, tzinfo=UTC)),
                     id="an end in another zone"),
        pytest.param("UNLOCKED", Credit(unlocked=True), id="unlocked"),
        pytest.param(None, Credit(), id="never had any"),
        pytest.param("2026-02-15T00:00:00", None, id="no zone"),
        pytest.param("soon", None, id="no time"),
        pytest.param(7, None, id="a number"),
    ],
)  # fmt: skip
def test_credit_is_read_only_where_it_is_clear(target, credit):
    assert read_credit({"state": {"desired": {"credit_until_dt": target}}}) == credit


@pytest.mark.parametrize("body", [None, [], {}, {"state": {}}, {"state": {"desired": {}}}])
def test_an_answer_without_credit_tells_none(body):
    assert read_credit(body) is None
