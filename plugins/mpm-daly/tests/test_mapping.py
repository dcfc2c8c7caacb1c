from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_daly.mapping import (
    Envelope,
    facts_of,
    find_row,
    read_envelope,
    state_query,
    switch_command,
)

DONE = {"status": 200, "success": True, "msg": "ok", "response": {"Data": {}}}


@pytest.mark.parametrize(("on", "position"), [(True, 1), (False, 0)])
def test_a_switch_sets_the_ignition(on, position):
    assert switch_command("DL8500000123", on=on) == {
        "cmdKey": "8500_004",
        "data": {"CmdKey": "8500_004", "Code": "DL8500000123", "ACC": position},
    }


def test_the_state_is_asked_of_one_bike():
    assert state_query("DL8500000123") == {"codes": ["DL8500000123"]}


def envelope(**changed: object) -> Envelope:
    done = {"status": 200, "message": "ok", "data": {}, "success": True, "refused": False}
    return Envelope(**done | changed)


@pytest.mark.parametrize(
    ("changed", "read"),
    [
        pytest.param({}, envelope(), id="done"),
        pytest.param({"status": 201}, envelope(status=201), id="created"),
        pytest.param(
            {"response": {}, "msg": None, "message": " done "},
            envelope(data=None, message="done"),
            id="other words, no data",
        ),
        pytest.param(
            {"response": False, "success": False, "msg": "terminal offline"},
            envelope(message="terminal offline", data=None, success=False, refused=True),
            id="not done",
        ),
        pytest.param({"success": False}, envelope(success=False), id="contradicting itself"),
        pytest.param({"response": None}, envelope(data=None, success=False), id="no response"),
        pytest.param({"response": True}, envelope(data=None, success=False), id="response true"),
        pytest.param(
            {"status": 400},
            envelope(status=400, success=False, refused=True),
            id="another status",
        ),
        pytest.param({"msg": "a\r\nb" + "x" * 300}, envelope(message="a b" + "x" * 197), id="long"),
    ],
)
def test_an_answer_is_read(changed, read):
    assert read_envelope(DONE | changed) == read


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param({}, id="empty"),
        pytest.param({"status": "200", "response": {}}, id="status as text"),
        pytest.param({"status": True, "response": {}}, id="status true"),
    ],
)
def test_anything_else_is_no_answer_of_daly(body):
    assert read_envelope(body) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(199, 202) | st.text(max_size=5),
        lambda values: st.dictionaries(
            st.sampled_from(["status", "success", "msg", "response", "Data"]), values
        ),
    )
)
def test_only_a_response_under_a_good_status_is_a_success(body):
    read = read_envelope(body)
    if read is not None and read.success:
        assert isinstance(body["response"], dict)
        assert body["status"] in {200, 201}
        assert body.get("success") is not False
        assert not read.refused


def test_a_row_is_found_by_its_code_byte_for_byte():
    rows = [{"Code": "1"}, "x", {"Code": "01", "SOH": 97}]
    assert find_row(rows, "01") == {"Code": "01", "SOH": 97}
    assert find_row(rows, "001") is None
    assert find_row({"Code": "01"}, "01") is None


def test_a_rows_facts_are_texts_for_people_without_the_place():
    row = {
        "Code": "1",
        "ReceiveTime": "2026-01-15 11:00:00",
        "Lat": Decimal("-6.8"),
        "Lng": Decimal("39.28"),
        "Speed": 0,
        "Mileage": Decimal("1234.5"),
        "Status": "ACCON,GPS",
        "SOH": 97,
        "BatteryLevel": None,
        "BatteryVoltage": True,
    }
    assert facts_of(row) == {
        "switched": "on",
        "received_at": "2026-01-15 11:00:00",
        "mileage": "1234.5",
        "speed": "0",
        "state_of_health": "97",
    }


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        ("accoff", {"switched": "off"}),
        ("GPS", {}),
        (None, {}),
    ],
)
def test_the_ignition_is_read_from_the_status(status, facts):
    assert facts_of({"Status": status}) == facts
