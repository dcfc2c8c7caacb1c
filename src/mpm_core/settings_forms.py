"""One settings class, rendered: TOML, variables, prompts, form, JSON schema, table, redaction."""

from __future__ import annotations

import json

from mpm_core.settings_values import SettingDescription, SettingType

__all__ = ["environment_name", "example_line"]


def environment_name(company: str, instance: str, name: str) -> str:
    """Suggest a variable for a setting: `UMEME_CALIN_API_KEY`."""
    joined = f"{company}_{instance}_{name}"
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in joined).upper()


def example_line(description: SettingDescription, variable: str) -> str:
    """Write one line of TOML that sets a setting; a secret is taken from a variable."""
    if description.secret:
        return f"{description.name} = {{ env = {json.dumps(variable)} }}"
    return f"{description.name} = {_example_value(description)}"


def _example_value(description: SettingDescription) -> str:
    text = description.example or (description.choices[0] if description.choices else "")
    match description.value_type:
        case SettingType.WHOLE_NUMBER:
            return text or str(description.minimum or 1)
        case SettingType.YES_NO:
            return text or "true"
        case SettingType.TEXTS:
            return json.dumps([item.strip() for item in text.split(",")], ensure_ascii=False)
        case SettingType.DECIMAL:
            return json.dumps(text or str(description.minimum or 1))
        case _:
            return json.dumps(text or "…", ensure_ascii=False)
