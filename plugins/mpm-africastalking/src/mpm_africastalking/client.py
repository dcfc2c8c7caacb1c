"""Africa's Talking on the wire: send one message, ask for the balance."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from mpm_africastalking.mapping import SendResult, form_of, meaning_of, read_balance, read_result
from mpm_africastalking.settings import AfricasTalkingSettings
from mpm_core import CallContext, Message, Misconfigured, OutcomeUnknown, PluginRuntime, Refused
from mpm_core.outbound.answers import Answer

__all__ = ["AfricasTalkingClient"]

# Said by the API's front before any message is looked at.
_NOT_PROCESSED = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
)
_REMEDIES: Mapping[str, str] = {
    "InvalidSenderId": "correct sender_id, or have it registered for the recipient's country",
    "InsufficientBalance": "top up the account",
}


class AfricasTalkingClient:
    """Calls Africa's Talking for one instance; several threads may share it."""

    def __init__(self, settings: AfricasTalkingSettings, runtime: PluginRuntime) -> None:
        self._http = runtime.http
        self._settings = settings
        self._url = settings.api_url.rstrip("/")

    def send(self, message: Message, context: CallContext) -> SendResult:
        """Send a message; returns only if it was accepted.

        Raises:
            Refused: a documented no; sending it again would end the same way.
            NotSent, Throttled, Misconfigured: nothing was sent.
            OutcomeUnknown: it may have been.
        """
        answer = self._http.request(
            "POST",
            f"{self._url}/version1/messaging",
            context=context,
            headers=self._headers(),
            form=form_of(message, self._settings),
            not_processed=_NOT_PROCESSED,
        ).expect_success()
        self._check_front(answer)
        result = read_result(answer.json(), message.to.e164)
        if result is None:
            raise answer.unusable("it does not say what became of the message")
        return _accepted(result)

    def balance(self, context: CallContext) -> str:
        """Return the account's balance, such as `KES 1785.50`: changes nothing, proves the key.

        Raises:
            NotSent, Throttled, Misconfigured: no answer was to be had.
        """
        answer = self._http.request(
            "GET",
            f"{self._url}/version1/user",
            context=context,
            headers=self._headers(),
            params={"username": self._settings.username},
        ).expect_success()
        self._check_front(answer)
        balance = read_balance(answer.json())
        if not balance:
            raise answer.unusable("it holds no balance")
        return balance

    def _headers(self) -> Mapping[str, str]:
        return {"Accept": "application/json", "apiKey": self._settings.api_key.reveal()}

    def _check_front(self, answer: Answer) -> None:
        """Sort out the front's statuses; its words may repeat what was sent, so none is kept."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise Misconfigured(
                f"{answer.where} refused the login (status 401); check that username and api_key "
                "belong together and to api_url. A new key works after some minutes."
            )
        if answer.status == HTTPStatus.BAD_REQUEST and answer.content_type == "text/plain":
            raise Refused(f"{answer.where} refused the request (status 400).", "400")
        if answer.status in _NOT_PROCESSED:
            raise Misconfigured(
                f"{answer.where} answered status {answer.status}; correct api_url, or ask Africa's "
                "Talking to open SMS for this application."
            )
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise answer.unusable("that is no documented answer")


def _accepted(result: SendResult) -> SendResult:
    """Return a result that was accepted; raise what any other one means."""
    meaning = "unknown" if result.code is None else meaning_of(result.code)
    if meaning == "accepted":
        return result
    said = f"Africa's Talking answered {result.code} {result.word}"
    if meaning == "refused":
        raise Refused(result.word, str(result.code))
    if meaning == "misconfigured":
        raise Misconfigured(f"{said}: nothing was sent; {_REMEDIES[result.word]}.")
    if result.code is None:
        said = "Africa's Talking gave the message no documented status"
    raise OutcomeUnknown(f"{said}; the message may have been sent.")
