from __future__ import annotations

import functools
import inspect
import re
from typing import ClassVar

import attrs
import pytest

from mpm_core import (
    ChargeKind,
    DeviceKind,
    Manifest,
    Operation,
    OrphanEffect,
    PluginKind,
    PluginLoadError,
    Recovery,
    Secret,
    hookimpl,
    hookspecs,
    setting,
)
from mpm_core.discovery.plugin_checks import check_plugin_class, hook_arguments

TOKEN_LINE = "def mpm_generate_token(self, device, charge, order, context):"
HOOKS = ", ".join(hook_arguments())


@attrs.frozen(kw_only=True)
class Settings:
    api_url: str = setting(help="u", kind="url")
    api_key: Secret = setting(help="k")


def manifest(**changes: object) -> Manifest:
    sound = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Acme",
        settings_class=Settings,
        device_kinds=frozenset({DeviceKind.METER}),
        url_settings=("api_url",),
    )
    return attrs.evolve(sound, **changes)


def operations(*kinds: ChargeKind, recovery: Recovery = Recovery.NONE) -> dict[str, object]:
    operation = Operation(recovery=recovery, orphan_effect=OrphanEffect.HARMLESS)
    return {"operations": dict.fromkeys(kinds, operation), "energy_step": 100}


class Base:
    manifest: ClassVar[Manifest] = manifest()

    def __init__(self, settings, runtime):
        pass


def plugin(name: str = "Acme", base: type = Base, **members: object) -> type:
    return type(name, (base,), members)


def refusal(cls: type) -> list[str]:
    with pytest.raises(PluginLoadError) as caught:
        check_plugin_class(cls)
    return str(caught.value).split("\n")


class Sound(Base):
    manifest: ClassVar[Manifest] = manifest(**operations(ChargeKind.ENERGY, ChargeKind.CLEAR))

    @hookimpl
    def mpm_generate_token(self, charge, device):
        """Ask for two arguments, in another order."""

    @hookimpl
    def mpm_clear_device(self, device, charge, order, context):
        """Ask for all."""

    @hookimpl
    def mpm_token_issued(self):
        """Ask for none."""

    @staticmethod
    @hookimpl
    def mpm_simulator():
        """Need no instance."""

    @classmethod
    @hookimpl
    def mpm_check(cls, context):
        """Need the class only."""

    def helper(self, *, anything=1):
        """Be nobody's business."""


def test_a_sound_class_is_accepted():
    check_plugin_class(Sound)


def test_hook_arguments_are_those_of_the_specifications():
    arguments = hook_arguments()

    assert arguments["mpm_generate_token"] == ("device", "charge", "order", "context")
    assert arguments["mpm_simulator"] == ()
    assert set(arguments) == {name for name in vars(hookspecs) if name.startswith("mpm_")}


# --- hooks ------------------------------------------------------------------------------------


@hookimpl
def mpm_genrate_token(self, device): ...


@hookimpl
def mpm_fly_to_the_moon(self): ...


def mpm_check(self, context): ...


@hookimpl
def keyword_only(self, device, *, order): ...


@hookimpl
def with_default(self, device, charge=None): ...


@hookimpl
def misnamed(self, devise, charge): ...


@hookimpl
def unheard_of(self, xyz): ...


@hookimpl
def all_positional(self, *args): ...


@hookimpl
def all_named(self, device, **rest): ...


@hookimpl
async def coroutine(self, device): ...


@hookimpl
async def asynchronous_generator(self, device):
    yield


@hookimpl
def generator(self, device):
    yield


@hookimpl
def without_self(): ...


@hookimpl(tryfirst=True)
def first(self, device): ...


@hookimpl(wrapper=True)
def wrapper(self, device):
    yield


@hookimpl(specname="mpm_check")
def renamed(self, device): ...


@pytest.mark.parametrize(
    ("name", "function", "problem"),
    [
        pytest.param(
            "mpm_genrate_token",
            mpm_genrate_token,
            "is no hook; did you mean 'mpm_generate_token'?",
            id="misspelt",
        ),
        pytest.param(
            "mpm_genrate_token",
            lambda _self: None,
            "is no hook; did you mean 'mpm_generate_token'?",
            id="misspelt and not marked",
        ),
        pytest.param(
            "fly",
            mpm_fly_to_the_moon,
            f"is no hook; hooks are: {HOOKS}.",
            id="marked but no hook",
        ),
        pytest.param(
            "mpm_check",
            mpm_check,
            "is not marked as a hook; write @hookimpl above it.",
            id="not marked",
        ),
        pytest.param(
            "mpm_simulator",
            hookimpl(staticmethod(lambda: None)),
            "is not marked as a hook; write @hookimpl below @staticmethod.",
            id="marked where pluggy does not look",
        ),
        pytest.param(
            "mpm_generate_token",
            keyword_only,
            "takes 'order' as keyword only; write: def mpm_generate_token(self, device, order):",
            id="keyword only",
        ),
        pytest.param(
            "mpm_generate_token",
            with_default,
            "gives 'charge' a default, which would hide a missing value; write:"
            " def mpm_generate_token(self, device, charge):",
            id="default",
        ),
        pytest.param(
            "mpm_generate_token",
            misnamed,
            "takes 'devise', which the hook does not have (did you mean 'device'?); write:"
            " def mpm_generate_token(self, charge):",
            id="misspelt argument",
        ),
        pytest.param(
            "mpm_generate_token",
            unheard_of,
            f"takes 'xyz', which the hook does not have; write: {TOKEN_LINE}",
            id="unknown argument",
        ),
        pytest.param(
            "mpm_generate_token",
            all_positional,
            f"takes '*args', but arguments are passed by name; write: {TOKEN_LINE}",
            id="star",
        ),
        pytest.param(
            "mpm_generate_token",
            all_named,
            "takes '**rest', but arguments are passed by name; write:"
            " def mpm_generate_token(self, device):",
            id="two stars",
        ),
        pytest.param(
            "mpm_generate_token",
            coroutine,
            "is a coroutine, but hooks are synchronous; write:"
            " def mpm_generate_token(self, device):",
            id="coroutine",
        ),
        pytest.param(
            "mpm_generate_token",
            asynchronous_generator,
            "is a coroutine, but hooks are synchronous; write:"
            " def mpm_generate_token(self, device):",
            id="asynchronous generator",
        ),
        pytest.param(
            "mpm_generate_token",
            generator,
            "yields, but hooks return one answer; write: def mpm_generate_token(self, device):",
            id="generator",
        ),
        pytest.param(
            "mpm_generate_token",
            without_self,
            f"lacks 'self'; write: {TOKEN_LINE}",
            id="without self",
        ),
        pytest.param(
            "mpm_generate_token",
            staticmethod(with_default),
            "takes 'self', which the hook does not have; write:"
            " def mpm_generate_token(device, charge):",
            id="static method with self",
        ),
        pytest.param(
            "mpm_generate_token",
            first,
            "asks for a place of its own; write a plain @hookimpl.",
            id="tryfirst",
        ),
        pytest.param(
            "mpm_generate_token",
            wrapper,
            "asks for a place of its own; write a plain @hookimpl.",
            id="wrapper",
        ),
        pytest.param(
            "mpm_generate_token",
            renamed,
            "asks for a place of its own; write a plain @hookimpl.",
            id="another hook's name",
        ),
        pytest.param(
            "mpm_check",
            hookimpl(functools.partial(mpm_check, None)),
            "is no method; write: def mpm_check(self, context):",
            id="no function",
        ),
    ],
)
def test_check_plugin_class_refuses_a_hook(name, function, problem):
    assert refusal(plugin(**{name: function})) == [f"Acme.{name} {problem}"]


def test_check_plugin_class_looks_at_inherited_hooks_too():
    parent = plugin("Parent", mpm_check=mpm_check)

    assert refusal(plugin("Child", base=parent)) == [
        "Child.mpm_check is not marked as a hook; write @hookimpl above it."
    ]


def test_check_plugin_class_reports_every_broken_hook():
    assert len(refusal(plugin(mpm_check=mpm_check, mpm_genrate_token=mpm_genrate_token))) == 2


def test_check_plugin_class_runs_no_property_of_the_class():
    def explode(_self: object) -> None:
        raise AssertionError

    check_plugin_class(plugin(token=property(explode)))


# --- the class --------------------------------------------------------------------------------


class Mute:
    """No manifest."""


class Wrong:
    manifest = "Acme"


@pytest.mark.parametrize("cls", [Mute, Wrong])
def test_check_plugin_class_wants_a_manifest(cls):
    assert refusal(cls) == [
        f"{cls.__name__} has no manifest; write: manifest: ClassVar[Manifest] = Manifest(…)"
    ]


def takes_settings_only(self, settings): ...


def takes_three(self, settings, runtime, more): ...


def takes_by_name(self, *, settings, runtime): ...


@pytest.mark.parametrize("init", [takes_settings_only, takes_three, takes_by_name])
def test_check_plugin_class_wants_to_make_an_instance(init):
    assert refusal(plugin(__init__=init)) == [
        (
            "Acme cannot be made from settings and runtime; write:"
            " def __init__(self, settings: Settings, runtime: PluginRuntime) -> None:"
        )
    ]


@attrs.define
class Equal(Base):
    settings: object
    runtime: object


@attrs.define(eq=False)
class Identical(Base):
    settings: object
    runtime: object


def test_check_plugin_class_refuses_instances_that_equal_others():
    assert refusal(Equal) == [
        (
            "Equal defines equality, but each instance is only equal to itself; remove __eq__, or"
            " with attrs write: @attrs.define(eq=False)"
        )
    ]


def test_check_plugin_class_accepts_attrs_without_equality():
    check_plugin_class(Identical)


# --- settings ---------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Greedy:
    use: str = setting(help="u")
    enabled: bool = setting(help="e")


@attrs.frozen(kw_only=True)
class Undeclared:
    name: str


@attrs.frozen(kw_only=True)
class BadExample:
    timeout: int = setting(help="t", minimum=5, example="3")


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        pytest.param(
            {"settings_class": Greedy, "url_settings": ()},
            [
                "Greedy.enabled: the host handles 'enabled' for every plugin; choose another name.",
                "Greedy.use: the host handles 'use' for every plugin; choose another name.",
            ],
            id="the host's keys",
        ),
        pytest.param(
            {"settings_class": Undeclared},
            ["Undeclared.name is no setting; write name = setting(help=…)."],
            id="no setting",
        ),
        pytest.param(
            {"details_class": Undeclared},
            ["Undeclared.name is no setting; write name = setting(help=…)."],
            id="details that are no settings",
        ),
        pytest.param(
            {"details_class": BadExample},
            ["The example '3' of setting 'timeout' must be at least 5."],
            id="an example that is refused",
        ),
        pytest.param(
            {"url_settings": ("api_ulr",)},
            [
                (
                    "The manifest's url_settings name 'api_ulr', which Settings does not have;"
                    " did you mean 'api_url'?"
                )
            ],
            id="misspelt URL setting",
        ),
        pytest.param(
            {"url_settings": ("base",)},
            [
                (
                    "The manifest's url_settings name 'base', which Settings does not have;"
                    " write: base: str = setting(help=…, kind='url')"
                )
            ],
            id="unknown URL setting",
        ),
    ],
)
def test_check_plugin_class_refuses_settings(changes, problems):
    assert refusal(plugin(manifest=manifest(**changes))) == problems


# --- hooks the manifest promises --------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "missing", "reason"),
    [
        pytest.param(
            operations(ChargeKind.ENERGY),
            ["mpm_generate_token"],
            "its manifest has operations",
            id="manufacturer with operations",
        ),
        pytest.param(
            operations(ChargeKind.CLEAR),
            ["mpm_clear_device"],
            "its manifest has the operation 'clear'",
            id="manufacturer that clears",
        ),
        pytest.param(
            operations(ChargeKind.TIME) | {"switches": True},
            ["mpm_switch_device"],
            "its manifest says switches",
            id="manufacturer that switches",
        ),
        pytest.param(
            {"supports_lookup": True},
            ["mpm_register_device"],
            "its manifest says supports_lookup",
            id="look-up of devices",
        ),
        pytest.param(
            {"supports_find": True},
            ["mpm_find_token"],
            "its manifest says supports_find",
            id="finding tokens",
        ),
        pytest.param(
            {"kind": PluginKind.TELECOM},
            ["mpm_read_call", "mpm_write_reply"],
            "it is a telecom",
            id="telecom",
        ),
        pytest.param(
            {"callback_paths": ("notice",)},
            ["mpm_read_call", "mpm_write_reply"],
            "it has callback_paths",
            id="manufacturer that calls us",
        ),
        pytest.param(
            {"kind": PluginKind.MESSENGER},
            ["mpm_send_message"],
            "it is a messenger",
            id="messenger",
        ),
    ],
)
def test_check_plugin_class_wants_the_hooks_its_manifest_promises(changes, missing, reason):
    cls = plugin(manifest=manifest(**changes))

    assert refusal(cls) == [
        f"Acme lacks {hook}, because {reason}; write @hookimpl and:"
        f" def {hook}({', '.join(('self', *hook_arguments()[hook]))}):"
        for hook in missing
    ]


def test_the_lines_to_write_are_those_of_the_contract():
    line = refusal(plugin(manifest=manifest(**operations(ChargeKind.TIME))))[0]

    assert re.findall("def .*", line) == [TOKEN_LINE]
    assert inspect.signature(hookspecs.mpm_generate_token).parameters.keys() == {
        "device",
        "charge",
        "order",
        "context",
    }


def test_a_manifest_that_switches_sells_time_and_unlocks_only():
    with pytest.raises(ValueError, match=r"switching sells time and unlocks only; remove the"):
        manifest(**operations(ChargeKind.TIME, ChargeKind.CLEAR), switches=True)
