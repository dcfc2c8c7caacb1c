"""Opened installations for tests, on a database with our tables."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest
from cryptography.fernet import Fernet

from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.host import Host

__all__ = ["KEY", "NOW", "open_host", "with_database"]

KEY = Fernet.generate_key().decode()
NOW = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
HEAD = """
[host]
database = "sqlite:///replaced.db"
secret_key = "{key}"
mode = "{mode}"
allowed_plugins = [{allowed}]
"""


def with_database(config, url):
    """Return a configuration that uses another database."""
    return attrs.evolve(config, host=attrs.evolve(config.host, database=url))


@pytest.fixture
def open_host(database_url, tmp_path):
    """Open hosts on one database: `open_host(companies, allowed=(…), mode=…)`."""
    opened = []

    def open_one(
        companies="",
        *,
        allowed=(),
        mode="development",
        environ=None,
        keys=(KEY,),
        is_world_readable=False,
        url=database_url,
        reconcile=True,
    ):
        names = ", ".join(f'"{name}"' for name in allowed)
        text = HEAD.format(key=KEY, mode=mode, allowed=names)
        text = text.replace(f'"{KEY}"', "[" + ", ".join(f'"{key}"' for key in keys) + "]")
        source = ConfigSource(folder=tmp_path, environ=environ or {})
        config = with_database(parse_config(text + companies, source), url)
        source = attrs.evolve(source, is_world_readable=is_world_readable)
        host = Host.open(attrs.evolve(config, source=source), clock=lambda: NOW)
        opened.append(host)
        if reconcile:
            host.reconcile()
        return host

    yield open_one
    for host in opened:
        host.close()
