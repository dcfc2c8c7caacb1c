"""One setting: what it may hold, and how a TOML value or a text becomes it.

A setting's value comes typed (TOML, JSON) or as text (environment, file, prompt, web form). Typed
values are taken strictly, texts are converted; both then meet the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import cast
from urllib.parse import urlsplit

import attrs

from mpm_core.secrets import Secret

__all__ = [
    "SettingDescription",
    "SettingType",
    "WrongValueError",
    "check_rules",
    "convert_value",
    "did_you_mean",
    "parse_text",
]

_YES_NO = {"true": True, "yes": True, "false": False, "no": False}
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_DECIMAL_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class SettingType(StrEnum):
    """What a setting holds; the value is the label people read."""

    TEXT = "text"
    WHOLE_NUMBER = "whole number"
    YES_NO = "yes or no"
    DECIMAL = "decimal number"
    SECRET = "secret"  # noqa: S105 - a label
    TEXTS = "list of texts"
    CHOICE = "choice"


class WrongValueError(ValueError):
    """A value does not fit its setting; never holds the value, which may be a secret.

    Args:
        phrase: follows the setting's name: `must be a whole number`.
        hint: what to do, if more can be said: `did you mean 'north'?`.
    """

    def __init__(self, phrase: str, hint: str = "") -> None:
        super().__init__(f"{phrase}; {hint}" if hint else phrase)
        self.phrase = phrase
        self.hint = hint


@attrs.frozen(kw_only=True)
class SettingDescription:
    """Everything known about one setting; every rendering is made from it.

    Attributes:
        name: as in the settings class and in TOML.
        value_type: what it holds.
        optional: whether "nothing" (`None`) is a value.
        required: whether it must be given.
        default: what it is otherwise; meaningless if required.
        help: one sentence for people.
        example: a value as people write it.
        kind: `url`: an http or https URL.
        choices: the texts it may hold; empty means any.
        enum: the class of a choice.
        minimum: smallest number.
        maximum: largest number.
        minimum_length: fewest characters of a text.
        pattern: regular expression the whole text must match.
    """

    name: str
    value_type: SettingType
    help: str
    required: bool
    optional: bool = False
    default: object = None
    example: str | None = None
    kind: str | None = None
    choices: tuple[str, ...] = ()
    enum: type[StrEnum] | None = None
    minimum: int | Decimal | None = None
    maximum: int | Decimal | None = None
    minimum_length: int | None = None
    pattern: str | None = None

    @property
    def secret(self) -> bool:
        """Tell whether the value must never be shown."""
        return self.value_type is SettingType.SECRET

    @property
    def type_label(self) -> str:
        """Name the type for people: `whole number`, `URL`, `one of north, south`."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return "URL" if self.kind == "url" else self.value_type.value

    @property
    def limits_label(self) -> str:
        """Name the limits for people: `at least 1, at most 60`; empty if there are none."""
        limits = (
            ("at least {}", self.minimum),
            ("at most {}", self.maximum),
            ("at least {} characters", self.minimum_length),
            ("matching {}", self.pattern),
        )
        return ", ".join(text.format(limit) for text, limit in limits if limit is not None)


def convert_value(description: SettingDescription, value: object) -> object:
    """Take a typed value strictly: `"3"` is no whole number and `1` no yes.

    Raises:
        WrongValueError: it has another type than the setting.
    """
    if value is None and description.optional:
        return None
    if not _has_type(description, value):
        raise _wrong_type(description)
    return _wrap(description, value)


def parse_text(description: SettingDescription, text: str) -> object:
    """Convert what a person typed, a variable or a file holds, and check the setting's rules.

    Lists are separated by commas; a blank text is "nothing" where that is a value.

    Raises:
        WrongValueError: the text cannot become a value of the setting.
    """
    value = _from_text(description, text)
    check_rules(description, value)
    return value


def check_rules(description: SettingDescription, value: object) -> None:
    """Check the limits, choices, pattern and kind of a converted value.

    Raises:
        WrongValueError: a rule is broken.
    """
    match value:
        case Secret():
            _check_text(description, value.reveal())
        case StrEnum() | bool():
            pass
        case str():
            _check_text(description, value)
        case int() | Decimal():
            _check_number(description, value)
        case tuple():
            for item in value:
                _check_text(description, item)
        case _:
            pass  # nothing, where that is allowed


_TAKEN: Mapping[SettingType, tuple[type, ...]] = {
    SettingType.TEXT: (str,),
    SettingType.WHOLE_NUMBER: (int,),
    SettingType.YES_NO: (bool,),
    SettingType.DECIMAL: (str, int, Decimal),
    SettingType.SECRET: (str, Secret),
    SettingType.TEXTS: (list, tuple),
    SettingType.CHOICE: (str,),
}

_NAMES: Mapping[SettingType, str] = {
    SettingType.TEXT: "a text",
    SettingType.WHOLE_NUMBER: "a whole number",
    SettingType.YES_NO: "true or false",
    SettingType.DECIMAL: "a decimal number",
    SettingType.SECRET: "a text",
    SettingType.TEXTS: "a list of texts",
}


def _has_type(description: SettingDescription, value: object) -> bool:
    if isinstance(value, bool) and description.value_type is not SettingType.YES_NO:
        return False  # Python counts True as an int
    if isinstance(value, (list, tuple)) and not all(isinstance(item, str) for item in value):
        return False
    return isinstance(value, _TAKEN[description.value_type])


def _wrong_type(description: SettingDescription) -> WrongValueError:
    expected = _NAMES.get(description.value_type, description.type_label)
    hint = 'write it in quotes: "12.5"' if description.value_type is SettingType.DECIMAL else ""
    return WrongValueError(f"must be {expected}", hint)


def _wrap(description: SettingDescription, value: object) -> object:
    match description.value_type:
        case SettingType.SECRET:
            return _secret(value)
        case SettingType.DECIMAL:
            return _decimal(description, str(value))
        case SettingType.TEXTS:
            return tuple(cast("list[str]", value))
        case SettingType.CHOICE:
            return _choice(description, str(value))
        case _:
            return value


def _secret(value: object) -> Secret:
    secret = value if isinstance(value, Secret) else Secret(str(value))
    if not secret:  # an empty variable must not quietly switch a check off
        raise WrongValueError("must not be empty")
    return secret


def _from_text(description: SettingDescription, text: str) -> object:
    if description.optional and not description.secret and not text.strip():
        return None
    match description.value_type:
        case SettingType.WHOLE_NUMBER:
            if not _WHOLE_NUMBER.fullmatch(text.strip()):
                raise _wrong_type(description)
            return int(text)
        case SettingType.YES_NO:
            if text.strip().lower() not in _YES_NO:
                raise _wrong_type(description)
            return _YES_NO[text.strip().lower()]
        case SettingType.TEXTS:
            return tuple(item.strip() for item in text.split(",") if item.strip())
        case _:
            return _wrap(description, text)


def _decimal(description: SettingDescription, text: str) -> Decimal:
    if not _DECIMAL_NUMBER.fullmatch(text.strip()):
        raise _wrong_type(description)
    return Decimal(text.strip())


def _choice(description: SettingDescription, text: str) -> StrEnum | str:
    if text not in description.choices or description.enum is None:
        raise _wrong_choice(description, text)
    return description.enum(text)


def _wrong_choice(description: SettingDescription, text: str) -> WrongValueError:
    return WrongValueError(
        f"must be {description.type_label}", did_you_mean(text, description.choices)
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`, or nothing if no known name is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - only errors need it

    close = get_close_matches(name, tuple(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _check_number(description: SettingDescription, value: int | Decimal) -> None:
    if description.minimum is not None and value < description.minimum:
        raise WrongValueError(f"must be at least {description.minimum}")
    if description.maximum is not None and value > description.maximum:
        raise WrongValueError(f"must be at most {description.maximum}")


def _check_text(description: SettingDescription, text: str) -> None:
    if not text and description.required:
        raise WrongValueError("must not be empty")
    if description.minimum_length is not None and len(text) < description.minimum_length:
        raise WrongValueError(f"must have at least {description.minimum_length} characters")
    if description.pattern is not None and not re.fullmatch(description.pattern, text, re.ASCII):
        raise WrongValueError(f"must match {description.pattern}")
    if description.choices and text not in description.choices:
        raise _wrong_choice(description, text)
    if description.kind == "url":
        _check_url(text)


def _check_url(text: str) -> None:
    """Accept what the outbound client can call; credentials belong into a `Secret`."""
    try:
        url = urlsplit(text)
        plain = url.username is None and url.password is None and not url.fragment
        callable_ = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:  # a bracket or a port that is none
        plain = callable_ = False
    if not callable_ or not plain or _BLANK_OR_CONTROL.search(text):
        raise WrongValueError(
            "must be an http or https URL with a host, without user, password, blanks or '#'",
            "write it like http://vendor.example/api",
        )
