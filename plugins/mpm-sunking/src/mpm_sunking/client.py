"""SunKing's asset control on the wire: mint a keypad token, look a device up."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Never
from urllib.parse import quote

from mpm_core import (
    CallContext,
    DeviceMapping,
    Misconfigured,
    NothingHappened,
    OutcomeUnknown,
    PluginRuntime,
    Refused,
    Secret,
)
from mpm_core.outbound.answers import Answer
from mpm_sunking.access import AccessTokens
from mpm_sunking.mapping import DEVICE_NOT_FOUND, read_message, read_token
from mpm_sunking.settings import SunKingSettings

__all__ = ["SunKingClient"]

# Said before asset control does anything: a stale login, a closed door, an unknown path or device.
_NOT_PROCESSED = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
)
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class SunKingClient:
    """Calls SunKing for one instance; several threads may share it."""

    def __init__(self, settings: SunKingSettings, runtime: PluginRuntime) -> None:
        self._http = runtime.http
        self._url = settings.api_url.rstrip("/")
        self._client_secret = settings.client_secret
        self._access = AccessTokens(settings, runtime)

    def mint(self, command: Mapping[str, object], context: CallContext) -> Secret:
        """Ask for a keypad token. Every call that succeeds mints another one.

        Raises:
            Refused: SunKing's own no, in its words.
            NotSent, Throttled, Misconfigured: nothing was minted.
            OutcomeUnknown: a token may have been.
        """
        answer, access = self._call("POST", "token", context, command)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            _raise_refusal(answer, _message_of(answer, self._client_secret, access))
        token = read_token(answer.json())
        if token is None:
            raise OutcomeUnknown(
                "SunKing reported success without a usable token; it may have minted one."
            )
        return token

    def find_device(self, serial: str, context: CallContext) -> DeviceMapping:
        """Ask whether SunKing knows a device.

        Raises:
            NotSent, Throttled, Misconfigured: no answer was to be had.
        """
        answer, _access = self._call("GET", f"device_details/{quote(serial, safe='')}", context)
        if answer.status == HTTPStatus.NOT_FOUND and _message_of(answer) == DEVICE_NOT_FOUND:
            return DeviceMapping.NOT_MAPPED
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise answer.unusable("that is no answer about a device")
        details = answer.json()
        if not isinstance(details, dict) or not details.get("device", details):
            raise answer.unusable("it describes no device")
        return DeviceMapping.MAPPED

    def check(self, context: CallContext) -> None:
        """Log in afresh: the only call that changes nothing and needs no device."""
        self._access.check(context)

    def _call(
        self,
        method: str,
        path: str,
        context: CallContext,
        json: Mapping[str, object] | None = None,
    ) -> tuple[Answer, Secret]:
        """Send a request; after a 401 once more with a new login, for a 401 means nothing was done.

        Returns:
            The answer, and the access token it may repeat.

        Raises:
            Misconfigured: refused with a fresh login too, or forbidden.
        """
        for _try in range(2):
            token = self._access.get(context)
            answer = self._http.request(
                method,
                f"{self._url}/{path}",
                context=context,
                headers={
                    "Accept": "application/json",
                    "Authorization": f"Bearer {token.reveal()}",
                },
                json=json,
                not_processed=_NOT_PROCESSED,
            )
            if answer.status != HTTPStatus.UNAUTHORIZED:
                return self._check_door(answer.expect_success()), token
            self._access.forget(token, context)
        raise Misconfigured(
            f"{self._url} refused a fresh login (status 401); "
            "check that auth_url and api_url belong together, then ask SunKing."
        )

    def _check_door(self, answer: Answer) -> Answer:
        if answer.status in {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED}:
            raise Misconfigured(
                f"{self._url} answered status {answer.status}; "
                "correct api_url, or ask SunKing to allow this client."
            )
        return answer


def _raise_refusal(answer: Answer, message: str) -> Never:
    """Sort a 4xx of a mint call."""
    if answer.status == HTTPStatus.NOT_FOUND and message != DEVICE_NOT_FOUND:
        raise Misconfigured(
            f"{answer.where} answered status 404 and not '{DEVICE_NOT_FOUND}'; correct api_url."
        )
    if message and answer.status in {HTTPStatus.NOT_FOUND, *_REFUSALS}:
        raise Refused(message, str(int(answer.status)))
    raise OutcomeUnknown(
        f"SunKing answered status {answer.status} in no documented form; "
        "it may have minted a token."
    )


def _message_of(answer: Answer, *secrets: Secret) -> str:
    try:
        return read_message(answer.json(), *secrets)
    except (OutcomeUnknown, NothingHappened):
        return ""
