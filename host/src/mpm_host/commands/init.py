"""`mpm init`: the configuration, the key and the database of a new installation."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import click

from mpm_core import UserError
from mpm_core.discovery import installed_plugins
from mpm_host.commands.output import json_option, print_json
from mpm_host.commands.surroundings import config_path, opened_engines
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import Config, ConfigSource
from mpm_host.database.engines import Engines
from mpm_host.database.upgrade import current, upgrade
from mpm_host.encryption import new_key

__all__ = ["command"]

_KEY_FILE = "mpm.key"
_OWNER_ONLY = 0o600


@click.command("init")
@click.option(
    "--database",
    default="sqlite:///mpm.db",
    show_default=True,
    help="URL of the database; for PostgreSQL: postgresql+psycopg://user@host/name.",
)
@click.option(
    "--mode",
    type=click.Choice(["development", "production"]),
    default="development",
    show_default=True,
    help="Production refuses simulators, plain http and private addresses.",
)
@json_option
def command(*, database: str, mode: str, as_json: bool) -> None:
    """Write mpm.toml and its key, readable by you alone, and create the database.

    Nothing is overwritten. The plugins installed now are allowed.
    """
    path = config_path()
    key_path = path.absolute().parent / _KEY_FILE
    _refuse_existing(path, key_path)
    names = sorted({plugin.name for plugin in installed_plugins() if not plugin.problem})
    text = _configuration(database, mode, names)
    config = _checked(text, path)
    with opened_engines(config.host.database) as engines, ExitStack() as undo:
        _refuse_tables(engines)
        # all or nothing, so that the command can be repeated
        _write(key_path, new_key() + "\n")
        undo.callback(key_path.unlink)
        _write(path, text)
        undo.callback(path.unlink)
        upgrade(engines.write)
        undo.pop_all()
    if as_json:
        print_json({"config": str(path), "key": str(key_path), "allowed_plugins": names})
        return
    click.echo(f"Wrote {path} and {key_path}, and created the database. Keep a copy of the key.")
    click.echo("Next: mpm company create, or declare companies in the file; then mpm serve.")


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise UserError(f"{path} exists already; nothing was changed. Move it away first.")


def _refuse_tables(engines: Engines) -> None:
    if current(engines.read) is not None:
        raise UserError(
            "The database has tables already, which another key may have encrypted; name another "
            "one with --database, or copy the mpm.toml and mpm.key that belong to it."
        )


def _configuration(database: str, mode: str, plugins: list[str]) -> str:
    allowed = ", ".join(_quoted(name) for name in plugins)
    return (
        "[host]\n"
        f"database = {_quoted(database)}\n"
        f"allowed_plugins = [{allowed}]  # nothing else is ever imported\n"
        f'secret_key = {{ file = "{_KEY_FILE}" }}  # encrypts at rest; keep a copy of it\n'
        f"mode = {_quoted(mode)}\n"
        'public_url = "http://127.0.0.1:8000"  # where telecoms reach this host\n'
        "trusted_proxies = []\n"
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _checked(text: str, path: Path) -> Config:
    """Read what is going to be written, with a key that is not there yet."""
    source = ConfigSource(folder=path.absolute().parent, environ={}, file_name=path.name)
    stand_in = text.replace(f'{{ file = "{_KEY_FILE}" }}', '"stand-in"')
    return parse_config(stand_in, source)


def _write(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); create its folder, or correct its "
            "permissions."
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
