from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_africastalking.mapping import (
    RESULT_CODES,
    SendResult,
    form_of,
    meaning_of,
    read_balance,
    read_result,
)
from mpm_africastalking.settings import AfricasTalkingSettings
from mpm_core import Message, Msisdn

NUMBER = "+254711082300"
MESSAGE = Message(key="0" * 32, to=Msisdn.from_e164(NUMBER), body="Token 1234")
GOOD = {
    "statusCode": 101,
    "number": NUMBER,
    "status": "Success",
    "cost": "KES 0.8000",
    "messageId": "ATPid_SampleTxnId123",
}


def settings(**changed: object) -> AfricasTalkingSettings:
    return AfricasTalkingSettings(**{"username": "umeme", "api_key": "k"} | changed)


def answer(*recipients: object, message: object = "Sent to 1/1") -> object:
    return {"SMSMessageData": {"Message": message, "Recipients": list(recipients)}}


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        pytest.param({}, {}, id="own sender id of the gateway"),
        pytest.param({"sender_id": "UMEME"}, {"from": "UMEME"}, id="registered sender id"),
    ],
)
def test_the_form_names_one_phone(changed, more):
    assert form_of(MESSAGE, settings(**changed)) == {
        "username": "umeme",
        "to": NUMBER,
        "message": "Token 1234",
        **more,
    }


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        pytest.param(
            {},
            SendResult(code=101, word="Sent", reference="ATPid_SampleTxnId123", cost="KES 0.8000"),
            id="as documented",
        ),
        pytest.param(
            {"statusCode": None, "messageParts": 2},
            SendResult(
                code=101, word="Sent", reference="ATPid_SampleTxnId123", cost="KES 0.8000", parts=2
            ),
            id="older and newer fields",
        ),
        pytest.param(
            {"statusCode": 406, "status": "UserInBlacklist", "cost": "0", "messageId": "None"},
            SendResult(code=406, word="UserInBlacklist"),
            id="not sent",
        ),
        pytest.param(
            {"statusCode": 599},
            SendResult(code=None, reference="ATPid_SampleTxnId123", cost="KES 0.8000"),
            id="undocumented code",
        ),
        pytest.param(
            {"statusCode": "101", "cost": 0.8, "messageId": 7, "messageParts": True},
            SendResult(code=None),
            id="wrong types",
        ),
        pytest.param(
            {"cost": "KES 0.8\n", "messageId": "a b", "messageParts": 256},
            SendResult(code=101, word="Sent"),
            id="unusable extras are left out",
        ),
    ],
)
def test_a_recipients_fields_are_read(fields, result):
    assert read_result(answer(GOOD | fields), NUMBER) == result


@pytest.mark.parametrize(
    ("message", "result"),
    [
        pytest.param("InvalidSenderId", SendResult(code=402, word="InvalidSenderId"), id="sender"),
        pytest.param(
            " invalidphonenumber ", SendResult(code=403, word="InvalidPhoneNumber"), id="spelling"
        ),
        pytest.param("Sent to 0/1 Total Cost: 0", None, id="other words"),
        pytest.param(None, None, id="none"),
    ],
)
def test_where_no_number_was_tried_the_answers_message_is_the_word(message, result):
    assert read_result(answer(message=message), NUMBER) == result


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param({}, id="empty"),
        pytest.param({"SMSMessageData": "Sent"}, id="text"),
        pytest.param({"SMSMessageData": {"Message": "Sent"}}, id="no recipients"),
        pytest.param({"SMSMessageData": {"Recipients": {}}}, id="recipients are no list"),
        pytest.param(answer("x"), id="recipient is no object"),
        pytest.param(answer(GOOD | {"number": "+254700000000"}), id="another number"),
        pytest.param(answer(GOOD, GOOD), id="two recipients"),
    ],
)
def test_an_answer_that_says_nothing_about_the_number_is_no_result(body):
    assert read_result(body, NUMBER) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just(NUMBER),
        lambda values: (
            st.lists(values, max_size=2)
            | st.dictionaries(
                st.sampled_from(["SMSMessageData", "Recipients", "Message", *GOOD, "messageParts"]),
                values,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_answered_only_a_documented_code_is_read(body):
    result = read_result(body, NUMBER)
    assert result is None or result.code is None or meaning_of(result.code)


def test_every_documented_code_has_one_meaning_and_a_source():
    assert {code.code: code.meaning for code in RESULT_CODES} == {
        "100": "accepted",
        "101": "accepted",
        "102": "accepted",
        "401": "refused",
        "402": "misconfigured",
        "403": "refused",
        "404": "refused",
        "405": "misconfigured",
        "406": "refused",
        "407": "refused",
        "409": "refused",
        "500": "unknown",
        "501": "unknown",
        "502": "refused",
    }
    assert all(code.source for code in RESULT_CODES)


@pytest.mark.parametrize(
    ("body", "balance"),
    [
        ({"UserData": {"balance": "KES 1785.50"}}, "KES 1785.50"),
        ({"UserData": {"balance": " UGX -3 "}}, "UGX -3"),
        ({"UserData": {"balance": 1785.5}}, ""),
        ({"UserData": {"balance": "plenty"}}, ""),
        ({"UserData": None}, ""),
        ([], ""),
    ],
)
def test_the_balance_is_read(body, balance):
    assert read_balance(body) == balance
