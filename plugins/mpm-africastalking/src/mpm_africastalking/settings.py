"""What the Africa's Talking plugin must be told."""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs

from mpm_core import Secret, setting

__all__ = ["AfricasTalkingSettings"]

LIVE_URL = "https://api.africastalking.com"
SANDBOX_URL = "https://api.sandbox.africastalking.com"
SANDBOX_USERNAME = "sandbox"


@attrs.frozen(kw_only=True)
class AfricasTalkingSettings:
    """Which Africa's Talking application sends, and as whom.

    Raises:
        ValueError: live user name and sandbox address, or the other way round.
    """

    username: str = setting(
        help="User name of the Africa's Talking application; sandbox for the sandbox.",
        example="umeme",
    )
    api_key: Secret = setting(help="API key of that application; a new one works after minutes.")
    sender_id: str | None = setting(
        help="Registered sender id or short code; Africa's Talking's own if not set.",
        default=None,
        example="UMEME",
        pattern=r"[0-9A-Za-z][0-9A-Za-z ._&-]{0,10}|[0-9]{3,15}",
    )
    api_url: str = setting(
        help=f"Base URL of the API; {SANDBOX_URL} for the sandbox.", default=LIVE_URL, kind="url"
    )

    def __attrs_post_init__(self) -> None:
        if self.is_sandbox and self.username != SANDBOX_USERNAME:
            raise ValueError(
                f"username {self.username!r} belongs to the live API, but api_url is the sandbox; "
                f"write username = {SANDBOX_USERNAME!r} or leave out api_url."
            )
        if self.username == SANDBOX_USERNAME and _host(self.api_url) == _host(LIVE_URL):
            raise ValueError(
                f"username {SANDBOX_USERNAME!r} belongs to the sandbox, but api_url is the live "
                f"API; write api_url = {SANDBOX_URL!r} or the application's own user name."
            )

    @property
    def is_sandbox(self) -> bool:
        """Tell whether messages go to the sandbox, which delivers to nobody's phone."""
        return _host(self.api_url) == _host(SANDBOX_URL)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()
