"""The contract as plugins see it: one line per public name and per hook, to be compared."""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Iterator, Mapping

import attrs

import mpm_core
from mpm_core import MpmError
from mpm_core.discovery.plugin_checks import hook_arguments

__all__ = ["contract_lines"]


def contract_lines() -> tuple[str, ...]:
    """Return the shape of every public name, then the arguments of every hook."""
    names = (f"{name}{_shape(getattr(mpm_core, name))}" for name in sorted(mpm_core.__all__))
    hooks = (f"hook {name}({', '.join(given)})" for name, given in sorted(hook_arguments().items()))
    return (*names, *hooks)


def _shape(thing: object) -> str:
    if thing is mpm_core.hookimpl:
        return " of pluggy"  # whose options plugins must not use
    if isinstance(thing, type):
        return _class_shape(thing)
    if isinstance(thing, Mapping):
        return f" = {{{', '.join(sorted(thing))}}}"
    if typing.get_origin(thing) or not callable(thing):
        return f" = {' | '.join(part.__name__ for part in typing.get_args(thing))}"
    return _signature(thing)


def _class_shape(cls: type) -> str:
    if issubclass(cls, enum.Enum):
        return f": {', '.join(f'{member.name}={member.value}' for member in cls)}"
    if getattr(cls, "_is_protocol", False):
        return f": {', '.join(f'.{name}' for name in _own_names(cls))}"
    if issubclass(cls, BaseException):
        own = any("__init__" in vars(base) for base in cls.__mro__ if issubclass(base, MpmError))
        return f"{_signature(cls) if own else ''} < {cls.__base__.__name__}"
    methods = "".join(f" .{name}" for name in _own_names(cls))
    if attrs.has(cls):
        return f"({', '.join(_fields(cls))}){methods}"
    return f"{_signature(cls)}{methods}"


def _own_names(cls: type) -> Iterator[str]:
    fields = {field.name for field in attrs.fields(cls)} if attrs.has(cls) else set()
    for name in sorted(vars(cls)):
        if not name.startswith("_") and name not in fields:
            yield name


def _fields(cls: type) -> Iterator[str]:
    for field in attrs.fields(cls):
        yield f"{field.alias}{'' if field.default is attrs.NOTHING else '=…'}"


def _signature(thing: typing.Any) -> str:
    try:
        parameters = list(inspect.signature(thing).parameters.values())
    except ValueError:
        return ""
    shown, starred = [], False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL
        prefix = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(
            parameter.kind, ""
        )
        default = "" if parameter.default is parameter.empty else "=…"
        shown.append(f"{prefix}{parameter.name}{default}")
    return f"({', '.join(shown)})"
