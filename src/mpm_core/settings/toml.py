"""A settings class as `mpm.toml` and environment variables have it."""

from __future__ import annotations

import json
from decimal import Decimal

from mpm_core.settings.declaration import describe
from mpm_core.settings.values import SettingDescription, SettingType

__all__ = ["environment_name", "environment_names", "example_line", "given_line", "to_toml"]


def environment_name(company: str, instance: str, name: str) -> str:
    """Suggest a variable for a setting: `UMEME_CALIN_API_KEY`."""
    joined = f"{company}_{instance}_{name}"
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in joined).upper()


def environment_names(cls: type, company: str, instance: str) -> dict[str, str]:
    """Suggest a variable for every setting, for `{ env = "…" }`."""
    return {
        description.name: environment_name(company, instance, description.name)
        for description in describe(cls)
    }


def to_toml(cls: type, *, company: str, instance: str, plugin: str) -> str:
    """Write an instance's section of `mpm.toml`, to be filled in.

    Required settings have example values, secrets name a variable, the others are commented out.
    """
    lines = [f"[companies.{company}.plugins.{instance}]"]
    if plugin != instance:
        lines.append(f"use = {_text(plugin)}")
    for description in describe(cls):
        line = example_line(description, environment_name(company, instance, description.name))
        lines.append(f"# {_explanation(description)}")
        lines.append(line if description.required else f"# {line}")
    return "\n".join(lines) + "\n"


def example_line(description: SettingDescription, variable: str) -> str:
    """Write one line of TOML that sets a setting; a secret is taken from a variable."""
    if description.secret:
        return f"{description.name} = {{ env = {_text(variable)} }}"
    return f"{description.name} = {_example_value(description)}"


def given_line(name: str, value: object) -> str:
    """Write one line of TOML that sets a setting to a plain value: a text, number, flag or list."""
    return f"{name} = {_value(value)}"


def _explanation(description: SettingDescription) -> str:
    words = (description.type_label, description.limits_label)
    label = ", ".join(word for word in words if word)
    return f"{' '.join(description.help.split()).removesuffix('.')} ({label})."


def _example_value(description: SettingDescription) -> str:
    """Write the default, else the example, else any value of the type."""
    if description.default is not None:
        return _value(description.default)
    text = description.example or next(iter(description.choices), "")
    match description.value_type:
        case SettingType.WHOLE_NUMBER:
            return text or str(description.minimum or 1)
        case SettingType.YES_NO:
            return text or "true"
        case SettingType.TEXTS:
            return _value(tuple(item.strip() for item in text.split(",")))
        case SettingType.DECIMAL:
            return _text(text or str(description.minimum or 1))
        case _:
            return _text(text or "…")


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return _text(f"{value:f}")
        case tuple() | list():
            return f"[{', '.join(_value(item) for item in value)}]"
        case str():
            return _text(str(value))
        case _:
            return str(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # TOML's basic strings have JSON's escapes
