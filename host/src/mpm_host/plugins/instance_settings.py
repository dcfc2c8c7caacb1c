"""An instance's settings: the host's own keys beside the plugin's, and how the database keeps both.

What `mpm.toml` and `mpm company enable` write is one flat table; the host takes its keys out and
hands the rest to the plugin's settings class.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import attrs

from mpm_core import Company, Money, Secret, SettingsError, read_settings, setting
from mpm_core.settings import HOST_KEYS, SettingsPlace
from mpm_host.encryption import Vault

__all__ = [
    "InstanceOptions",
    "InstanceTable",
    "open_table",
    "parse_networks",
    "read_options",
    "seal_table",
    "storable",
]


def parse_networks(texts: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read IP addresses and networks.

    Raises:
        ValueError: one of them is neither; the message says what to write.
    """
    return tuple(_network(text) for text in texts)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} is no IP address or network; write 196.201.214.0/24 or 196.201.214.5."
        ) from None


@attrs.frozen(kw_only=True)
class InstanceOptions:
    """The keys of every instance that the host handles.

    `allow_plain_http` and `allow_private_addresses` are for whoever runs the host to give, never
    for a company: they open the host's own network.
    """

    use: str | None = setting(
        help="Plugin that the instance runs; the instance's own name if not set.", default=None
    )
    enabled: bool = setting(help="Whether it takes new work.", default=True)
    allowed_addresses: tuple[str, ...] = setting(
        help="Addresses and networks that may call it; any if empty.",
        default=(),
        example="196.201.214.0/24",
    )
    minimum_amount: Decimal | None = setting(
        help="Smallest payment taken, in the company's currency.", default=None, minimum=0
    )
    maximum_amount: Decimal | None = setting(
        help="Largest payment taken, in the company's currency.", default=None, minimum=0
    )
    concurrency: int | None = setting(
        help="Calls to the other side at the same time; the plugin's own number if not set.",
        default=None,
        minimum=1,
        maximum=200,
    )
    allow_plain_http: bool = setting(
        help="Let it call http URLs in production: anyone on the way can read and change them.",
        default=False,
    )
    allow_private_addresses: bool = setting(
        help="Let it call addresses of our own network in production.", default=False
    )

    def __attrs_post_init__(self) -> None:
        parse_networks(self.allowed_addresses)
        low, high = self.minimum_amount, self.maximum_amount
        if low is not None and high is not None and low > high:
            raise ValueError(f"minimum_amount {low} is above maximum_amount {high}; correct one.")

    def limits(self, currency: str) -> tuple[Money | None, Money | None]:
        """Return the smallest and the largest payment.

        Raises:
            ValueError: one has more decimals than the currency.
        """
        return _money(self.minimum_amount, currency), _money(self.maximum_amount, currency)


def _money(amount: Decimal | None, currency: str) -> Money | None:
    return None if amount is None else Money.parse(f"{amount:f}", currency)


def read_options(  # noqa: PLR0913 - all by name
    raw: Mapping[str, object],
    *,
    place: SettingsPlace,
    company: Company | None,
    environ: Mapping[str, str],
    folder: Path,
    allow_references: bool = True,
) -> InstanceOptions:
    """Read the host's keys of an instance.

    Args:
        raw: those keys only.
        place: whose they are.
        company: that the limits must fit; unknown if it is wrong itself.
        environ: what `{ env = … }` names.
        folder: what `{ file = … }` is relative to.
        allow_references: as `read_settings` has it.

    Raises:
        SettingsError: one line per mistake.
    """
    options = read_settings(
        InstanceOptions,
        raw,
        place=place,
        environ=environ,
        folder=folder,
        allow_references=allow_references,
    )
    if company is not None:
        try:
            options.limits(company.currency)
        except ValueError as error:
            raise SettingsError(f"{place}: {error}") from None
    return options


@attrs.frozen(kw_only=True)
class InstanceTable:
    """An instance's flat table, split: raw values as TOML or JSON has them.

    Attributes:
        options: the host's keys.
        settings: the plugin's.
        read_from: what the database held when this was read from it, for who changes it then.
    """

    options: Mapping[str, object] = attrs.field(factory=dict)
    settings: Mapping[str, object] = attrs.field(factory=dict, repr=False)  # may hold secrets
    read_from: bytes | None = attrs.field(default=None, eq=False, repr=False)

    @classmethod
    def split(cls, raw: Mapping[str, object]) -> InstanceTable:
        """Split a flat table by who handles each key."""
        return cls(
            options={key: value for key, value in raw.items() if key in HOST_KEYS},
            settings={key: value for key, value in raw.items() if key not in HOST_KEYS},
        )


def seal_table(table: InstanceTable, vault: Vault) -> bytes:
    """Encrypt a table of an instance that the database owns."""
    return vault.seal(
        json.dumps({"options": dict(table.options), "settings": dict(table.settings)})
    )


def open_table(sealed: bytes | None, vault: Vault) -> InstanceTable:
    """Decrypt what `seal_table` made; nothing is an empty table.

    Raises:
        UserError: none of the keys fits.
    """
    if sealed is None:
        return InstanceTable()
    stored = json.loads(vault.open(sealed))
    return InstanceTable(options=stored["options"], settings=stored["settings"], read_from=sealed)


def storable(value: object) -> object:
    """Turn a setting's value into the JSON value that `read_settings` takes back."""
    match value:
        case Secret():
            return value.reveal()
        case Decimal():
            return f"{value:f}"
        case StrEnum():
            return value.value
        case tuple():
            return list(value)
        case _:
            return value
