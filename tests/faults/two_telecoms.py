"""Two telecoms that call a company whose database fails, and what each may hear then."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import attrs

from tests.support.telecom_calls import (
    airtel_enquiry,
    airtel_process,
    airtel_validation,
    vodacom_validation,
)
from tests.support.trial_company import TrialCompany

__all__ = ["ACCEPTED", "ASK_AGAIN", "METER", "QUERY", "Answer", "TwoTelecoms"]

Call = tuple[str, str]  # telecom and action
Answer = tuple[int, bytes]  # status and body

METER = "47000124512"
ACCEPTED = b"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE><TXNID>AIR1</TXNID></COMMAND>"
_UNAVAILABLE = b'{"data":{"message":"temporarily unavailable, try again","code":"unavailable","success":false}}'  # noqa: E501 - one answer
ASK_AGAIN: Mapping[Call, Answer] = {
    # no money has moved: a no is harmless
    ("airtel", "validate"): (
        200,
        b"<COMMAND><STATUS>400</STATUS><MESSAGE>Service unavailable, try again</MESSAGE></COMMAND>",
    ),
    # the customer has paid: no word of the protocol, so that Airtel asks by enquiry
    ("airtel", "process"): (
        503,
        b"<COMMAND><STATUS>500</STATUS><MESSAGE>Service unavailable, try again</MESSAGE></COMMAND>",
    ),
    # neither yes nor no: a no would be final, and would have to be remembered
    ("airtel", "enquiry"): (
        200,
        b"<COMMAND><STATUS>400</STATUS><MESSAGE>Pending</MESSAGE></COMMAND>",
    ),
    ("vodacom", "validate"): (503, _UNAVAILABLE),
    ("vodacom", "process"): (503, _UNAVAILABLE),
    ("vodacom", "query"): (503, _UNAVAILABLE),
}
EARLIER, LATER = (f"5b0f0c9e-8d1f-4d0e-9a53-0c9f0f6e200{n}" for n in (1, 2))
QUERY = ("vodacom", "query")


@attrs.frozen(kw_only=True)
class TwoTelecoms:
    """Airtel is about to pay with `AIR1`, Vodacom has its payment validated.

    Attributes:
        number: ours, of the validated payment.
    """

    company: TrialCompany
    number: str

    @classmethod
    def of(cls, company: TrialCompany) -> TwoTelecoms:
        """Let Vodacom validate."""
        answer = company.vodacom("validate", vodacom_validation(EARLIER, METER, 500))
        return cls(company=company, number=answer.json()["data"]["transactionId"])

    @property
    def bodies(self) -> Mapping[Call, bytes]:
        """What each says in each of its calls."""
        return {
            ("airtel", "validate"): airtel_validation("AIR1", METER, "1000"),
            ("airtel", "process"): airtel_process("AIR1", METER, "1000"),
            ("airtel", "enquiry"): airtel_enquiry("AIR1"),
            ("vodacom", "validate"): vodacom_validation(LATER, METER, 500),
            ("vodacom", "process"): self._members(referenceId="VOD-1", transactionId=self.number),
            ("vodacom", "query"): self._members(transactionId=self.number),
        }

    def found(self) -> Answer:
        """Return the answer to the query while the database can be read."""
        members = self._members(transactionId=self.number, status="validated")
        return 200, b'{"data":%b,"success":true}}' % members.removesuffix(b"}")

    def call(self, telecom: str, action: str) -> Answer:
        """Make one call; return status and body of the answer."""
        body = self.bodies[telecom, action]
        if telecom == "airtel":
            answer = self.company.airtel(action, "AIR1", body)
        else:
            answer = self.company.vodacom(action, body)
        return answer.status_code, answer.content

    def all_calls(self) -> tuple[Mapping[Call, Answer], float]:
        """Make all calls at once; return the answers, and how long the slowest took."""
        with ThreadPoolExecutor(len(ASK_AGAIN)) as callers:
            timed = list(callers.map(lambda call: (call, *self._timed(*call)), ASK_AGAIN))
        answers = {call: answer for call, answer, _ in timed}
        return answers, max(seconds for _, _, seconds in timed)

    def pay_until_accepted(self, seconds: float = 30.0) -> bytes:
        """Repeat both process calls until they are accepted; return Airtel's answer."""
        until = time.monotonic() + seconds
        while True:
            answers = [self.call(telecom, "process") for telecom in ("airtel", "vodacom")]
            if {status for status, _ in answers} == {200} or time.monotonic() > until:
                return answers[0][1]
            time.sleep(0.1)

    def _timed(self, telecom: str, action: str) -> tuple[Answer, float]:
        began = time.monotonic()
        return self.call(telecom, action), time.monotonic() - began

    @staticmethod
    def _members(**members: str) -> bytes:
        inner = ",".join(f'"{name}":"{value}"' for name, value in members.items())
        return f"{{{inner}}}".encode()
