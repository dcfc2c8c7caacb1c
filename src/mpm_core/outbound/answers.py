"""What a plugin gets back from the outbound client, and what an unusable answer means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

import attrs

from mpm_core.errors import NotSent, OutcomeError, OutcomeUnknown, Throttled
from mpm_core.exact_json import read_json

__all__ = ["Answer"]

_LONGEST_WAIT = timedelta(hours=1)
_LONGEST_SECONDS_TEXT = 9
_ENCODINGS = {  # declared charset -> codec; anything else is not guessed
    "": "utf-8-sig",
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
}


@attrs.frozen(kw_only=True)
class Answer:
    """One whole answer of the other side.

    Attributes:
        status: never a redirect; those are refused before.
        headers: names in lower case.
        content_type: in lower case, without parameters: `application/json`.
        body: decompressed, within the size cap.
        where: `POST host/path`, for messages.
        had_effect: the request may have changed something.
        earlier_effect: so may an earlier request of the same hook call.
        received_at: the hook call's `now`, to read dates by.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(
        factory=dict, repr=lambda headers: repr(sorted(headers))
    )
    content_type: str = ""
    body: bytes = attrs.field(default=b"", repr=lambda body: f"<{len(body)} bytes>")
    where: str = attrs.field(default="", eq=False)
    had_effect: bool = attrs.field(default=True, eq=False)
    earlier_effect: bool = attrs.field(default=False, eq=False)
    received_at: datetime | None = attrs.field(default=None, eq=False)

    def text(self) -> str:
        """Return the body as text, by the declared charset or UTF-8.

        Raises:
            OutcomeUnknown: it cannot be decoded, and the request may have had an effect.
            NotSent: the same, without one.
        """
        codec = _ENCODINGS.get(_charset(self.headers.get("content-type", "")))
        if codec is None:
            raise self.unusable("its charset is not one we read")
        try:
            return self.body.decode(codec)
        except UnicodeDecodeError:
            raise self.unusable("its bytes do not fit its charset") from None

    def json(self) -> object:
        """Return the body as JSON: `Decimal` for fractions; doubled members and NaN are refused.

        Raises:
            OutcomeUnknown: it is not JSON, and the request may have had an effect.
            NotSent: the same, without one.
        """
        if self.content_type.endswith(("html", "xml")):  # a portal's login page, a proxy's error
            raise self.unusable("it is a page, not JSON")
        try:
            return read_json(self.text())
        except ValueError as error:
            raise self.unusable(f"it is not readable JSON ({error})") from None

    def unusable(self, reason: str) -> OutcomeError:
        """Return the error to raise when this answer does not say what it must.

        Args:
            reason: a clause without secrets, such as `it holds no token`.
        """
        kind = self.content_type or "no content type"
        return _outcome(
            f"{self.where} answered {self.status} ({kind}), but {reason}",
            may_have_left=self.had_effect or self.earlier_effect,
        )

    def expect_success(self) -> Answer:
        """Sort out what every HTTP server means alike, and return the answer itself otherwise.

        Client errors other than 429 are left to the plugin, which knows their meaning.

        Raises:
            Throttled: 429, or 503 with a `Retry-After`; `after` is at most an hour.
            OutcomeUnknown: another 5xx, and the request may have had an effect.
            NotSent: another 5xx, without one.
        """
        after = self._retry_after()
        throttled = self.status == HTTPStatus.TOO_MANY_REQUESTS or (
            self.status == HTTPStatus.SERVICE_UNAVAILABLE and after is not None
        )
        if throttled and not self.earlier_effect:
            raise Throttled(f"{self.where} answered {self.status}: not now.", after)
        if throttled or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _outcome(
                f"{self.where} answered {self.status}",
                may_have_left=self.had_effect or self.earlier_effect,
            )
        return self

    def _retry_after(self) -> timedelta | None:
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdecimal():
            seconds = int(text[:_LONGEST_SECONDS_TEXT])
            return min(timedelta(seconds=seconds), _LONGEST_WAIT)
        if not text or self.received_at is None:
            return None
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - loads half of `email`

        try:
            until = parsedate_to_datetime(text)
        except (ValueError, OverflowError):  # the latter of a zone that is none
            return None
        if until.tzinfo is None:
            return None
        return max(timedelta(0), min(until - self.received_at, _LONGEST_WAIT))


def _charset(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""


def _outcome(what: str, *, may_have_left: bool) -> OutcomeError:
    if may_have_left:
        return OutcomeUnknown(f"{what}; the request may have taken effect.")
    return NotSent(f"{what}; nothing happened.")
