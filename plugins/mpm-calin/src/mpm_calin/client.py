"""Calin's v1 token API on the wire: one POST per sale; no session, no look-up, no own key."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Never

from mpm_calin.mapping import Token, read_token
from mpm_calin.settings import CalinSettings
from mpm_core import (
    CallContext,
    Misconfigured,
    NothingHappened,
    OutcomeUnknown,
    PluginRuntime,
)
from mpm_core.outbound.answers import Answer

__all__ = ["CalinClient"]

_CONTENT_TYPE = "application/json;charset=utf-8"
# A gateway or router says these before the application runs, so without Calin's own envelope they
# mean a wrong URL or a closed door, and that nothing was sold.
_NOT_PROCESSED = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
)


class CalinClient:
    """Calls Calin for one instance; holds no state, so several threads may share it."""

    def __init__(self, settings: CalinSettings, runtime: PluginRuntime) -> None:
        self._settings = settings
        self._http = runtime.http
        self._url = settings.api_url.rstrip("/")

    def sell(self, serial: str, kwh: Decimal, context: CallContext) -> Token:
        """Ask for a credit token. Every call that succeeds sells another one.

        Raises:
            Refused: Calin's own no, with its code and reason.
            NotSent, Throttled, Misconfigured: nothing was sold.
            OutcomeUnknown: it may have been.
        """
        answer = self._http.request(
            "POST",
            f"{self._url}/tokennew",
            context=context,
            headers={"Content-Type": _CONTENT_TYPE},
            json={
                "user_id": self._settings.user_id,
                "password": self._settings.api_key.reveal(),
                "meter_id": serial,
                "token_type": "CreditToken",
                "amount": kwh,
            },
            not_processed=_NOT_PROCESSED,
        )
        answer.expect_success()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            self._raise_refusal(answer)
        return read_token(answer.json(), self._settings.api_key)

    def reach(self, context: CallContext) -> int:
        """Return the HTTP status of the base URL: the API has nothing harmless to call."""
        return self._http.request("GET", self._url, context=context, effect=False).status

    def _raise_refusal(self, answer: Answer) -> Never:
        """Tell a 4xx of the application, in its envelope, from one of a gateway before it."""
        envelope = _read_envelope(answer)
        if envelope is not None:
            read_token(envelope, self._settings.api_key)  # raises, unless there is a token
            raise OutcomeUnknown(f"Calin answered status {answer.status} together with a token.")
        if answer.status in _NOT_PROCESSED:
            raise Misconfigured(
                f"{self._url} answered status {answer.status} instead of Calin's token API; "
                "correct the setting api_url, or ask Calin to open the access."
            )
        raise OutcomeUnknown(
            f"Calin answered status {answer.status} without its envelope; it may have sold a token."
        )


def _read_envelope(answer: Answer) -> Mapping[str, object] | None:
    """Return the JSON object with a result code, or `None` if the body is anything else."""
    try:
        body = answer.json()
    except (OutcomeUnknown, NothingHappened):
        return None
    return body if isinstance(body, dict) and "result_code" in body else None
