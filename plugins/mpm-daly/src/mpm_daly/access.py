"""Daly's login: one access token per instance, shared while it is good.

Daly wants user name and password in the query of the URL. The outbound client shows no query in any
message; whoever runs a proxy in between should switch its access log off.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus

import attrs

from mpm_core import CallContext, Misconfigured, NotSent, PluginRuntime, Secret
from mpm_core.effects import seconds_left
from mpm_core.outbound.answers import Answer
from mpm_daly.settings import DalySettings

__all__ = ["AccessTokens"]

_MARGIN = timedelta(seconds=30)  # a token must outlive the call it is used for
_LONGEST_LIFE = timedelta(days=7)
_LONGEST_TOKEN = 8192
_SERVER_ERRORS = 500


@attrs.frozen
class _Access:
    token: Secret
    good_until: datetime


class AccessTokens:
    """The access token of one instance; several threads may ask, one of them logs in."""

    def __init__(self, settings: DalySettings, runtime: PluginRuntime) -> None:
        self._settings = settings
        self._http = runtime.http
        self._url = f"{settings.api_url.rstrip('/')}/Login/Authenticate"
        self._current: _Access | None = None
        self._lock = threading.Lock()

    def get(self, context: CallContext) -> Secret:
        """Return a good access token, logging in if there is none.

        Raises:
            Misconfigured: Daly refuses the credentials, or `api_url` is wrong.
            NotSent: the login is not to be had now.
        """
        with self._turn(context):
            current = self._current
            if current is None or current.good_until <= context.now:
                current = self._current = self._log_in(context)
            return current.token

    def forget(self, token: Secret, context: CallContext) -> None:
        """Drop a token Daly no longer takes, unless a newer one is already there.

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
            raise NotSent("Another call's login at Daly did not end in time; nothing was asked.")
        try:
            yield
        finally:
            self._lock.release()

    def _log_in(self, context: CallContext) -> _Access:
        answer = self._http.request(
            "POST",
            self._url,
            context=context,
            headers={"Accept": "application/json"},
            params={
                "Username": self._settings.username,
                "Password": self._settings.password.reveal(),
            },
            content=b"",
            effect=False,
        ).expect_success()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise _refused(answer.status)
        return _read_access(answer, context.now)


def _refused(status: int) -> Misconfigured:
    return Misconfigured(
        f"Daly's login answered status {status}; correct api_url, username or password."
    )


def _read_access(answer: Answer, now: datetime) -> _Access:
    """Read the token; Daly's own status is in the body and its words may repeat what was sent."""
    body = answer.json()
    fields = body if isinstance(body, Mapping) else {}
    status = fields.get("status")
    if isinstance(status, int) and HTTPStatus.BAD_REQUEST <= status < _SERVER_ERRORS:
        raise _refused(status)
    response = fields.get("response")
    granted = response if status == HTTPStatus.OK and isinstance(response, Mapping) else {}
    token = granted.get("token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise answer.unusable("it holds no access token")
    if not 0 < len(token) <= _LONGEST_TOKEN:
        raise answer.unusable("it holds no access token")
    return _Access(Secret(token), now + _life(granted.get("expires_in")) - _MARGIN)


def _life(seconds: object) -> timedelta:
    """Read `expires_in`, a number or its text; without one the token serves a single call."""
    text = str(seconds)
    if isinstance(seconds, bool) or not (text.isascii() and text.isdecimal()):
        return timedelta(0)
    return timedelta(seconds=min(int(text[:9]), int(_LONGEST_LIFE.total_seconds())))
