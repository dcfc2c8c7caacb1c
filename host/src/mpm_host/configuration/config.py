"""Reading `mpm.toml`: found, parsed, checked; every mistake is one plain line, all at once.

The sections `[host]` and `[companies.<slug>]` are settings classes like a plugin's, so they have
the same rules for unknown keys, types and `{ env = … }`. A plugin's own settings stay raw here:
only whoever loads the plugin knows their class.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from mpm_core import UserError
from mpm_core.settings.values import did_you_mean
from mpm_host.configuration.config_company import read_company
from mpm_host.configuration.config_host import is_exposed, read_database, read_host
from mpm_host.configuration.config_problems import Problems
from mpm_host.configuration.config_values import Config, ConfigSource, HostConfig

__all__ = ["find_config", "load_config", "parse_config", "read_database_url"]

_SECTIONS = ("host", "companies")


def find_config(given: str | None, environ: Mapping[str, str]) -> Path:
    """Return the path of the configuration: as given, else `MPM_CONFIG`, else `./mpm.toml`."""
    return Path(given or environ.get("MPM_CONFIG") or "mpm.toml")


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read a configuration file.

    Raises:
        UserError: one line per mistake.
    """
    return parse_config(_read(path), _source(path, environ))


def read_database_url(path: Path, environ: Mapping[str, str]) -> str:
    """Read only `[host] database`, for commands that must work without any secret.

    Raises:
        UserError: the file or the URL is missing or wrong.
    """
    source, problems = _source(path, environ), Problems()
    section = _section(_document(_read(path), source), "host", source, problems)
    problems.raise_if_any()
    return read_database(section, source)


def parse_config(text: str, source: ConfigSource) -> Config:
    """Read a configuration from its text, which is TOML.

    Raises:
        UserError: one line per mistake.
    """
    problems = Problems()
    document = _document(text, source)
    for key in document:
        if key not in _SECTIONS:
            hint = did_you_mean(key, _SECTIONS) or "known are: host, companies."
            problems.add(f"{source.file_name}: section {key!r} is unknown; {hint}")
    host = read_host(_section(document, "host", source, problems), source, problems)
    found = [
        read_company(slug, raw, source, problems)
        for slug, raw in _section(document, "companies", source, problems).items()
    ]
    problems.raise_if_any()
    return Config(
        host=cast("HostConfig", host),  # what could not be read is among the problems
        companies={read.company.slug: read for read in found if read is not None},
        source=source,
    )


def _source(path: Path, environ: Mapping[str, str]) -> ConfigSource:
    return ConfigSource(
        folder=path.absolute().parent,
        environ=environ,
        file_name=path.name,
        is_world_readable=is_exposed(path),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist; run `mpm init`, or name your file with --config or MPM_CONFIG."
        ) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); correct its permissions or name another "
            "file with --config."
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; write it anew.") from None


def _document(text: str, source: ConfigSource) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # the parser quotes names and positions only, never a value
        raise UserError(
            f"{source.file_name} is no valid TOML: {error}; correct that line."
        ) from None


def _section(
    document: Mapping[str, object], name: str, source: ConfigSource, problems: Problems
) -> Mapping[str, object]:
    section = document.get(name, {})
    if isinstance(section, dict):
        return cast("Mapping[str, object]", section)
    problems.add(f"{source.file_name}: {name!r} must be a section; write [{name}].")
    return {}
