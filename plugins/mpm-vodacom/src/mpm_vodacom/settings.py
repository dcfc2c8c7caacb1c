"""What a company agrees with Vodacom, or with the middleware at its end."""

from __future__ import annotations

import attrs

from mpm_core import PluginRuntime, Secret, SettingsError, setting
from mpm_vodacom.serial_patterns import problem_of

__all__ = ["VodacomSettings", "check_settings"]

_OPTIONAL_SECRETS = ("api_key_previous", "signature_secret")


@attrs.frozen(kw_only=True)
class VodacomSettings:
    """Settings of one instance; the company gives country and currency."""

    api_key: Secret = setting(help="Key Vodacom sends as Authorization: Bearer; 32 random bytes")
    api_key_previous: Secret | None = setting(
        help="The key before, accepted as well while Vodacom changes over; remove it afterwards",
        default=None,
    )
    signature_secret: Secret | None = setting(
        help="If set, every call must carry an X-Signature header made with this secret",
        default=None,
    )
    signature_tolerance: int = setting(
        help="Seconds a signature's time may differ from ours", default=300, minimum=1, maximum=3600
    )
    serial_pattern: str = setting(
        help="Regular expression a serial must match as a whole",
        default="^[A-Za-z0-9-]{4,32}$",
    )


def check_settings(settings: VodacomSettings, runtime: PluginRuntime) -> None:
    """Check what the types cannot show.

    Raises:
        SettingsError: an optional secret is empty, or the pattern is none or may take too long.
    """
    for name in _OPTIONAL_SECRETS:
        secret: Secret | None = getattr(settings, name)
        if secret is not None and not secret:
            raise _mistake(runtime, name, "is empty; set the text agreed with Vodacom.")
    if problem := problem_of(settings.serial_pattern):
        raise _mistake(runtime, "serial_pattern", f"{settings.serial_pattern!r} {problem}")


def _mistake(runtime: PluginRuntime, name: str, what: str) -> SettingsError:
    return SettingsError(
        f"Company {runtime.company.slug!r}, instance {runtime.instance!r}, setting {name!r} {what}"
    )
