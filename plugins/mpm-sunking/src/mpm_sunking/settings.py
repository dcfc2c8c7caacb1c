"""What an instance of the SunKing plugin must be told."""

from __future__ import annotations

import attrs

from mpm_core import Secret, setting

__all__ = ["SunKingSettings"]


@attrs.frozen(kw_only=True)
class SunKingSettings:
    """Where SunKing's login and asset control are, and who we are there."""

    auth_url: str = setting(
        help="Address of the login itself, ending in /protocol/openid-connect/token.",
        kind="url",
        example="https://auth.sunking.example/auth/realms/prod/protocol/openid-connect/token",
    )
    api_url: str = setting(
        help="Base URL of SunKing's asset control, up to and including /v2.",
        kind="url",
        example="https://assetcontrol.sunking.example/v2",
    )
    client_id: str = setting(help="Client id SunKing gave the company.", example="umeme")
    client_secret: Secret = setting(help="Client secret SunKing gave the company.")
    scope: str = setting(help="Scope asked for at login.", default="roles")
