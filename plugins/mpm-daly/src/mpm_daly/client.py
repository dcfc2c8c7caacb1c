"""Daly's battery platform on the wire: switch a bike, ask for its state."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Never

from mpm_core import (
    CallContext,
    Misconfigured,
    NotSent,
    OutcomeUnknown,
    PluginRuntime,
    Refused,
    Secret,
    Throttled,
)
from mpm_core.outbound.answers import Answer
from mpm_daly.access import AccessTokens
from mpm_daly.mapping import Envelope, find_row, read_envelope, state_query, switch_command
from mpm_daly.settings import DalySettings

__all__ = ["DalyClient"]

# Said before the platform looks at a bike: a stale login, a closed door, an unknown path.
_NOT_PROCESSED = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
)
# In the body, the only ones under which Daly's words are a no.
_REFUSALS = (
    HTTPStatus.OK,
    HTTPStatus.CREATED,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_LEFT_OPEN = ("timeout", "timed out", "queue")  # the command may still reach the bike
_OUT_OF_REACH = "offline"


class DalyClient:
    """Calls Daly for one instance; several threads may share it."""

    def __init__(self, settings: DalySettings, runtime: PluginRuntime) -> None:
        self._http = runtime.http
        self._url = settings.api_url.rstrip("/")
        self._password = settings.password
        self._access = AccessTokens(settings, runtime)

    def switch(self, serial: str, context: CallContext, *, on: bool) -> None:
        """Switch a bike on or off. It asks for a state, so repeating it changes nothing.

        Raises:
            Refused: Daly's own no, in its words.
            NotSent: the bike is out of reach, or Daly is: later.
            Throttled, Misconfigured: nothing happened.
            OutcomeUnknown: the bike may have been switched.
        """
        answer, envelope = self._call("Monitor/Send", switch_command(serial, on=on), context)
        if envelope.success:
            return
        _raise_failure(answer, envelope)

    def find_bike(self, serial: str, context: CallContext) -> Mapping[str, object] | None:
        """Return what Daly knows of a bike, or `None` if it knows no such bike.

        Raises:
            NotSent, Throttled, Misconfigured: no answer was to be had.
        """
        answer, envelope = self._call("Monitor/Refresh", state_query(serial), context, effect=False)
        if not envelope.success or not isinstance(envelope.data, list):
            raise answer.unusable("it lists no bikes")
        return find_row(envelope.data, serial)

    def check(self, context: CallContext) -> None:
        """Log in afresh: the only call that changes nothing and needs no bike."""
        self._access.check(context)

    def _call(
        self,
        path: str,
        fields: Mapping[str, object],
        context: CallContext,
        *,
        effect: bool | None = None,
    ) -> tuple[Answer, Envelope]:
        """Send a request; if the login is stale once more with a new one, for nothing was done.

        Raises:
            Misconfigured: refused with a fresh login too, or forbidden.
        """
        for _try in range(2):
            token = self._access.get(context)
            answer = self._http.request(
                "POST",
                f"{self._url}/{path}",
                context=context,
                headers={
                    "Accept": "application/json",
                    "Authorization": f"Bearer {token.reveal()}",
                },
                json=fields,
                effect=effect,
                not_processed=_NOT_PROCESSED,
            )
            envelope = self._opened(answer.expect_success(), token)
            if envelope is not None:
                return answer, envelope
            self._access.forget(token, context)
        raise Misconfigured(
            f"{self._url} refused a fresh login (status 401); ask Daly what this account may do."
        )

    def _opened(self, answer: Answer, token: Secret) -> Envelope | None:
        """Return what is in an answer; `None` if the login is stale."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return None
        if answer.status in _NOT_PROCESSED:
            raise Misconfigured(
                f"{self._url} answered status {answer.status}; correct api_url, or ask Daly what "
                "this account may do."
            )
        envelope = read_envelope(answer.json(), self._password, token)
        if envelope is None or answer.status >= HTTPStatus.BAD_REQUEST:
            raise answer.unusable("that is no answer of Daly's platform")
        return None if envelope.status == HTTPStatus.UNAUTHORIZED else envelope


def _raise_failure(answer: Answer, envelope: Envelope) -> Never:
    """Sort a switch that Daly did not do."""
    if not envelope.refused or not envelope.message:
        raise answer.unusable("it says neither yes nor why not")
    said, words = f"Daly answered {envelope.status} {envelope.message}", envelope.message.lower()
    if envelope.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Throttled(f"{said}: not now.")
    if envelope.status not in _REFUSALS or any(word in words for word in _LEFT_OPEN):
        raise OutcomeUnknown(f"{said}; the bike may have been switched.")
    if _OUT_OF_REACH in words:
        raise NotSent(f"Daly: {envelope.message}. The bike is out of reach; later.")
    raise Refused(envelope.message, str(envelope.status))
