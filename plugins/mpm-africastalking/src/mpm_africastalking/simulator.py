"""Africa's Talking's SMS gateway, simulated: it keeps what it "sent" and can report deliveries."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

import attrs

from mpm_africastalking.reports import PATH
from mpm_africastalking.segments import count_segments
from mpm_core import (
    ANSWER_FAULTS,
    UNPROCESSED_FAULTS,
    FaultSwitches,
    SimulatedCall,
    SimulatedPayment,
    SimulatedReply,
    SimulatedRequest,
    spoil_answer,
)

__all__ = ["AfricasTalkingSimulator", "SentMessage"]

USERNAME = "sandbox"
API_KEY = "simulated-africastalking-key"  # worth nothing outside this simulator
BALANCE = "KES 1785.50"
CENTS_PER_PART = 80

_NOT_SENT: Mapping[str, tuple[int, str]] = {  # faults that answer for the recipient
    "risk_hold": (401, "RiskHold"),
    "invalid_number": (403, "InvalidPhoneNumber"),
    "unsupported_number": (404, "UnsupportedNumberType"),
    "insufficient_balance": (405, "InsufficientBalance"),
    "blacklisted": (406, "UserInBlacklist"),
    "could_not_route": (407, "CouldNotRoute"),
    "do_not_disturb": (409, "DoNotDisturbRejection"),
    "internal_error": (500, "InternalServerError"),
    "gateway_error": (501, "GatewayError"),
    "rejected_by_gateway": (502, "RejectedByGateway"),
    "unknown_code": (599, "Mystery"),
}
_NO_RECIPIENTS: Mapping[str, str] = {
    "invalid_sender": "InvalidSenderId",
    "no_recipients": "Sent to 0/1 Total Cost: 0",
}
_CHANGED: Mapping[
    str, Mapping[str, object]
] = {  # faults in the answer about a message that was sent
    "processed": {"statusCode": 100},
    "queued": {"statusCode": 102},
    "other_number": {"number": "+254700000000"},
    "no_reference": {"messageId": "None"},
    "word_only": {"statusCode": None},
    "parts_counted": {"messageParts": 3},
}
_FRONT: Mapping[str, tuple[int, str]] = {
    "wrong_key": (401, "The supplied authentication is invalid"),
    "forbidden": (403, "Forbidden"),
    "bad_request": (400, "Request is missing required form field 'to'"),
    "wrong_path": (404, "The requested resource could not be found."),
}


@attrs.frozen(kw_only=True)
class SentMessage:
    """One message the simulated gateway took.

    Attributes:
        parts: SMS it was cut into.
        cost: with its currency.
    """

    number: str = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    sender: str
    message_id: str
    parts: int
    cost: str


class AfricasTalkingSimulator:
    """The gateway: `handle` takes messages, `report_call` tells what became of them.

    Attributes:
        sent: every message taken, in order.
    """

    def __init__(self) -> None:
        self.sent: list[SentMessage] = []
        self._lock = threading.Lock()
        self._switches = FaultSwitches(
            (*UNPROCESSED_FAULTS, *ANSWER_FAULTS, *_FRONT, *_NO_RECIPIENTS, *_NOT_SENT, *_CHANGED)
        )

    def settings(self, base_url: str) -> Mapping[str, object]:
        """Return the settings of an instance that sends through this simulator."""
        return {"api_url": base_url, "username": USERNAME, "api_key": API_KEY}

    def faults(self) -> tuple[str, ...]:
        """Name the fault switches; the README says what each does."""
        return self._switches.names

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        """Turn a fault on: for one phone number (`serial`) or all, for `times` requests or on."""
        self._switches.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        """Turn every fault off."""
        self._switches.clear()

    def knows(self, serial: str) -> None:
        """Do nothing: a gateway knows no devices."""

    def use_token(self, serial: str, code: str) -> str:  # noqa: ARG002 - there is none
        """Refuse: a gateway has no devices."""
        return "rejected: There is no device here."

    def report_call(self, message_id: str, status: str, failure_reason: str = "") -> SimulatedCall:
        """Return the delivery report of a message that was sent.

        Raises:
            ValueError: there is no such message.
        """
        with self._lock:
            sent = {message.message_id: message for message in self.sent}
        if message_id not in sent:
            raise ValueError(f"No message {message_id!r} was sent.")
        form = {
            "id": message_id,
            "status": status,
            "phoneNumber": sent[message_id].number,
            "networkCode": "63902",
            "retryCount": "0",
        }
        reason = {"failureReason": failure_reason} if failure_reason else {}
        return SimulatedCall(
            path=PATH,
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode(form | reason).encode(),
        )

    def validate_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: this is no telecom."""

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        """Return nothing: this is no telecom."""

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: this is no telecom."""

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer one request: `POST version1/messaging` or `GET version1/user`."""
        path = request.path.strip("/")
        if (request.method, path) == ("GET", "version1/user"):
            asked = _read_form(request.query)
            return self._at_the_front(request, asked, lambda _fault: _balance())
        if (request.method, path) == ("POST", "version1/messaging"):
            asked = _read_form(request.body.decode("utf-8", "replace"))
            return self._at_the_front(request, asked, lambda fault: self._send(asked, fault))
        return _words(*_FRONT["wrong_path"])

    def _at_the_front(
        self,
        request: SimulatedRequest,
        asked: Mapping[str, str],
        act: Callable[[str | None], SimulatedReply],
    ) -> SimulatedReply:
        fault = self._switches.take(asked.get("to"))
        if unprocessed := UNPROCESSED_FAULTS.get(fault or ""):
            return unprocessed
        if front := _FRONT.get(fault or ""):
            return _words(*front)
        if (request.headers.get("apikey"), asked.get("username")) != (API_KEY, USERNAME):
            return _words(*_FRONT["wrong_key"])
        return spoil_answer(fault, act(fault))

    def _send(self, asked: Mapping[str, str], fault: str | None) -> SimulatedReply:
        for field in ("to", "message"):
            if not asked.get(field):
                return _words(400, f"Request is missing required form field '{field}'")
        if said := _NO_RECIPIENTS.get(fault or ""):
            return _answer(said, [])
        recipient: dict[str, object] = {"number": asked["to"], "cost": "0", "messageId": "None"}
        if not_sent := _NOT_SENT.get(fault or ""):
            code, word = not_sent
            return _answer("Sent to 0/1 Total Cost: 0", [recipient | _status(code, word)])
        sent = self._keep(asked)
        recipient = {"number": sent.number, "cost": sent.cost, "messageId": sent.message_id}
        changed = dict(_CHANGED.get(fault or "", {}))
        return _answer(
            f"Sent to 1/1 Total Cost: {sent.cost}",
            [recipient | _status(101, "Success") | changed],
        )

    def _keep(self, asked: Mapping[str, str]) -> SentMessage:
        parts = count_segments(asked["message"]).count
        cents = parts * CENTS_PER_PART
        with self._lock:
            sent = SentMessage(
                number=asked["to"],
                text=asked["message"],
                sender=asked.get("from", "AFRICASTKNG"),
                message_id=f"ATXid_simulated_{len(self.sent) + 1}",
                parts=parts,
                cost=f"KES {cents // 100}.{cents % 100:02d}00",
            )
            self.sent.append(sent)
        return sent


def _read_form(text: str) -> Mapping[str, str]:
    return dict(parse_qsl(text))


def _status(code: int, word: str) -> dict[str, object]:
    return {"statusCode": code, "status": word}


def _answer(message: str, recipients: list[dict[str, object]]) -> SimulatedReply:
    data = {"SMSMessageData": {"Message": message, "Recipients": recipients}}
    return SimulatedReply(status=201, body=json.dumps(data).encode())


def _balance() -> SimulatedReply:
    return SimulatedReply(body=json.dumps({"UserData": {"balance": BALANCE}}).encode())


def _words(status: int, text: str) -> SimulatedReply:
    return SimulatedReply(
        status=status, content_type="text/plain; charset=UTF-8", body=text.encode()
    )
