"""A plugin's settings: one attrs class, declared once, validated once, rendered seven ways.

    @attrs.frozen(kw_only=True)
    class CalinSettings:
        api_url: str = setting(help="Base URL of the token server.", kind="url")
        api_key: Secret = setting(help="Key of our account.")
        timeout: int = setting(help="Seconds to wait.", default=30, minimum=1)

`describe` turns the class into data and `read_settings` a mapping into an instance of it; prompts,
forms, tables and schemas are made in `settings_forms` and `settings_toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, cast

import attrs

from mpm_core.errors import SettingsError
from mpm_core.secrets import MASK, Secret
from mpm_core.settings.declaration import HOST_KEYS, describe, setting
from mpm_core.settings.references import look_up, resolve_reference
from mpm_core.settings.toml import environment_name, example_line
from mpm_core.settings.values import (
    SettingDescription,
    SettingType,
    WrongValueError,
    check_rules,
    convert_value,
    did_you_mean,
    parse_text,
)

__all__ = [
    "HOST_KEYS",
    "SettingDescription",
    "SettingType",
    "SettingsPlace",
    "WrongValueError",
    "describe",
    "parse_text",
    "read_settings",
    "resolve_reference",
    "setting",
]

_Settings = TypeVar("_Settings")
_SHOWN_VALUE = 60  # characters of a wrong value that enter a message


@attrs.frozen(kw_only=True)
class SettingsPlace:
    """Whose settings they are, for messages."""

    company: str
    instance: str
    plugin: str

    def __str__(self) -> str:
        """Return the beginning of a message: `Company 'umeme', plugin 'calin'`."""
        if self.instance == self.plugin:
            return f"Company {self.company!r}, plugin {self.plugin!r}"
        return f"Company {self.company!r}, instance {self.instance!r} of plugin {self.plugin!r}"


def read_settings(  # noqa: PLR0913 - all by name; the host passes what the file cannot know
    cls: type[_Settings],
    raw: Mapping[str, object],
    *,
    place: SettingsPlace,
    environ: Mapping[str, str],
    folder: Path,
    allow_references: bool = True,
) -> _Settings:
    """Turn what `mpm.toml`, the API or the console holds into validated settings.

    Args:
        cls: the plugin's settings class.
        raw: the instance's table without the host's own keys.
        place: whose they are.
        environ: variables that `{ env = … }` may name.
        folder: what `{ file = … }` is relative to.
        allow_references: `False` where a stranger writes the values: references would let a company
            read the host's environment and files.

    Raises:
        SettingsError: one line per problem, all of them together; no value is shown.
    """
    reader = _Reader(environ=environ, folder=folder, allow_references=allow_references)
    descriptions = describe(cls)
    problems = _unknown_keys(descriptions, raw)
    values: dict[str, object] = {}
    for description in descriptions:
        try:
            if description.name in raw:
                values[description.name] = reader.read(description, raw[description.name])
            elif description.required:
                hint = reader.hint(description, place)
                problems.append(f"setting {description.name!r} is missing; {hint}")
        except ValueError as error:
            problems.append(f"setting {description.name!r}{error}")
    if problems:
        raise SettingsError("\n".join(f"{place}, {problem}" for problem in problems))
    return _construct(cls, values, place)


@attrs.frozen(kw_only=True)
class _Reader:
    """Reads one value. Raises `ValueError` with the rest of the sentence about the setting."""

    environ: Mapping[str, str]
    folder: Path
    allow_references: bool

    def read(self, description: SettingDescription, value: object) -> object:
        if isinstance(value, Mapping):
            return self._read_referenced(description, value)
        if isinstance(value, list):
            value = [self._read_item(item) for item in value]
        try:
            converted = convert_value(description, value)
            check_rules(description, converted)
        except WrongValueError as error:
            raise ValueError(_rest_of_sentence(description, value, error)) from None
        return converted

    def hint(self, description: SettingDescription, place: SettingsPlace) -> str:
        """Say what to write for a setting that is missing; a line of TOML where TOML is read."""
        if self.allow_references:
            variable = environment_name(place.company, place.instance, description.name)
            return f"write for example: {example_line(description, variable)}"
        example = "" if description.secret else description.example
        return f"give its value, such as {example}" if example else "give its value."

    def _read_referenced(
        self, description: SettingDescription, reference: Mapping[object, object]
    ) -> object:
        text, source = self._look_up(reference)
        try:
            return parse_text(description, text)
        except WrongValueError as error:
            raise ValueError(_ended(f": the content of {source} {error}")) from None

    def _read_item(self, item: object) -> object:
        return self._look_up(item)[0] if isinstance(item, Mapping) else item

    def _look_up(self, reference: Mapping[object, object]) -> tuple[str, str]:
        if not self.allow_references:
            raise ValueError(
                ": { env = … } and { file = … } work in mpm.toml only; give the value."
            )
        try:
            found = look_up(reference, environ=self.environ, folder=self.folder)
        except ValueError as error:
            raise ValueError(f": {error}") from None
        return found.text, found.source


def _rest_of_sentence(
    description: SettingDescription, value: object, error: WrongValueError
) -> str:
    sentence = f" {error.phrase}{_shown(description, value)}"
    return _ended(f"{sentence}; {error.hint}" if error.hint else sentence)


def _shown(description: SettingDescription, value: object) -> str:
    """Show a wrong value if it surely holds no credential."""
    may_be_secret = description.secret or "@" in str(value)
    if may_be_secret or not isinstance(value, (str, int, float)):
        return ""
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return f", not {shown}" if len(shown) <= _SHOWN_VALUE else f", not {shown[:_SHOWN_VALUE]}…"


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(("?", ".")) else f"{sentence}."


def _unknown_keys(
    descriptions: tuple[SettingDescription, ...], raw: Mapping[str, object]
) -> list[str]:
    known = [description.name for description in descriptions]
    listed = f"known are: {', '.join(known) or 'none'}."
    return [
        f"setting {key!r} is unknown; {did_you_mean(key, known) or listed}"
        for key in raw
        if key not in known
    ]


def _construct(
    cls: type[_Settings], values: Mapping[str, object], place: SettingsPlace
) -> _Settings:
    """Make the instance; the class's own converters and validators run here."""
    aliases = {field.name: field.alias for field in attrs.fields(cast("type", cls))}
    try:
        return cls(**{aliases[name]: value for name, value in values.items()})
    except (ValueError, TypeError) as error:
        message = _without_secrets(str(error.args[0] if error.args else error), values)
        raise SettingsError(f"{place}: {message}") from None


def _without_secrets(message: str, values: Mapping[str, object]) -> str:
    """A class's own validator may quote what it was given."""
    for value in values.values():
        if isinstance(value, Secret) and value:
            message = message.replace(value.reveal(), MASK)
    return message
