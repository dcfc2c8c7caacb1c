"""What every command needs: the configuration, the opened host, and who is at the keyboard."""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mpm_core import UserError
from mpm_host.access.user_store import read_email
from mpm_host.companies.audit_trail import REASON_LENGTH, Actor
from mpm_host.configuration.config import find_config, load_config
from mpm_host.configuration.config_values import Config
from mpm_host.database.engines import Engines, open_engines
from mpm_host.database.patience import UNHURRIED, Timeouts
from mpm_host.database.plain_failures import database_failures_told
from mpm_host.garbage import look_for_garbage_seldom
from mpm_host.host import Host
from mpm_host.refusals import ServiceRefused

__all__ = [
    "config_path",
    "configuration",
    "decider",
    "failures_printed",
    "is_terminal",
    "opened_engines",
    "opened_host",
    "person",
]


def config_path() -> Path:
    """Return where the configuration is."""
    root = click.get_current_context().find_root()
    return find_config(root.params.get("config"), os.environ)


def configuration() -> Config:
    """Read the configuration.

    Raises:
        UserError: one line per mistake.
    """
    return load_config(config_path(), os.environ)


@contextlib.contextmanager
def opened_host(*, reconcile: bool = False, timeouts: Timeouts = UNHURRIED) -> Iterator[Host]:
    """Open the installation for a command.

    Args:
        reconcile: bring the database in line with `mpm.toml` first, as commands that write do.
        timeouts: how long to wait for the database.

    Raises:
        UserError: the configuration or the database is wrong, or the database gives up or refuses.
    """
    config = configuration()
    with (
        Host.open(config, timeouts=timeouts) as host,
        database_failures_told(config.host.database),
    ):
        if reconcile:
            host.reconcile()
        else:
            host.load()
        look_for_garbage_seldom()
        yield host


@contextlib.contextmanager
def opened_engines(url: str) -> Iterator[Engines]:
    """Open the database alone.

    Raises:
        UserError: the URL is none, or the database gives up or refuses.
    """
    engines = open_engines(url)
    try:
        with database_failures_told(url):
            yield engines
    finally:
        engines.dispose()


@contextlib.contextmanager
def failures_printed() -> Iterator[None]:
    """Keep the dispatch from logging, too, what the command prints of a plugin's failures."""
    logger = logging.getLogger("mpm_core.company_plugins")
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


def person(host: Host) -> Actor:
    """Return who is at the keyboard, for the audit trail."""
    user = os.getuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:  # in a container users need no names
        name = f"user {user}"
    return Actor(name=f"command line ({name})", at=host.clock())


def decider(host: Host, by: str, reason: str = "") -> Actor:
    """Return who decides, as `--by` and `--reason` say.

    Raises:
        UserError: that is no e-mail address, or the reason is too long to be kept.
    """
    try:
        name = read_email(by)
    except ServiceRefused as error:
        raise UserError(f"--by: {error}") from None
    if len(reason) > REASON_LENGTH:
        raise UserError(
            f"--reason: {reason[:40]!r}… has {len(reason)} characters; write {REASON_LENGTH} at "
            "most."
        )
    return Actor(name=name, at=host.clock(), reason=reason)


def is_terminal() -> bool:
    """Tell whether somebody can be asked."""
    return sys.stdin.isatty()
