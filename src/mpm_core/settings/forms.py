"""A settings class as prompts, a web form, a JSON schema, a table for people, and redacted values.

Everything here is data for others to draw; texts that come back go through `parse_text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from mpm_core.secrets import MASK
from mpm_core.settings.declaration import describe
from mpm_core.settings.values import SettingDescription, SettingType, parse_text

__all__ = [
    "FormField",
    "Prompt",
    "cli_prompts",
    "documentation_table",
    "form_fields",
    "format_value",
    "json_schema",
    "redact",
]

NOT_SET = "not set"
_DECIMAL_TEXT = r"^[+-]?[0-9]{1,18}(\.[0-9]{1,18})?$"


@attrs.frozen(kw_only=True)
class Prompt:
    """One question on a terminal.

    Attributes:
        name: of the setting.
        question: without colon.
        default: what an empty answer, which leaves the setting out, comes to; `None` if an answer
            is needed.
        hidden: the answer must not be echoed.
    """

    name: str
    question: str
    default: str | None
    hidden: bool


@attrs.frozen(kw_only=True)
class FormField:
    """One field of a web form.

    Attributes:
        name: of the setting.
        label: for people: `API key`.
        help: one sentence.
        input: `text`, `url`, `password`, `number`, `checkbox` or `select`.
        required: whether it must be filled in.
        value: what it shows first; always empty for secrets.
        placeholder: an example.
        options: of a `select`; the first is empty if nothing may be chosen.
        attributes: HTML attributes of the input, such as `min`.
    """

    name: str
    label: str
    help: str
    input: str
    required: bool
    value: str
    placeholder: str
    options: tuple[str, ...]
    attributes: Mapping[str, str]


def format_value(value: object) -> str:
    """Write a value as a person would type it: what `parse_text` reads. Secrets are masked."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value:f}"
        case tuple():
            return ", ".join(value)
        case _:
            return str(value)


def redact(instance: object) -> dict[str, str]:
    """Return an instance's values for people, secrets masked."""
    shown: dict[str, str] = {}
    for description in describe(type(instance)):
        value = getattr(instance, description.name)
        if description.secret:
            shown[description.name] = MASK if value else NOT_SET
        else:
            shown[description.name] = NOT_SET if value is None else format_value(value)
    return shown


def cli_prompts(cls: type) -> tuple[Prompt, ...]:
    """Return one question per setting, required ones first."""
    in_order = sorted(describe(cls), key=lambda description: not description.required)
    return tuple(
        Prompt(
            name=description.name,
            question=_question(description),
            default=None if description.required else _default_text(description),
            hidden=description.secret,
        )
        for description in in_order
    )


def form_fields(cls: type) -> tuple[FormField, ...]:
    """Return the fields of a web form, in the class's order."""
    return tuple(_form_field(description) for description in describe(cls))


def json_schema(cls: type) -> dict[str, object]:
    """Return a JSON schema (draft 2020-12) of the values the API takes."""
    descriptions = describe(cls)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": cls.__name__,
        "type": "object",
        "properties": {one.name: _property_schema(one) for one in descriptions},
        "required": [one.name for one in descriptions if one.required],
        "additionalProperties": False,
    }


def documentation_table(cls: type) -> str:
    """Return a Markdown table of the settings."""
    rows = [
        ("Setting", "Type", "Default", "What it is"),
        ("---", "---", "---", "---"),
        *(_table_row(description) for description in describe(cls)),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _default_text(description: SettingDescription) -> str:
    return "" if description.secret else format_value(description.default)


def _question(description: SettingDescription) -> str:
    words = [description.type_label, description.limits_label]
    if description.example and not description.secret:
        words.append(f"for example {description.example}")
    details = ", ".join(word for word in words if word)
    return f"{_one_line(description.help).removesuffix('.')} ({details})"


def _form_field(description: SettingDescription) -> FormField:
    nothing = ("",) if description.optional and description.choices else ()
    return FormField(
        name=description.name,
        label=_label(description.name),
        help=_one_line(description.help),
        input=_input(description),
        required=description.required and description.value_type is not SettingType.YES_NO,
        value=_default_text(description),
        placeholder="" if description.secret else description.example or "",
        options=(*nothing, *description.choices),
        attributes=_attributes(description),
    )


_ACRONYMS = {"api": "API", "id": "ID", "ip": "IP", "jwt": "JWT", "sms": "SMS", "url": "URL"}


def _label(name: str) -> str:
    words = " ".join(_ACRONYMS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def _input(description: SettingDescription) -> str:
    if description.choices and description.value_type is not SettingType.TEXTS:
        return "select"
    if description.kind == "url":
        return "url"
    return {
        SettingType.SECRET: "password",
        SettingType.WHOLE_NUMBER: "number",
        SettingType.DECIMAL: "number",
        SettingType.YES_NO: "checkbox",
    }.get(description.value_type, "text")


def _attributes(description: SettingDescription) -> dict[str, str]:
    found = {
        "min": description.minimum,
        "max": description.maximum,
        "minlength": description.minimum_length,
        "pattern": description.pattern,
        "step": "any" if description.value_type is SettingType.DECIMAL else None,
        "autocomplete": "off" if description.secret else None,
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def _table_row(description: SettingDescription) -> tuple[str, str, str, str]:
    default = "required" if description.required else _code(_default_text(description))
    has_example = description.example and not description.secret
    example = f" Example: {_code(description.example or '')}." if has_example else ""
    limits = f", {description.limits_label}" if description.limits_label else ""
    cells = (
        _code(description.name),
        f"{description.type_label}{limits}",
        default,
        f"{_one_line(description.help).removesuffix('.')}.{example}",
    )
    name, kind, shown, text = (cell.replace("|", "\\|") for cell in cells)
    return name, kind, shown, text


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _property_schema(description: SettingDescription) -> dict[str, object]:
    schema = _type_schema(description)
    if description.optional:
        schema = {**schema, "type": [schema["type"], "null"]}
        if description.choices:
            schema["enum"] = [*description.choices, None]
    schema["description"] = _one_line(description.help)
    if not description.required and not description.secret:
        schema["default"] = _json_value(description.default)
    if description.example and not description.secret:
        schema["examples"] = [_json_value(parse_text(description, description.example))]
    return schema


def _type_schema(description: SettingDescription) -> dict[str, object]:
    match description.value_type:
        case SettingType.WHOLE_NUMBER:
            limits = {"minimum": description.minimum, "maximum": description.maximum}
            return {"type": "integer"} | _given(limits)
        case SettingType.YES_NO:
            return {"type": "boolean"}
        case SettingType.DECIMAL:
            return {"type": "string", "pattern": _DECIMAL_TEXT}
        case SettingType.TEXTS:
            return {"type": "array", "items": _text_schema(description)}
        case SettingType.SECRET:
            return _text_schema(description) | {"format": "password", "writeOnly": True}
        case _:
            return _text_schema(description)


def _text_schema(description: SettingDescription) -> dict[str, object]:
    minimum = description.minimum_length
    if minimum is None and (description.required or description.secret):
        minimum = 1
    return {"type": "string"} | _given(
        {
            "format": "uri" if description.kind == "url" else None,
            "enum": list(description.choices) or None,
            "minLength": minimum,
            "pattern": f"^(?:{description.pattern})$" if description.pattern else None,
        }
    )


def _given(entries: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in entries.items() if value is not None}


def _json_value(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return format_value(value) if isinstance(value, (Decimal, str)) else value
