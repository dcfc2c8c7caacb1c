"""Airtel's four ways of proving who it is (C2B COMMAND interface, authentication).

Every comparison takes constant time, every candidate is always computed, and every failure is the
same `Unauthenticated`: nobody learns whether the user name or the password was wrong.
"""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import attrs

from mpm_airtel.settings import AirtelSettings, AuthenticationMode
from mpm_core import FlatDocument, Secret, Unauthenticated
from mpm_core.exact_json import read_json

if TYPE_CHECKING:  # PyJWT loads cryptography; only mode jwt_hs512 pays for it
    from jwt import PyJWS

__all__ = [
    "Authentication",
    "BasicCredentials",
    "BodyCredentials",
    "SignedToken",
    "StaticToken",
    "can_sign",
    "make_authentication",
    "signing_key",
]

_ALGORITHM = "HS512"
_LEEWAY = 60  # seconds by which Airtel's clock may differ from ours
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEY_BYTES = 64


class Authentication(Protocol):
    """One way of proving who calls: by headers, checked before the body is read, or by fields."""

    def check_headers(self, headers: Mapping[str, str], now: datetime) -> str | None:
        """Check the headers.

        Returns:
            The transaction id this proof is good for; `None` if it is not bound to one.

        Raises:
            Unauthenticated: they do not prove that Airtel calls.
        """
        ...

    def check_fields(self, command: FlatDocument) -> None:
        """Check the fields.

        Raises:
            Unauthenticated: they do not prove that Airtel calls.
        """
        ...


def make_authentication(settings: AirtelSettings) -> Authentication:
    """Choose the way the settings name; `check_settings` has seen that they are complete."""
    user, password = settings.username or "", settings.password or Secret("")
    match settings.mode:
        case AuthenticationMode.JWT_HS512:
            secrets = (settings.jwt_secret, settings.jwt_secret_previous)
            known = tuple(secret for secret in secrets if secret)
            return SignedToken(secrets=known, max_age=settings.jwt_max_age)
        case AuthenticationMode.BODY_CREDENTIALS:
            return BodyCredentials(user=Secret(user), password=password)
        case AuthenticationMode.BASIC:
            return BasicCredentials(user=Secret(user), password=password)
        case AuthenticationMode.BEARER_STATIC:
            return StaticToken(token=settings.bearer_token or Secret(""))


@attrs.frozen(kw_only=True)
class SignedToken:
    """`Authorization: Bearer <JWT>`, HS512 only, with `exp` and `payload.txnId`.

    Attributes:
        secrets: the one in use and, while it changes, the one before.
        max_age: seconds that `exp` may lie ahead (the leeway comes on top); `None`: any.
    """

    secrets: tuple[Secret, ...]
    max_age: int | None = None

    def check_headers(self, headers: Mapping[str, str], now: datetime) -> str | None:
        """Check signature and times; return `payload.txnId`."""
        token = _credentials(headers, "bearer")
        # A list, so that every secret is tried whichever of them fits.
        payloads = [_signed_payload(token, secret) for secret in self.secrets]
        signed = [payload for payload in payloads if payload is not None]
        if not signed:
            raise _refusal()
        claims = _read_claims(signed[0])
        self._check_times(claims, (now - _EPOCH) // timedelta(seconds=1))
        return _transaction_id(claims)

    def check_fields(self, command: FlatDocument) -> None:
        """Nothing: the header is the proof."""

    def _check_times(self, claims: Mapping[str, object], now: int) -> None:
        expires = _numeric_date(claims.get("exp"))
        if expires <= now - _LEEWAY:
            raise _refusal()
        if self.max_age is not None and expires > now + self.max_age + _LEEWAY:
            raise _refusal()
        if "nbf" in claims and _numeric_date(claims["nbf"]) > now + _LEEWAY:
            raise _refusal()


@attrs.frozen(kw_only=True)
class BodyCredentials:
    """USERNAME and PASSWORD elements in the body."""

    user: Secret
    password: Secret

    def check_headers(self, headers: Mapping[str, str], now: datetime) -> None:
        """Nothing: the fields are the proof."""

    def check_fields(self, command: FlatDocument) -> None:
        """Compare both elements."""
        _compare_both(self, command.get("USERNAME"), command.get("PASSWORD"))


@attrs.frozen(kw_only=True)
class BasicCredentials:
    """`Authorization: Basic …` (RFC 7617), UTF-8."""

    user: Secret
    password: Secret

    def check_headers(self, headers: Mapping[str, str], now: datetime) -> None:  # noqa: ARG002 - no times in it
        """Compare user name and password."""
        try:
            pair = base64.b64decode(_credentials(headers, "basic"), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise _refusal() from None
        user, _, password = pair.partition(":")
        _compare_both(self, user, password)

    def check_fields(self, command: FlatDocument) -> None:
        """Nothing: the header is the proof."""


@attrs.frozen(kw_only=True)
class StaticToken:
    """A fixed value of the Authorization header, with or without the word Bearer."""

    token: Secret

    def check_headers(self, headers: Mapping[str, str], now: datetime) -> None:  # noqa: ARG002 - no times in it
        """Compare the header's value, and what follows its first word."""
        whole = headers.get("authorization", "").strip()
        is_whole = self.token.matches(whole)
        is_bearer = self.token.matches(_credentials(headers, "bearer"))
        if not (is_whole | is_bearer):
            raise _refusal()

    def check_fields(self, command: FlatDocument) -> None:
        """Nothing: the header is the proof."""


def signing_key(secret: Secret) -> bytes:
    """Return the bytes that sign.

    HMAC pads a short key with zeros itself (RFC 2104 section 2), so padding it here changes no
    signature; it keeps PyJWT from warning at every call about what `check_settings` said once.
    """
    return secret.reveal().encode().ljust(_KEY_BYTES, b"\0")


def can_sign(secret: Secret) -> bool:
    """Tell whether a text is usable as an HS512 secret: PyJWT refuses public keys in its place."""
    import jwt  # noqa: PLC0415 - loads cryptography; only mode jwt_hs512 pays for it

    try:
        jwt.get_algorithm_by_name(_ALGORITHM).prepare_key(secret.reveal())
    except jwt.InvalidKeyError:
        return False
    return True


@functools.cache
def _token_reader() -> PyJWS:
    """Return a reader that knows one algorithm only, whatever a token's header says."""
    from jwt import PyJWS  # noqa: PLC0415 - as above
    from jwt.algorithms import HMACAlgorithm  # noqa: PLC0415 - as above

    class CheckedKey(HMACAlgorithm):
        """Takes a key as it is: `can_sign` looked once at what PyJWT would look at every call."""

        def prepare_key(self, key: str | bytes) -> bytes:
            return key.encode() if isinstance(key, str) else key

    reader = PyJWS(algorithms=[])
    reader.register_algorithm(_ALGORITHM, CheckedKey(HMACAlgorithm.SHA512))
    return reader


def _signed_payload(token: str, secret: Secret) -> bytes | None:
    """Return what a token says if this secret signed it."""
    from jwt import PyJWTError  # noqa: PLC0415 - as above

    try:
        payload: bytes = _token_reader().decode(token, signing_key(secret), [_ALGORITHM])
    except (PyJWTError, ValueError):  # ValueError: the header value is no text of an HTTP header
        return None
    return payload


def _read_claims(payload: bytes) -> dict[str, object]:
    try:
        claims = read_json(payload.decode("utf-8"))
    except ValueError:
        raise _refusal() from None
    if not isinstance(claims, dict):
        raise _refusal()
    return claims


def _numeric_date(value: object) -> int | Decimal:
    """Read seconds since 1970 (RFC 7519 section 2, NumericDate); they may have a fraction."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _refusal()
    return value


def _transaction_id(claims: Mapping[str, object]) -> str:
    payload = claims.get("payload")
    value = payload.get("txnId") if isinstance(payload, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int):  # ids may be all digits
        raise _refusal()
    transaction_id = str(value).strip()
    if not transaction_id:
        raise _refusal()
    return transaction_id


def _credentials(headers: Mapping[str, str], scheme: str) -> str:
    """Return what follows the scheme in the Authorization header; empty for another scheme."""
    found, _, credentials = headers.get("authorization", "").strip().partition(" ")
    return credentials.strip() if found.lower() == scheme else ""


def _compare_both(expected: BodyCredentials | BasicCredentials, user: str, password: str) -> None:
    is_user = expected.user.matches(user)
    is_password = expected.password.matches(password)
    if not (is_user & is_password):
        raise _refusal()


def _refusal() -> Unauthenticated:
    return Unauthenticated("Invalid Token")
