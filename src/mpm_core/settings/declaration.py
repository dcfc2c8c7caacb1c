"""Declaring a plugin's settings: `setting()` fields, and `describe`, which turns them into data."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import EnumType, StrEnum
from functools import cache
from types import NoneType
from typing import Any, Literal

import attrs

from mpm_core.secrets import Secret
from mpm_core.settings.values import (
    SettingDescription,
    SettingType,
    check_rules,
    convert_value,
)

__all__ = ["HOST_KEYS", "describe", "setting"]

HOST_KEYS = frozenset(
    {
        "allow_plain_http",
        "allow_private_addresses",
        "allowed_addresses",
        "concurrency",
        "enabled",
        "maximum_amount",
        "minimum_amount",
        "use",
    }
)
"""Keys of every instance that the host handles; a settings class must not use them."""

_RULES = "mpm_core.setting"
_TYPES: Mapping[object, SettingType] = {
    str: SettingType.TEXT,
    int: SettingType.WHOLE_NUMBER,
    bool: SettingType.YES_NO,
    Decimal: SettingType.DECIMAL,
    Secret: SettingType.SECRET,
    tuple[str, ...]: SettingType.TEXTS,
}
_NOT_IN_JSON = frozenset(
    {SettingType.DECIMAL, SettingType.SECRET, SettingType.TEXTS, SettingType.CHOICE}
)
_TYPE_NAMES = (
    "use str, int, bool, Decimal, Secret, tuple[str, ...], a StrEnum, or one of them | None"
)


def setting(  # noqa: PLR0913 - one argument per rule, all by name
    *,
    help: str,  # noqa: A002 - the word authors and readers expect
    default: Any = attrs.NOTHING,  # noqa: ANN401 - the field's annotation says the type
    example: str | None = None,
    kind: Literal["url"] | None = None,
    choices: Sequence[str] = (),
    minimum: int | Decimal | None = None,
    maximum: int | Decimal | None = None,
    minimum_length: int | None = None,
    pattern: str | None = None,
) -> Any:  # noqa: ANN401 - stands where a value of the annotated type is expected
    """Declare one field of a settings class.

    The field's annotation is its type: `str`, `int`, `bool`, `Decimal`, `Secret`,
    `tuple[str, ...]`, a `StrEnum`, or one of these `| None`.

    Args:
        help: one sentence for people: prompts, forms and the documentation show it.
        default: makes the setting optional.
        example: a value as people would write it.
        kind: `url`: an http or https URL without credentials.
        choices: the only texts accepted.
        minimum: smallest number accepted.
        maximum: largest number accepted.
        minimum_length: fewest characters accepted.
        pattern: regular expression that the whole text must match.
    """
    rules = {
        "help": help,
        "example": example,
        "kind": kind,
        "choices": tuple(choices),
        "minimum": minimum,
        "maximum": maximum,
        "minimum_length": minimum_length,
        "pattern": pattern,
    }
    return attrs.field(
        default=default,
        converter=attrs.Converter(_from_json, takes_self=True, takes_field=True),
        validator=_check_field,
        metadata={_RULES: rules},
    )


def describe(cls: type) -> tuple[SettingDescription, ...]:
    """Describe every setting of a class, in its order.

    Raises:
        TypeError: the class is no settings class; the message says what to write.
    """
    if not attrs.has(cls):
        raise TypeError(f"{cls.__name__} is no attrs class; write @attrs.frozen(kw_only=True).")
    try:
        annotations = typing.get_type_hints(cls)
    except NameError as error:
        raise TypeError(
            f"{cls.__name__} names a type that is not imported at run time ({error}); import it"
            " outside of TYPE_CHECKING."
        ) from None
    return tuple(
        _describe_field(cls, field, annotations[field.name]) for field in attrs.fields(cls)
    )


def _from_json(value: object, instance: object, field: attrs.Attribute[Any]) -> object:
    """Take a stored JSON value where the class is made directly, as a device's details are."""
    if not isinstance(value, str | list):
        return value
    cls: type = type(instance)
    description = _by_name(cls)[field.name]
    if description.value_type not in _NOT_IN_JSON:
        return value
    try:
        return convert_value(description, value)
    except ValueError as error:
        raise ValueError(f"setting {field.name!r} {error}.") from None


@cache
def _by_name(cls: type) -> Mapping[str, SettingDescription]:
    return {description.name: description for description in describe(cls)}


def _check_field(_instance: object, field: attrs.Attribute[Any], value: object) -> None:
    """Check the rules also where a settings class is made directly, as tests do."""
    try:
        check_rules(_description(SettingType.TEXT, field), value)
    except ValueError as error:
        raise ValueError(f"setting {field.name!r} {error}.") from None


def _describe_field(
    cls: type, field: attrs.Attribute[Any], annotation: object
) -> SettingDescription:
    where = f"{cls.__name__}.{field.name}"
    if _RULES not in field.metadata:
        raise TypeError(f"{where} is no setting; write {field.name} = setting(help=…).")
    plain, optional = _without_none(annotation)
    enum = plain if isinstance(plain, EnumType) and issubclass(plain, StrEnum) else None
    kind = SettingType.CHOICE if enum else _TYPES.get(plain)
    if kind is None:
        raise TypeError(f"{where} has a type no setting can have: {_TYPE_NAMES}.")
    described = _description(kind, field)
    choices = tuple(member.value for member in enum) if enum else described.choices
    return attrs.evolve(described, optional=optional, enum=enum, choices=choices)


def _description(kind: SettingType, field: attrs.Attribute[Any]) -> SettingDescription:
    required = field.default is attrs.NOTHING
    return SettingDescription(
        name=field.name,
        value_type=kind,
        required=required,
        default=None if required else field.default,
        **field.metadata[_RULES],
    )


def _without_none(annotation: object) -> tuple[object, bool]:
    """Split `X | None` into X and whether nothing is allowed."""
    parts = typing.get_args(annotation)
    rest = tuple(part for part in parts if part is not NoneType)
    is_optional = NoneType in parts and len(rest) == 1
    return (rest[0], True) if is_optional else (annotation, False)
