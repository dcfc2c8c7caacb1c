"""SunKing's login (OAuth2 client credentials): one access token, shared while it is good."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus

import attrs

from mpm_core import CallContext, Misconfigured, NotSent, PluginRuntime, Secret
from mpm_core.effects import seconds_left
from mpm_core.outbound.answers import Answer
from mpm_sunking.settings import SunKingSettings

__all__ = ["AccessTokens"]

_MARGIN = timedelta(seconds=30)  # a token must outlive the call it is used for
_LONGEST_LIFE = timedelta(days=1)
_REFUSALS = (
    HTTPStatus.BAD_REQUEST,  # older Keycloaks say this to a wrong secret
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
)


@attrs.frozen
class _Access:
    token: Secret
    good_until: datetime


class AccessTokens:
    """The access token of one instance; several threads may ask, one of them logs in."""

    def __init__(self, settings: SunKingSettings, runtime: PluginRuntime) -> None:
        self._settings = settings
        self._http = runtime.http
        self._current: _Access | None = None
        self._lock = threading.Lock()

    def get(self, context: CallContext) -> Secret:
        """Return a good access token, logging in if there is none.

        Raises:
            Misconfigured: SunKing refuses the credentials, or `auth_url` is wrong.
            NotSent: the login is not to be had now.
        """
        with self._turn(context):
            current = self._current
            if current is None or current.good_until <= context.now:
                current = self._current = self._log_in(context)
            return current.token

    def forget(self, token: Secret, context: CallContext) -> None:
        """Drop a token SunKing no longer takes, unless a newer one is already there.

        Raises:
            NotSent: another call's login keeps us waiting.
        """
        with self._turn(context):
            if self._current is not None and self._current.token == token:
                self._current = None

    def check(self, context: CallContext) -> None:
        """Log in afresh, whatever is remembered; raises as `get` does."""
        with self._turn(context):
            self._current = self._log_in(context)

    @contextmanager
    def _turn(self, context: CallContext) -> Iterator[None]:
        """Wait for another thread's login, but never longer than this call has time left."""
        if not self._lock.acquire(timeout=seconds_left(context)):
            raise NotSent("Another call's login at SunKing did not end in time; nothing was asked.")
        try:
            yield
        finally:
            self._lock.release()

    def _log_in(self, context: CallContext) -> _Access:
        answer = self._http.request(
            "POST",
            self._settings.auth_url,
            context=context,
            form={
                "grant_type": "client_credentials",
                "client_id": self._settings.client_id,
                "client_secret": self._settings.client_secret.reveal(),
                "scope": self._settings.scope,
            },
            effect=False,
        ).expect_success()
        if answer.status in _REFUSALS:
            raise Misconfigured(
                f"SunKing's login answered status {answer.status}; correct auth_url, client_id, "
                "client_secret or scope."
            )
        return _read_access(answer, context.now)


def _read_access(answer: Answer, now: datetime) -> _Access:
    body = answer.json()
    fields = body if isinstance(body, dict) else {}
    token = fields.get("access_token")
    usable = isinstance(token, str) and token.isascii() and token.isprintable()
    if not usable or not token or answer.status >= HTTPStatus.BAD_REQUEST:
        raise answer.unusable("it holds no access token")
    return _Access(Secret(token), now + _life(fields.get("expires_in")) - _MARGIN)


def _life(seconds: object) -> timedelta:
    """Read `expires_in`; without a readable one the token serves a single call."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | Decimal):
        return timedelta(0)
    return timedelta(seconds=int(max(0, min(seconds, int(_LONGEST_LIFE.total_seconds())))))
