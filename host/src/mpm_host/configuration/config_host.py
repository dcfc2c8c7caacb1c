"""The `[host]` section."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import attrs

from mpm_core import Secret, SettingsError, read_settings, setting
from mpm_core.discovery import canonical_name
from mpm_core.settings import resolve_reference
from mpm_host.configuration.config_problems import ConfigPlace, Problems
from mpm_host.configuration.config_values import ConfigSource, HostConfig, Mode
from mpm_host.plugins.instance_settings import parse_networks

__all__ = ["is_exposed", "read_database", "read_host"]

_OTHERS = stat.S_IROTH
_NOT_OWNER = stat.S_IRWXG | stat.S_IRWXO
_KEY_LINE = 'secret_key = { file = "mpm.key" }'
_Settings = TypeVar("_Settings")


@attrs.frozen(kw_only=True)
class _Database:
    database: str = setting(help="URL of the database.", example="sqlite:///mpm.db")


@attrs.frozen(kw_only=True)
class _HostSettings(_Database):
    """`[host]`, without the secret keys, which no other section has the like of."""

    allowed_plugins: tuple[str, ...] = setting(help="Plugins that may be imported.", default=())
    mode: Mode = setting(help="Whether real money moves.", default=Mode.PRODUCTION)
    public_url: str = setting(
        help="Where telecoms reach this host.", kind="url", default="http://127.0.0.1:8000"
    )
    trusted_proxies: tuple[str, ...] = setting(
        help="Proxies whose X-Forwarded-For is believed.", default=()
    )
    tell_after_seconds: int = setting(
        help="How long a token may take before its customer is told that it is on its way.",
        default=120,
        minimum=0,
    )
    drain_seconds: int = setting(
        help="How long calls and work in hand may take when a process is to end.",
        default=20,
        minimum=1,
    )
    metrics_token: Secret | None = setting(
        help="Bearer token that /metrics asks for; without it addresses alone decide.",
        default=None,
    )
    metrics_allowed_addresses: tuple[str, ...] = setting(
        help="Who may read /metrics.", default=("127.0.0.0/8", "::1")
    )
    open_sign_up: bool | None = setting(
        help="Anyone may create a company; by default in development only.", default=None
    )

    def __attrs_post_init__(self) -> None:
        parse_networks(self.trusted_proxies)
        parse_networks(self.metrics_allowed_addresses)


def is_exposed(path: Path) -> bool:
    """Tell whether everybody on the machine can read a file."""
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False  # whoever reads it says what is wrong


def read_database(section: Mapping[str, object], source: ConfigSource) -> str:
    """Read `database` and nothing else.

    Raises:
        SettingsError: it is missing or wrong.
    """
    raw = {key: value for key, value in section.items() if key == "database"}
    return _absolute(_read(_Database, raw, source).database, source)


def read_host(
    section: Mapping[str, object], source: ConfigSource, problems: Problems
) -> HostConfig | None:
    """Read the section; notes mistakes and returns nothing then."""
    keys = problems.attempt(lambda: _secret_keys(section, source))
    return problems.attempt(lambda: _read_host(section, source, keys or ()))


def _read_host(
    section: Mapping[str, object], source: ConfigSource, keys: tuple[Secret, ...]
) -> HostConfig:
    raw = {key: value for key, value in section.items() if key != "secret_key"}
    found = _read(_HostSettings, raw, source)
    if source.is_world_readable and isinstance(raw["database"], str):
        _refuse_exposed_password(found.database, source)
    _refuse_exposed_token(raw.get("metrics_token"), source)
    is_development = found.mode is Mode.DEVELOPMENT
    return HostConfig(
        database=_absolute(found.database, source),
        allowed_plugins=tuple(canonical_name(name) for name in found.allowed_plugins),
        secret_keys=keys,
        mode=found.mode,
        public_url=found.public_url.rstrip("/"),
        trusted_proxies=parse_networks(found.trusted_proxies),
        tell_after=timedelta(seconds=found.tell_after_seconds),
        drain=float(found.drain_seconds),
        metrics_token=found.metrics_token,
        metrics_allowed_addresses=parse_networks(found.metrics_allowed_addresses),
        open_sign_up=is_development if found.open_sign_up is None else found.open_sign_up,
    )


def _read(cls: type[_Settings], raw: Mapping[str, object], source: ConfigSource) -> _Settings:
    place = ConfigPlace(
        company="mpm", instance="host", plugin="host", section=f"{source.file_name} [host]"
    )
    return read_settings(cls, raw, place=place, environ=source.environ, folder=source.folder)


def _absolute(database: str, source: ConfigSource) -> str:
    """Let the path of an SQLite database start from the file, not from where a command runs."""
    prefix, separator, path = database.partition(":///")
    if not prefix.startswith("sqlite"):
        return database
    name, mark, options = path.partition("?")
    if not separator or not name or name.startswith((":memory:", "file:")):
        raise SettingsError(
            f"{source.file_name} [host], setting 'database' must name a file; write "
            "sqlite:///mpm.db."
        )
    return f"{prefix}:///{source.folder / name}{mark}{options}"


def _refuse_exposed_password(database: str, source: ConfigSource) -> None:
    try:
        has_password = urlsplit(database).password is not None
    except ValueError:
        has_password = False  # opening it says what is wrong
    if has_password:
        raise _exposed(source, "database", "holds a password")


def _refuse_exposed_token(given: object, source: ConfigSource) -> None:
    match given:
        case str() if source.is_world_readable:
            raise _exposed(source, "metrics_token", "is written in clear")
        case {"file": str(file)} if is_exposed(source.folder / file):
            raise SettingsError(
                f"{source.file_name} [host], setting 'metrics_token' is in clear in {file}, which "
                f"everybody on this machine can read; run `chmod 600 {file}`."
            )


def _exposed(source: ConfigSource, name: str, what: str) -> SettingsError:
    file = source.file_name
    return SettingsError(
        f"{file} [host], setting {name!r} {what}, and everybody on this machine can read {file}; "
        f'run `chmod 600 {file}` or write {{ env = "…" }}.'
    )


def _secret_keys(section: Mapping[str, object], source: ConfigSource) -> tuple[Secret, ...]:
    where = f"{source.file_name} [host], setting 'secret_key'"
    raw = section.get("secret_key", [])
    given = raw if isinstance(raw, list) else [raw]
    if not given:
        raise SettingsError(f"{where} is missing; run `mpm init` or write: {_KEY_LINE}")
    if source.is_world_readable and any(isinstance(item, str) for item in given):
        raise _exposed(source, "secret_key", "is written in clear")
    return tuple(_secret_key(item, where, source) for item in given)


def _secret_key(item: object, where: str, source: ConfigSource) -> Secret:
    match item:
        case {"file": str(name), **rest} if not rest:
            _refuse_open_key_file(source.folder / name, name, where)
    text = resolve_reference(item, where=where, environ=source.environ, folder=source.folder)
    if not isinstance(text, str) or not text.strip():
        raise SettingsError(f"{where} must be a text; run `mpm init` or write: {_KEY_LINE}")
    return Secret(text.strip())


def _refuse_open_key_file(path: Path, name: str, where: str) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # reading it says what is wrong
    if mode & _NOT_OWNER:
        raise SettingsError(
            f"{where}: file {name} may be read by others (mode {stat.S_IMODE(mode):o}); run "
            f"`chmod 600 {name}`."
        )
