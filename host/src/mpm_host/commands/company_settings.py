"""Collecting an instance's settings: from options of the command, or by asking on a terminal.

Secrets never stand on the command line, where everybody on the machine and the shell's history
would see them: they come from a variable, a file or a hidden prompt.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
import click

from mpm_core import SettingsError
from mpm_core.settings import SettingsPlace, WrongValueError, describe, parse_text
from mpm_core.settings.forms import Prompt, cli_prompts
from mpm_core.settings.references import look_up
from mpm_core.settings.values import SettingDescription, did_you_mean
from mpm_host.plugins.instance_settings import InstanceOptions, InstanceTable, storable

__all__ = [
    "GivenSetting",
    "ask_for_settings",
    "require_settings",
    "split_given",
    "with_given",
]

_SAID_ELSEWHERE = {"use": "--use PLUGIN", "enabled": "`mpm company disable`"}


@attrs.frozen(kw_only=True)
class GivenSetting:
    """One `--set key=value`, `--set-env key=VARIABLE` or `--set-file key=PATH`."""

    option: str
    key: str
    text: str = attrs.field(repr=False)


def split_given(option: str, texts: Sequence[str]) -> tuple[GivenSetting, ...]:
    """Split what an option was given.

    Raises:
        SettingsError: it is no `key=…`; the message does not repeat it.
    """
    parts = [text.partition("=") for text in texts]
    if not all(key and sign for key, sign, _ in parts):
        raise SettingsError(f"{option} wants key=value; write for example {option} user_id=….")
    return tuple(GivenSetting(option=option, key=key, text=text) for key, _, text in parts)


def with_given(
    table: InstanceTable,
    given: Sequence[GivenSetting],
    settings_class: type,
    place: SettingsPlace,
) -> InstanceTable:
    """Return a table with the given values put in; an empty text takes a setting out.

    Raises:
        SettingsError: one line per mistake.
    """
    known = _known(settings_class)
    problems: list[str] = []
    for one in given:
        try:
            description = _find(known, one.key)
            table = _put(table, description, _value(one, description))
        except ValueError as error:
            problems.append(f"{place}, setting {one.key!r} {error}")
    if problems:
        raise SettingsError("\n".join(problems))
    return table


def require_settings(
    table: InstanceTable, settings_class: type, place: SettingsPlace
) -> InstanceTable:
    """Return a table that has every setting without a default.

    Raises:
        SettingsError: one line per setting it lacks, with the option that gives it.
    """
    missing = [
        f"{place}, setting {each.name!r} is missing; write {_option(each)}"
        for each in describe(settings_class)
        if each.required and each.name not in table.settings
    ]
    if missing:
        raise SettingsError("\n".join(missing))
    return table


def ask_for_settings(
    table: InstanceTable, settings_class: type, *, everything: bool
) -> InstanceTable:
    """Ask for the settings a table lacks.

    Args:
        table: what is known.
        settings_class: of the plugin.
        everything: also those that have a default.
    """
    known = _known(settings_class)
    for prompt in cli_prompts(settings_class):
        is_wanted = everything or prompt.default is None
        if is_wanted and prompt.name not in table.settings:
            table = _put(table, known[prompt.name], _ask(prompt, known[prompt.name]))
    return table


def _known(settings_class: type) -> Mapping[str, SettingDescription]:
    """Return every key that may be set: the plugin's and the host's."""
    return {each.name: each for each in (*describe(settings_class), *describe(InstanceOptions))}


def _find(known: Mapping[str, SettingDescription], key: str) -> SettingDescription:
    if key in _SAID_ELSEWHERE:
        raise ValueError(f"is said by {_SAID_ELSEWHERE[key]}.")
    if key not in known:
        names = sorted(known.keys() - _SAID_ELSEWHERE.keys())
        listed = f"known are: {', '.join(names)}."
        raise ValueError(f"is unknown; {did_you_mean(key, names) or listed}")
    return known[key]


def _put(table: InstanceTable, description: SettingDescription, value: object) -> InstanceTable:
    is_option = description.name in {each.name for each in describe(InstanceOptions)}
    part = dict(table.options if is_option else table.settings)
    part.pop(description.name, None)
    if value is not None:
        part[description.name] = storable(value)
    return attrs.evolve(table, options=part) if is_option else attrs.evolve(table, settings=part)


def _option(description: SettingDescription) -> str:
    """Write what gives a setting at the command line."""
    name = description.name
    if description.secret:
        return f"--set-env {name}=VARIABLE or --set-file {name}=PATH."
    return f"--set {name}={description.example or '…'}"


def _value(given: GivenSetting, description: SettingDescription) -> object:
    """Read what stands behind `key=`. Raises `ValueError` with the rest of the sentence."""
    match given.option:
        case "--set-env":
            text = look_up({"env": given.text}, environ=os.environ, folder=Path.cwd()).text
        case "--set-file":
            text = look_up({"file": given.text}, environ=os.environ, folder=Path.cwd()).text
        case _ if description.secret:
            raise ValueError(
                f"is a secret, and a command line is none; write {_option(description)}"
            )
        case _:
            text = given.text
    if not text and not description.required:
        return None
    try:
        return parse_text(description, text)
    except WrongValueError as error:
        raise ValueError(f"{error}".removesuffix(".") + ".") from None


def _ask(prompt: Prompt, description: SettingDescription) -> object:
    """Ask until the answer fits; an empty one leaves out what has a default."""
    answer: object = click.prompt(
        f"{prompt.name}: {prompt.question}",
        default=prompt.default,
        show_default=bool(prompt.default),
        hide_input=prompt.hidden,
        value_proc=_reader(prompt, description),
    )
    return answer


def _reader(prompt: Prompt, description: SettingDescription) -> Callable[[str], object]:
    def read(text: str) -> object:
        if text == prompt.default:
            return None
        try:
            return parse_text(description, text)
        except WrongValueError as error:
            raise click.UsageError(f"It {error}.") from None

    return read
