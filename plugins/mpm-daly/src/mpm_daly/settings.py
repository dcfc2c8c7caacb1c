"""What the Daly plugin must be told."""

from __future__ import annotations

import attrs

from mpm_core import Secret, setting

__all__ = ["DalySettings"]


@attrs.frozen(kw_only=True)
class DalySettings:
    """Where Daly's battery platform is, and who we are there."""

    api_url: str = setting(
        help="Base URL of Daly's platform, up to and including /api.",
        kind="url",
        example="https://bms.daly.example/api",
    )
    username: str = setting(help="User name of the company's account.", example="umeme")
    password: Secret = setting(help="Password of that account.")
