"""The vendor's API on the wire: the only module that knows paths, headers and statuses."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus

from mpm_angaza.mapping import Credit, read_credit, read_grant, read_refusal
from mpm_angaza.settings import AngazaSettings
from mpm_core import (
    Answer,
    CallContext,
    Charge,
    Grant,
    Misconfigured,
    OutcomeError,
    PluginRuntime,
    Refused,
    Secret,
)

__all__ = ["AngazaClient"]

_PATH = "unit_credit"
_CLOSED_DOORS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NO_UNIT = "0"


class AngazaClient:
    """Calls the vendor for one instance; holds no state, so several threads may share it."""

    def __init__(self, settings: AngazaSettings, runtime: PluginRuntime) -> None:
        self._http = runtime.http
        self._url = settings.api_url.rstrip("/")
        self._client_secret = settings.client_secret
        self._login = _basic(settings)

    def sell(self, fields: Mapping[str, object], charge: Charge, context: CallContext) -> Grant:
        """Ask for an end of credit, and for the keycode that brings it to the unit.

        Raises:
            Refused: the vendor's documented no: nothing was sold.
            NotSent, Throttled, Misconfigured: nothing was sold.
            OutcomeUnknown: the vendor may have taken the new end.
        """
        answer = self._call("PUT", context, json=fields)
        body = self._told(answer)
        grant = read_grant(body, charge)
        if grant is None or answer.status >= HTTPStatus.BAD_REQUEST:
            raise answer.unusable("it holds no good keycode")
        return grant

    def credit(self, serial: str, context: CallContext) -> Credit:
        """Ask how long a unit has credit; changes nothing.

        Raises:
            Refused: the vendor's documented no, such as for a unit it does not know.
            NotSent, Throttled, Misconfigured: no answer was to be had.
        """
        answer = self._call("GET", context, params={"unit_number": serial})
        credit = read_credit(self._told(answer))
        if credit is None or answer.status >= HTTPStatus.BAD_REQUEST:
            raise answer.unusable("it does not tell the unit's credit")
        return credit

    def check(self, context: CallContext) -> None:
        """Ask about a unit that does not exist: whoever is told so has been let in."""
        try:
            self.credit(_NO_UNIT, context)
        except Refused:
            return

    def _call(
        self,
        method: str,
        context: CallContext,
        *,
        json: Mapping[str, object] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        answer = self._http.request(
            method,
            f"{self._url}/{_PATH}",
            context=context,
            headers={"Authorization": f"Basic {self._login.reveal()}"},
            json=json,
            params=params,
            not_processed=_CLOSED_DOORS,
        ).expect_success()
        if answer.status in _CLOSED_DOORS:
            raise Misconfigured(
                f"{answer.where} answered {answer.status}; correct the settings client_id and "
                "client_secret, or ask the vendor to open the access."
            )
        return answer

    def _told(self, answer: Answer) -> object:
        """Return the body of an answer that is no refusal, whatever its status says.

        Raises:
            OutcomeError: the body is the vendor's no, or cannot be read.
        """
        body = answer.json()
        refused: OutcomeError | None = read_refusal(body, self._client_secret, self._login)
        if refused is not None:
            raise refused
        return body


def _basic(settings: AngazaSettings) -> Secret:
    """Return what follows the word Basic."""
    pair = f"{settings.client_id}:{settings.client_secret.reveal()}"
    return Secret(b64encode(pair.encode()).decode())
