"""`mpm db`: migrations. They need the database's URL alone, no key and no plugin."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mpm_host.commands.output import json_option, print_json
from mpm_host.commands.surroundings import config_path, opened_engines
from mpm_host.configuration.config import read_database_url
from mpm_host.database.backup import back_up
from mpm_host.database.upgrade import current, head, remedy, upgrade

__all__ = ["command"]


@click.group("db")
def command() -> None:
    """Bring the database's tables up to date."""


@command.command("upgrade")
@json_option
def upgrade_command(*, as_json: bool) -> None:
    """Create or update the tables, in one transaction; repeating it changes nothing."""
    with opened_engines(_url()) as engines:
        before, after = upgrade(engines.write)
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        click.echo(f"The database is at revision {after} already.")
    else:
        click.echo(f"The database is at revision {after} now.")


@command.command("current")
@json_option
def current_command(*, as_json: bool) -> None:
    """Show the revision the database is at, and the one this version needs."""
    with opened_engines(_url()) as engines:
        found, needed = current(engines.read), head()
    if as_json:
        print_json({"current": found, "head": needed, "up_to_date": found == needed})
    elif found == needed:
        click.echo(f"{found} (up to date)")
    else:
        click.echo(f"{found or 'no tables'} (this version needs {needed}; {remedy(found, needed)})")


@command.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def backup_command(*, file: Path, as_json: bool) -> None:
    """Copy an SQLite database into FILE while the host runs.

    Back up the key ([host] secret_key) too, and apart from it: without the key nobody can read the
    copy's tokens, messages and credentials.
    """
    size = back_up(_url(), file)
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        click.echo(f"{file} is a whole copy ({size} bytes). Keep the key of [host] apart from it.")


def _url() -> str:
    return read_database_url(config_path(), os.environ)
