"""What an instance of the plugin must be told."""

from __future__ import annotations

import attrs

from mpm_core import Secret, setting

__all__ = ["AngazaSettings"]


@attrs.frozen(kw_only=True)
class AngazaSettings:
    """Where the vendor's API is, and who we are there."""

    api_url: str = setting(
        help="Base URL of Nexus, up to and with its version.",
        kind="url",
        example="https://nexus.angaza.example/nexus/v1",
    )
    client_id: str = setting(help="Client id the vendor gave the company.", example="umeme")
    client_secret: Secret = setting(help="Secret of that client id.")
