"""What a company agrees with Airtel, and which of it each way of authenticating needs."""

from __future__ import annotations

import logging
from enum import StrEnum

import attrs

from mpm_core import PluginRuntime, Secret, SettingsError, setting

__all__ = ["AirtelSettings", "AuthenticationMode", "StatusWords", "check_settings"]

_log = logging.getLogger(__name__)
_SECRET_BYTES = 64  # RFC 7518 section 3.2: an HS512 key is at least as long as its hash


class AuthenticationMode(StrEnum):
    """The four ways in which Airtel has been seen to prove who it is."""

    JWT_HS512 = "jwt_hs512"
    BODY_CREDENTIALS = "body_credentials"
    BASIC = "basic"
    BEARER_STATIC = "bearer_static"


class StatusWords(StrEnum):
    """The vocabulary of the STATUS element."""

    NUMERIC = "numeric"
    WORDS = "words"


@attrs.frozen(kw_only=True)
class AirtelSettings:
    """Settings of one instance; the company gives country and currency."""

    mode: AuthenticationMode = setting(
        help="How Airtel proves who it is: one of the four ways its onboarding packs describe",
        default=AuthenticationMode.JWT_HS512,
    )
    jwt_secret: Secret | None = setting(
        help="Secret that signs Airtel's tokens (mode jwt_hs512); 64 bytes or more in production",
        default=None,
    )
    jwt_secret_previous: Secret | None = setting(
        help="The secret before, accepted as well while Airtel changes over; remove it afterwards",
        default=None,
    )
    jwt_max_age: int | None = setting(
        help="Refuse tokens that expire more than this many seconds ahead; off if not set",
        default=None,
        example="600",
        minimum=1,
    )
    username: str | None = setting(
        help="User name Airtel sends (modes body_credentials and basic)", default=None
    )
    password: Secret | None = setting(
        help="Password Airtel sends (modes body_credentials and basic)", default=None
    )
    bearer_token: Secret | None = setting(
        help="Fixed token Airtel sends in the Authorization header (mode bearer_static)",
        default=None,
    )
    merchant_msisdn: str | None = setting(
        help="Our merchant number; if set, calls for another merchant are refused",
        default=None,
        example="680000001",
        pattern=r"\+?[0-9]{4,20}",
    )
    status_words: StatusWords = setting(
        help="Write STATUS as numbers (200, 400) or as words (SUCCESS, FAILED)",
        default=StatusWords.NUMERIC,
    )
    accept_json: bool = setting(
        help="Also read the JSON variant with the same keys, and answer it in JSON", default=False
    )


_NEEDED = {
    AuthenticationMode.JWT_HS512: ("jwt_secret",),
    AuthenticationMode.BODY_CREDENTIALS: ("username", "password"),
    AuthenticationMode.BASIC: ("username", "password"),
    AuthenticationMode.BEARER_STATIC: ("bearer_token",),
}


def check_settings(settings: AirtelSettings, runtime: PluginRuntime) -> None:
    """Check what one setting alone cannot show: that the chosen mode has its credentials.

    Raises:
        SettingsError: a credential of the mode is missing or unfit; names company and setting.
    """
    for name in _NEEDED[settings.mode]:
        if not getattr(settings, name):
            raise _mistake(
                runtime,
                name,
                f"is missing; mode {settings.mode} needs it: set what Airtel gave you.",
            )
    if settings.mode == AuthenticationMode.JWT_HS512:
        for name in ("jwt_secret", "jwt_secret_previous"):
            secret: Secret | None = getattr(settings, name)
            if secret is not None:
                _check_signing_secret(name, secret, runtime)


def _check_signing_secret(name: str, secret: Secret, runtime: PluginRuntime) -> None:
    from mpm_airtel.authentication import can_sign  # noqa: PLC0415 - loads PyJWT, for this mode only

    if not can_sign(secret):
        raise _mistake(
            runtime, name, "is empty, a public key or a certificate; set the shared HS512 secret."
        )
    length = len(secret.reveal().encode())
    if length >= _SECRET_BYTES:
        return
    short = f"has {length} bytes; HS512 needs {_SECRET_BYTES} or more: agree on a longer one."
    if runtime.production:
        raise _mistake(runtime, name, short)
    _log.warning("%s Production will refuse it.", _mistake(runtime, name, short))


def _mistake(runtime: PluginRuntime, name: str, what: str) -> SettingsError:
    return SettingsError(
        f"Company {runtime.company.slug!r}, instance {runtime.instance!r}, setting {name!r} {what}"
    )
