"""What `mpm.toml` says, read and checked: frozen values without any behaviour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import attrs

from mpm_core import Company, Secret
from mpm_host.plugins.instance_settings import InstanceOptions, InstanceTable

__all__ = [
    "NAME_RULE",
    "CompanyConfig",
    "Config",
    "ConfigSource",
    "HostConfig",
    "InstanceConfig",
    "Mode",
    "is_name",
]

NAME_RULE = "a small letter, then up to 62 small letters, digits or hyphens"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)


def is_name(text: str) -> bool:
    """Tell whether a text can be a company's slug or an instance's name."""
    return _NAME.fullmatch(text) is not None


class Mode(StrEnum):
    """Whether real money moves."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


@attrs.frozen(kw_only=True)
class HostConfig:
    """The `[host]` section.

    Attributes:
        database: URL with an absolute path; may hold a password.
        allowed_plugins: canonical names; nothing else is ever imported.
        secret_keys: newest first.
        public_url: without a slash at its end.
        trusted_proxies: whose `X-Forwarded-For` is believed.
        tell_after: how long a token may take before its customer is told that it is on its way.
        open_sign_up: anyone may create a company.
        drain: seconds that calls and work in hand may take when a process is to end.
        metrics_token: what who reads `/metrics` must bring.
        metrics_allowed_addresses: from where `/metrics` may be read.
    """

    database: str = attrs.field(repr=False)
    allowed_plugins: tuple[str, ...] = ()
    secret_keys: tuple[Secret, ...]
    mode: Mode
    public_url: str
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    tell_after: timedelta = timedelta(minutes=2)
    open_sign_up: bool = False
    drain: float = 20.0
    metrics_token: Secret | None = None
    metrics_allowed_addresses: tuple[IPv4Network | IPv6Network, ...] = (
        IPv4Network("127.0.0.0/8"),
        IPv6Network("::1"),
    )

    @property
    def production(self) -> bool:
        """Tell whether real money moves."""
        return self.mode is Mode.PRODUCTION


@attrs.frozen(kw_only=True)
class InstanceConfig:
    """One `[companies.<slug>.plugins.<instance>]` section.

    Attributes:
        plugin: canonical name.
        options: the host's keys, checked.
        table: everything, raw: references are resolved again when the plugin is loaded.
    """

    name: str
    plugin: str
    options: InstanceOptions
    table: InstanceTable


@attrs.frozen(kw_only=True)
class CompanyConfig:
    """One `[companies.<slug>]` section."""

    company: Company
    arrears_buy_time: bool = False
    demand_mapping: bool = False
    instances: Mapping[str, InstanceConfig] = attrs.field(factory=dict)


def _copied(environ: Mapping[str, str]) -> Mapping[str, str]:
    return dict(environ)


@attrs.frozen(kw_only=True)
class ConfigSource:
    """Where a configuration comes from, and what it may refer to.

    Attributes:
        folder: what `{ file = … }` and the path of an SQLite database are relative to.
        environ: what `{ env = … }` names.
        file_name: for messages.
        is_world_readable: everybody on the machine can read the file.
    """

    folder: Path
    environ: Mapping[str, str] = attrs.field(repr=False, converter=_copied)
    file_name: str = "mpm.toml"
    is_world_readable: bool = False


@attrs.frozen(kw_only=True)
class Config:
    """A whole `mpm.toml`.

    Attributes:
        companies: by slug.
    """

    host: HostConfig
    companies: Mapping[str, CompanyConfig] = attrs.field(factory=dict)
    source: ConfigSource

    def instance(self, slug: str, name: str) -> InstanceConfig | None:
        """Find a declared instance."""
        company = self.companies.get(slug)
        return company.instances.get(name) if company else None
