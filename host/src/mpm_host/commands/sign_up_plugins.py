"""Choosing a new company's plugins on a terminal, one side after the other."""

from __future__ import annotations

import click

from mpm_core import PluginKind, PluginLoadError, UserError
from mpm_core.discovery import canonical_name
from mpm_host.commands.questions import ask
from mpm_host.plugins.plugin_catalog import LoadedPlugin, PluginCatalog

__all__ = ["ask_for_plugins"]

_SIDES = {
    PluginKind.MANUFACTURER: "Manufacturers",
    PluginKind.TELECOM: "Telecoms",
    PluginKind.MESSENGER: "Messengers",
}


def ask_for_plugins(catalog: PluginCatalog) -> tuple[str, ...]:
    """List the plugins that are allowed and installed, and ask which the company wants.

    One that does not work is named with the reason and cannot be chosen.
    """
    working = _working(catalog)
    return tuple(
        name
        for kind, side in _SIDES.items()
        for name in _ask_for_side(side, [each for each in working if each.manifest.kind is kind])
    )


def _working(catalog: PluginCatalog) -> list[LoadedPlugin]:
    installed = {each.name for each in catalog.installed()}
    found = []
    for name in sorted(catalog.allowed & installed):
        try:
            found.append(catalog.load(name))
        except PluginLoadError as error:
            click.echo(f"{name} cannot be chosen: {error}", err=True)
    return found


def _ask_for_side(side: str, offered: list[LoadedPlugin]) -> list[str]:
    if not offered:
        click.echo(f"{side}: none is allowed and installed here.", err=True)
        return []
    click.echo(f"{side}:", err=True)
    for each in offered:
        click.echo(f"  {each.installed.name}  {each.manifest.title}", err=True)
    names = {each.installed.name for each in offered}

    def read(text: str) -> str:
        chosen = _split(text)
        for name in chosen:
            if name not in names:
                raise UserError(f"{name[:64]!r} is none of them; choose from the list.")
        return " ".join(chosen)

    question = f"Which {side.lower()}? (names with blanks between; none if empty)"
    return ask(question, read, default="").split()


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(canonical_name(name) for name in text.replace(",", " ").split()))
