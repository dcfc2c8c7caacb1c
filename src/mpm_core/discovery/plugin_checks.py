"""Strict checks of a plugin's class before it may touch money, each with the line to write.

They refuse what Python and pluggy would accept and then never call, or call wrongly, or fail only
at the first payment: a misspelt hook, a keyword-only argument, a default, a coroutine.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

import attrs

from mpm_core import hookspecs
from mpm_core.deprecations import removal_hint
from mpm_core.errors import PluginLoadError
from mpm_core.manifest import Manifest, PluginKind
from mpm_core.manifest_checks import manifest_problems
from mpm_core.orders import ChargeKind
from mpm_core.settings.declaration import HOST_KEYS, describe
from mpm_core.settings.values import (
    SettingDescription,
    WrongValueError,
    did_you_mean,
    parse_text,
)

__all__ = ["check_plugin_class", "class_problems", "hook_arguments"]

_MARKER = f"{hookspecs.PROJECT_NAME}_impl"
_SPECIFICATION = f"{hookspecs.PROJECT_NAME}_spec"
_PREFIX = "mpm_"


def check_plugin_class(cls: type) -> None:
    """Refuse a class that breaks a rule of the contract.

    Raises:
        PluginLoadError: one line per broken rule, each with the corrected line.
    """
    problems = class_problems(cls)
    if problems:
        raise PluginLoadError("\n".join(problems))


def class_problems(cls: type) -> tuple[str, ...]:
    """Return every broken rule, each as one line that says what to write instead."""
    manifest = getattr(cls, "manifest", None)
    if not isinstance(manifest, Manifest):
        line = "manifest: ClassVar[Manifest] = Manifest(…)"
        return (f"{cls.__name__} has no manifest; write: {line}",)
    problems = tuple(manifest_problems(manifest))
    if problems:  # the other checks read the manifest
        return (*problems, *_hook_problems(cls))
    return (
        *_construction_problems(cls, manifest),
        *_settings_problems(manifest),
        *_hook_problems(cls),
        *_missing_hooks(cls, manifest),
        *_uncalled_hooks(cls, manifest),
    )


@cache
def hook_arguments() -> Mapping[str, tuple[str, ...]]:
    """Return every hook of the contract with the names of its arguments, in order."""
    return MappingProxyType(
        {
            name: tuple(inspect.signature(function).parameters)
            for name, function in vars(hookspecs).items()
            if hasattr(function, _SPECIFICATION)
        }
    )


def _construction_problems(cls: type, manifest: Manifest) -> Iterator[str]:
    settings = manifest.settings_class.__name__
    try:
        inspect.signature(cls).bind(object(), object())
    except (TypeError, ValueError):
        line = f"def __init__(self, settings: {settings}, runtime: PluginRuntime) -> None:"
        yield f"{cls.__name__} cannot be made from settings and runtime; write: {line}"
    if any("__eq__" in vars(base) for base in cls.__mro__[:-1]):
        yield (
            f"{cls.__name__} defines equality, but each instance is only equal to itself; remove"
            " __eq__, or with attrs write: @attrs.define(eq=False)"
        )


def _settings_problems(manifest: Manifest) -> Iterator[str]:
    try:
        settings = describe(manifest.settings_class)
        details = () if manifest.details_class is None else describe(manifest.details_class)
    except TypeError as error:
        yield str(error)
        return
    yield from _example_problems((*settings, *details))
    owner, names = manifest.settings_class.__name__, {one.name for one in settings}
    for name in sorted(names & HOST_KEYS):
        yield f"{owner}.{name}: the host handles {name!r} for every plugin; choose another name."
    for name in manifest.url_settings:
        if name not in names:
            hint = did_you_mean(name, names) or f"write: {name}: str = setting(help=…, kind='url')"
            yield f"The manifest's url_settings name {name!r}, which {owner} does not have; {hint}"


def _example_problems(descriptions: tuple[SettingDescription, ...]) -> Iterator[str]:
    """Yield what is wrong with the examples, which the documentation and the schema show."""
    for description in descriptions:
        if description.example is None:
            continue
        try:
            parse_text(description, description.example)
        except WrongValueError as error:
            yield f"The example {description.example!r} of setting {description.name!r} {error}."


@attrs.frozen(kw_only=True)
class _Implementation:
    """A method that is a hook, or looks like one."""

    owner: str
    name: str
    function: object
    marker: Mapping[str, object] | None
    is_static: bool

    def problem(self, what: str, write: str) -> str:
        return f"{self.owner}.{self.name} {what}; {write}"


def _implementations(cls: type) -> Iterator[_Implementation]:
    for name in dir(cls):
        attribute = inspect.getattr_static(cls, name)
        function = getattr(attribute, "__func__", attribute)
        marker = getattr(function, _MARKER, None)
        if isinstance(marker, dict) or name.startswith(_PREFIX):
            yield _Implementation(
                owner=cls.__name__,
                name=name,
                function=function,
                marker=marker if isinstance(marker, dict) else None,
                is_static=isinstance(attribute, staticmethod),
            )


def _hook_problems(cls: type) -> Iterator[str]:
    for implementation in _implementations(cls):
        problem = _hook_problem(implementation)
        if problem:
            yield problem


def _hook_problem(implementation: _Implementation) -> str:
    """Return the first broken rule of one hook; correcting it may show the next."""
    hooks = hook_arguments()
    if implementation.name not in hooks:
        hint = removal_hint(implementation.name) or did_you_mean(implementation.name, hooks)
        return implementation.problem("is no hook", hint or f"hooks are: {', '.join(hooks)}.")
    if implementation.marker is None:
        place = "below @staticmethod" if implementation.is_static else "above it"
        return implementation.problem("is not marked as a hook", f"write @hookimpl {place}.")
    if any(implementation.marker.values()):
        return implementation.problem("asks for a place of its own", "write a plain @hookimpl.")
    if not inspect.isfunction(implementation.function):
        return implementation.problem("is no method", f"write: {_line(implementation, hooks)}")
    return _signature_problem(implementation, hooks)


def _signature_problem(
    implementation: _Implementation, hooks: Mapping[str, tuple[str, ...]]
) -> str:
    function = implementation.function
    assert inspect.isfunction(function)  # noqa: S101 - checked by the caller
    correct = f"write: {_line(implementation, hooks)}"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return implementation.problem("is a coroutine, but hooks are synchronous", correct)
    if inspect.isgeneratorfunction(function):
        return implementation.problem("yields, but hooks return one answer", correct)
    parameters = list(inspect.signature(function).parameters.values())
    if not implementation.is_static:
        if not parameters:
            return implementation.problem("lacks 'self'", correct)
        del parameters[0]
    for parameter in parameters:
        what = _parameter_problem(implementation.name, parameter, hooks[implementation.name])
        if what:
            return implementation.problem(what, correct)
    return ""


def _parameter_problem(hook: str, parameter: inspect.Parameter, known: tuple[str, ...]) -> str:
    if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
        return f"takes '{parameter}', but arguments are passed by name"
    if parameter.kind is parameter.KEYWORD_ONLY:
        return f"takes {parameter.name!r} as keyword only"
    if parameter.default is not parameter.empty:
        return f"gives {parameter.name!r} a default, which would hide a missing value"
    if parameter.name not in known:
        gone = removal_hint(hook, parameter.name)
        hint = gone or did_you_mean(parameter.name, known)
        return f"takes {parameter.name!r}, which the hook does not have" + (
            f" ({hint})" if hint else ""
        )
    return ""


def _line(implementation: _Implementation, hooks: Mapping[str, tuple[str, ...]]) -> str:
    """Write the correct first line, with the arguments it asked for if it asked for known ones."""
    known = hooks[implementation.name]
    asked: tuple[str, ...] = ()
    if inspect.isfunction(implementation.function):
        wanted = inspect.signature(implementation.function).parameters
        asked = tuple(name for name in known if name in wanted)
    arguments = asked or known
    first = () if implementation.is_static else ("self",)
    return f"def {implementation.name}({', '.join((*first, *arguments))}):"


def _missing_hooks(cls: type, manifest: Manifest) -> Iterator[str]:
    present = {found.name for found in _implementations(cls)}
    for hook, reason in _needed_hooks(manifest):
        if hook not in present:
            line = f"def {hook}({', '.join(('self', *hook_arguments()[hook]))}):"
            yield f"{cls.__name__} lacks {hook}, because {reason}; write @hookimpl and: {line}"


def _needed_hooks(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield each hook that the manifest promises, with the promise."""
    answers_calls = manifest.kind is PluginKind.TELECOM or manifest.callback_paths
    if answers_calls:
        reason = (
            "it is a telecom" if manifest.kind is PluginKind.TELECOM else "it has callback_paths"
        )
        yield "mpm_read_call", reason
        yield "mpm_write_reply", reason
    if manifest.kind is PluginKind.MESSENGER:
        yield "mpm_send_message", "it is a messenger"
    if manifest.switches:
        yield "mpm_switch_device", "its manifest says switches"
    elif set(manifest.operations) - {ChargeKind.CLEAR}:
        yield "mpm_generate_token", "its manifest has operations"
    if ChargeKind.CLEAR in manifest.operations:
        yield "mpm_clear_device", "its manifest has the operation 'clear'"
    if manifest.supports_lookup:
        yield "mpm_register_device", "its manifest says supports_lookup"
    if manifest.supports_find:
        yield "mpm_find_token", "its manifest says supports_find"


def _uncalled_hooks(cls: type, manifest: Manifest) -> Iterator[str]:
    """Tell what would never be called: silence would look like success."""
    for implementation in _implementations(cls):
        write = _what_would_call(implementation.name, manifest)
        if write and not _hook_problem(implementation):
            yield implementation.problem("is never called", f"write in the manifest: {write}")


def _what_would_call(hook: str, manifest: Manifest) -> str:
    """Return what the manifest lacks for a hook to be called, or nothing."""
    is_telecom = manifest.kind is PluginKind.TELECOM
    minted = set(manifest.operations) - {ChargeKind.CLEAR}
    called = {
        "mpm_read_call": (is_telecom or manifest.callback_paths, 'callback_paths=("…",)'),
        "mpm_write_reply": (is_telecom or manifest.callback_paths, 'callback_paths=("…",)'),
        "mpm_report_payment": (is_telecom, "kind=PluginKind.TELECOM"),
        "mpm_push_payment": (is_telecom, "kind=PluginKind.TELECOM"),
        "mpm_query_payment": (is_telecom, "kind=PluginKind.TELECOM"),
        "mpm_register_device": (manifest.supports_lookup, "supports_lookup=True"),
        "mpm_prepare_order": (manifest.operations, "operations={…}"),
        "mpm_generate_token": (minted, "operations={ChargeKind.ENERGY: Operation(…)}"),
        "mpm_find_token": (manifest.supports_find, "supports_find=True"),
        "mpm_clear_device": (
            ChargeKind.CLEAR in manifest.operations,
            "operations={ChargeKind.CLEAR: Operation(…)}",
        ),
        "mpm_switch_device": (manifest.switches, "switches=True"),
        "mpm_send_message": (
            manifest.kind is PluginKind.MESSENGER,
            "kind=PluginKind.MESSENGER",
        ),
    }
    is_called, write = called.get(hook, (True, ""))
    return "" if is_called else write
