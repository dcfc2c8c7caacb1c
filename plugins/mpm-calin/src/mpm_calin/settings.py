"""What an instance of the Calin plugin must be told."""

from __future__ import annotations

import attrs

from mpm_core import Secret, setting

__all__ = ["CalinSettings"]


@attrs.frozen(kw_only=True)
class CalinSettings:
    """Where Calin's v1 token server is and who we are there."""

    api_url: str = setting(
        help="Base URL of Calin's token server, as Calin gave it, up to and including /api.",
        kind="url",
        example="https://calin.example/api",
    )
    user_id: str = setting(help="User id Calin gave the company.", example="umeme")
    api_key: Secret = setting(help="API key Calin gave the company; sent as the password.")
