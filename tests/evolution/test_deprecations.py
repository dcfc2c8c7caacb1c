"""Deprecating: a notice for two minor versions, then a refusal that says what to write."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import ClassVar

import attrs
import pytest

from mpm_core import DeviceKind, Manifest, PluginKind, deprecations, hookimpl
from mpm_core.deprecations import DEPRECATIONS, Deprecation, deprecation_notices
from mpm_core.discovery import InstalledPlugin, load_plugin_class
from mpm_core.discovery.plugin_checks import class_problems, hook_arguments

HOOK = Deprecation(hook="mpm_check", since="0.3", removed_in="0.5", write="mpm_health")
ARGUMENT = Deprecation(
    hook="mpm_token_issued",
    argument="charge",
    since="0.3",
    removed_in="0.5",
    write="grant, which says what was really granted",
)
GONE_HOOK = Deprecation(hook="mpm_ping", since="0.1", removed_in="0.3", write="mpm_check")
GONE_ARGUMENT = Deprecation(
    hook="mpm_check", argument="timeout", since="0.1", removed_in="0.3", write="context.deadline"
)


@attrs.frozen(kw_only=True)
class Settings:
    """Nothing to set."""


class Acme:
    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Acme",
        settings_class=Settings,
        device_kinds=frozenset({DeviceKind.METER}),
    )

    def __init__(self, settings, runtime):
        """Keep nothing."""

    @hookimpl
    def mpm_check(self, context):
        """Use a hook that may be deprecated."""

    @hookimpl
    def mpm_token_issued(self, device, charge):
        """Use an argument that may be deprecated."""


class Static(Acme):
    @staticmethod
    @hookimpl
    def mpm_check():
        """Use it without an instance."""


@pytest.fixture
def table(monkeypatch):
    """Replace the table, which is empty as long as nothing is deprecated."""

    def replace(*entries):
        monkeypatch.setattr(deprecations, "DEPRECATIONS", entries)

    return replace


@pytest.mark.parametrize("cls", [Acme, Static])
def test_a_deprecated_hook_gets_a_notice(table, cls):
    table(HOOK)
    notice = (
        f"{cls.__name__}.mpm_check is deprecated since mpm-payg-core 0.3 and gone in 0.5;"
        " write: mpm_health"
    )
    assert deprecation_notices(cls) == (notice,)


def test_a_deprecated_argument_gets_a_notice_where_it_is_asked_for(table):
    table(ARGUMENT, attrs.evolve(ARGUMENT, argument="order"))
    notice = (
        "Acme.mpm_token_issued: the argument 'charge' is deprecated since mpm-payg-core 0.3 and"
        " gone in 0.5; write: grant, which says what was really granted"
    )
    assert deprecation_notices(Acme) == (notice,)


def test_what_a_plugin_does_not_use_gets_no_notice(table):
    table(GONE_HOOK)
    assert deprecation_notices(Acme) == ()


def test_something_that_is_gone_is_refused_with_what_to_write(table):
    table(GONE_HOOK, GONE_ARGUMENT)
    members = {
        "mpm_ping": hookimpl(lambda self: None),  # noqa: ARG005 - a hook's own argument
        "mpm_check": hookimpl(lambda self, timeout: None),  # noqa: ARG005 - as above
    }

    assert class_problems(type("Old", (Acme,), members)) == (
        (
            "Old.mpm_check takes 'timeout', which the hook does not have (it is gone since"
            " mpm-payg-core 0.3: context.deadline); write: def mpm_check(self, context):"
        ),
        "Old.mpm_ping is no hook; it is gone since mpm-payg-core 0.3: mpm_check",
    )


def test_loading_logs_each_notice_with_the_plugin_it_is_about(table, caplog):
    table(HOOK)
    installed = InstalledPlugin(
        name="acme",
        distribution="mpm-acme",
        version="1.2",
        value=f"{__name__}:Acme",
        summary="",
        requires_core="<0.6,>=0.4",
        compatible=True,
    )

    with caplog.at_level(logging.WARNING):
        assert load_plugin_class(installed) is Acme
    notice = (
        "deprecated_hook Plugin 'acme' (mpm-acme 1.2): Acme.mpm_check is deprecated since"
        " mpm-payg-core 0.3 and gone in 0.5; write: mpm_health"
    )
    assert caplog.messages == [notice]


def minor(text: str) -> tuple[int, int]:
    first, second = text.split(".")[:2]
    return int(first), int(second)


def test_every_deprecation_leaves_two_minor_versions():
    for entry in (*DEPRECATIONS, HOOK, ARGUMENT):
        (major, since), (gone_major, gone) = minor(entry.since), minor(entry.removed_in)
        assert gone_major > major or gone >= since + 2
        assert entry.write


def test_what_is_deprecated_is_there_until_its_day_and_not_after():
    for entry in DEPRECATIONS:
        is_due = minor(version("mpm-payg-core")) >= minor(entry.removed_in)
        arguments = hook_arguments().get(entry.hook, ())
        is_there = entry.argument in arguments if entry.argument else entry.hook in hook_arguments()
        assert is_there is not is_due, f"{entry.hook} {entry.argument}"
