"""An `mpm.toml` for tests, written from plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping

__all__ = ["config_text"]


def config_text(
    *,
    database: str,
    secret_key: str,
    instances: Mapping[str, Mapping[str, object]],
    slug: str = "demo",
    country: str = "TZ",
    currency: str = "TZS",
) -> str:
    """Return a configuration with one company.

    Args:
        database: its URL.
        secret_key: as `new_key` makes them.
        instances: settings and host options by instance; `use` names the plugin.
        slug: of the company.
        country: of the company.
        currency: of the company.
    """
    plugins = sorted({str(table.get("use", name)) for name, table in instances.items()})
    host = {
        "database": database,
        "allowed_plugins": plugins,
        "secret_key": secret_key,
        "mode": "development",
    }
    company = {"name": "Trial", "country": country, "currency": currency}
    sections: dict[str, Mapping[str, object]] = {
        "host": host,
        f"companies.{slug}": company,
        **{f"companies.{slug}.plugins.{name}": table for name, table in instances.items()},
    }
    return "\n".join(line for name, table in sections.items() for line in _section(name, table))


def _section(name: str, table: Mapping[str, object]) -> list[str]:
    # A JSON text, number, switch or list of them is written the same way in TOML.
    return [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
