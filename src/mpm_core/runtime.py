"""What an instance of a plugin is given besides its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:  # outbound loads httpx; plugins that call nobody need not pay for it
    from mpm_core.outbound import OutboundClient

__all__ = ["Company", "PluginRuntime"]


@attrs.frozen(kw_only=True)
class Company:
    """The company an instance works for.

    Attributes:
        slug: its short name, unique in the installation.
        country: ISO 3166 alpha-2; national phone numbers belong to it.
        currency: ISO 4217; every amount of the company is in it.
        timezone: IANA name; *today* is this zone's date.
    """

    slug: str
    name: str
    country: str
    currency: str
    timezone: str


@attrs.frozen(kw_only=True)
class PluginRuntime:
    """Given to a plugin's class together with its settings, once per company and instance.

    Attributes:
        company: whose instance it is.
        instance: the instance's name, such as `calin-south`.
        http: the only way to call out; knows the allowed hosts, deadlines and size caps.
        production: real money; simulators and debug shortcuts must refuse to work.
    """

    company: Company
    instance: str
    http: OutboundClient
    production: bool = False
