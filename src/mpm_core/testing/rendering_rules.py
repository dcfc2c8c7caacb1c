"""One settings class, rendered seven ways, S-06 to S-12."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from mpm_core.errors import SettingsError
from mpm_core.secrets import Secret
from mpm_core.settings import (
    SettingDescription,
    describe,
    parse_text,
    read_settings,
)
from mpm_core.settings.forms import (
    cli_prompts,
    documentation_table,
    form_fields,
    format_value,
    json_schema,
)
from mpm_core.settings.toml import environment_names, to_toml
from mpm_core.settings.values import check_rules, convert_value
from mpm_core.testing.cases import Case
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.settings_rules import (
    descriptions_of,
    given_settings,
    place_of_settings,
    read_settings_of,
)

__all__ = ["BOOK"]

BOOK = RuleBook()


def plain_settings(raw: Mapping[str, object]) -> dict[str, object]:
    """Return raw settings with secrets as texts, as a file or the API holds them."""
    return {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in raw.items()
    }


@BOOK.rule(
    "S-06",
    "the section of mpm.toml it writes can be read back",
    promise="`to_toml` is valid TOML, and what it sets is taken by the settings class: the "
    "examples are ones that work.",
    remedy='setting(…, example="…") with a value the setting takes, for every required setting.',
)
def _toml(case: Case) -> None:
    text = to_toml(
        case.subject.manifest.settings_class,
        company="umeme",
        instance=case.subject.name,
        plugin=case.subject.name,
    )
    try:
        table = tomllib.loads(text)["companies"]["umeme"]["plugins"][case.subject.name]
    except tomllib.TOMLDecodeError as error:
        raise RuleBroken(f"it is no TOML: {error}") from None
    for description in descriptions_of(case.subject):
        if description.name not in table:
            continue
        try:
            _take(description, table[description.name])
        except (SettingsError, ValueError) as error:
            raise RuleBroken(
                f"what it writes for {description.name!r} is refused: {error}"
            ) from None


def _take(description: SettingDescription, value: object) -> None:
    if not isinstance(value, Mapping):  # a secret names its variable only
        check_rules(description, convert_value(description, value))


@BOOK.rule(
    "S-07",
    "every setting can come from the environment",
    promise="Each of the simulator's settings gives the same value whether it stands in "
    'mpm.toml or is named by `{ env = "…" }`; no two settings share a variable.',
    remedy="types that a text can hold: str, int, bool, Decimal, Secret, tuple[str, ...], StrEnum.",
)
def _environment(case: Case) -> None:
    given = plain_settings(given_settings(case.subject))
    names = environment_names(case.subject.manifest.settings_class, "umeme", case.subject.name)
    if len(set(names.values())) != len(names):
        raise RuleBroken("two settings share a variable.")
    environ = {names[name]: _as_text(value) for name, value in given.items()}
    references = {name: {"env": names[name]} for name in given}
    direct, referred = (
        read_settings_of(case.subject, given),
        read_settings_of(case.subject, references, environ),
    )
    for description in descriptions_of(case.subject):
        one, other = (getattr(settings, description.name) for settings in (direct, referred))
        if one != other:
            raise RuleBroken(f"setting {description.name!r} changes when it comes as a text.")


def _as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return format_value(value)


@BOOK.rule(
    "S-08",
    "its questions on a terminal can be answered",
    promise="`cli_prompts` asks one question per setting; secrets are hidden and have no default "
    "that would be shown; the default shown is one the setting takes.",
    remedy="a default that fits the setting's own rules.",
)
def _prompts(case: Case) -> None:
    described = {one.name: one for one in descriptions_of(case.subject)}
    for prompt in cli_prompts(case.subject.manifest.settings_class):
        description = described[prompt.name]
        if prompt.hidden != description.secret or (prompt.hidden and prompt.default):
            raise RuleBroken(f"the question for {prompt.name!r} would show a secret.")
        if prompt.default and not description.secret:
            try:
                parse_text(description, prompt.default)
            except ValueError as error:
                raise RuleBroken(f"the default of {prompt.name!r} {error}.") from None


@BOOK.rule(
    "S-09",
    "its form on the web can be filled in",
    promise="`form_fields` has a field per setting; secrets are password fields without a value; a "
    "select offers the value it shows.",
    remedy="a default that is among the choices; no example for a secret.",
)
def _form(case: Case) -> None:
    described = {one.name: one for one in descriptions_of(case.subject)}
    for field in form_fields(case.subject.manifest.settings_class):
        secret = described[field.name].secret
        if secret and (field.input != "password" or field.value or field.placeholder):
            raise RuleBroken(f"the field {field.name!r} would show a secret.")
        if field.options and field.value and field.value not in field.options:
            raise RuleBroken(f"the field {field.name!r} shows {field.value!r}, no option of it.")


@BOOK.rule(
    "S-10",
    "its JSON schema takes what it takes",
    promise="`json_schema` can be written as JSON, requires what is required, refuses other names, "
    "shows no default of a secret, and the simulator's settings and all defaults fit it.",
    remedy="a default, an example and simulator settings that fit the setting's own rules.",
)
def _schema(case: Case) -> None:
    schema = json.loads(json.dumps(json_schema(case.subject.manifest.settings_class)))
    properties = schema["properties"]
    for description in descriptions_of(case.subject):
        one = properties[description.name]
        if description.secret and ("default" in one or "examples" in one):
            raise RuleBroken(f"the schema shows a value of the secret {description.name!r}.")
        if one.get("default") is not None:
            _check_against(description.name, one, one["default"])
    for name, value in plain_settings(given_settings(case.subject)).items():
        _check_against(name, properties[name], value)


def _check_against(name: str, schema: Mapping[str, object], value: object) -> None:
    """Check the few words of JSON schema that `json_schema` writes."""
    types = schema["type"]
    allowed = types if isinstance(types, list) else [types]
    fits = (
        _type_of(value) in allowed
        and ("enum" not in schema or value in _listed(schema["enum"]))
        and not (isinstance(value, str) and not re.search(str(schema.get("pattern", "")), value))
    )
    if not fits:
        raise RuleBroken(f"the schema refuses a value of {name!r} that the setting takes.")


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case list() | tuple():
            return "array"
        case str() | Decimal():
            return "string"
        case _:
            return "unknown"


@BOOK.rule(
    "S-11",
    "its table for people has a row per setting",
    promise="`documentation_table` has a row per setting, and no secret has a default or an "
    "example in it.",
    remedy="no default and no example for a secret.",
)
def _table(case: Case) -> None:
    rows = documentation_table(case.subject.manifest.settings_class).splitlines()[2:]
    descriptions = descriptions_of(case.subject)
    if len(rows) != len(descriptions):
        raise RuleBroken(f"the table has {len(rows)} rows for {len(descriptions)} settings.")
    for description in descriptions:
        if description.secret and description.default is not None:
            raise RuleBroken(f"the secret {description.name!r} has a default everybody knows.")


@BOOK.rule(
    "S-12",
    "details of a device are declared like settings",
    promise="Each field of the manifest's `details_class` explains itself, and the `details` "
    "of the contract test are taken by it.",
    remedy="details = {…} in the contract test, one value per required field.",
    applies=lambda subject: subject.manifest.details_class is not None,
    when="`details_class`",
)
def _details(case: Case) -> None:
    details_class = case.subject.manifest.details_class
    if details_class is None:
        return
    for description in describe(details_class):
        if not description.help.strip():
            raise RuleBroken(f"the field {description.name!r} has no help.")
    try:
        read_settings(
            details_class,
            case.subject.details,
            place=place_of_settings(case.subject),
            environ={},
            folder=Path(),
        )
    except SettingsError as error:
        raise RuleBroken(f"the details of the test are refused: {error}") from None
