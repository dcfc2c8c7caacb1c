"""The classes an author subclasses: one test per rule that holds for the plugin."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import ClassVar

import pytest

from mpm_core.errors import PluginLoadError
from mpm_core.manifest import PluginKind
from mpm_core.testing.cases import Case, open_workshop
from mpm_core.testing.rule_book import RULES, rules_for
from mpm_core.testing.rules import Rule, RuleBroken
from mpm_core.testing.subjects import Subject, installed_subject

__all__ = ["ManufacturerContract", "MessengerContract", "TelecomContract"]


class _Contract:
    """Makes its tests when it is subclassed with the name of a plugin.

    Attributes:
        plugin: name of the installed entry point.
        serial: one its simulator can know; the manifest's `example_serial` if not given.
        details: values of the manifest's `details_class`, as an author would write them in TOML.
        country: of the companies it is tried with.
        currency: of the same.
        examples: how many examples of each property are tried.
        explore: try new examples at every run instead of the same ones.
    """

    plugin: ClassVar[str] = ""
    serial: ClassVar[str] = ""
    details: ClassVar[Mapping[str, object]] = {}
    country: ClassVar[str] = "TZ"
    currency: ClassVar[str] = "TZS"
    examples: ClassVar[int] = 40
    explore: ClassVar[bool] = False

    _kind: ClassVar[PluginKind]
    _case: ClassVar[Case]
    _stack: ClassVar[contextlib.ExitStack]

    def __init_subclass__(cls) -> None:
        """Give the class a test per rule; which rules hold is told by the plugin itself."""
        super().__init_subclass__()
        if not cls.plugin:
            return
        try:
            subject = _subject_of(cls)
        except PluginLoadError as error:
            _add(cls, RULES["C-01"], _failing(RULES["C-01"], cls.plugin, str(error)))
            return
        for rule in rules_for(subject):
            _add(cls, rule, _checking(rule))
        cls._subject = subject

    _subject: ClassVar[Subject]

    @classmethod
    def setup_class(cls) -> None:
        """Open the loopback server that all tests of the class share."""
        if hasattr(cls, "_subject"):
            cls._stack = contextlib.ExitStack()
            workshop = cls._stack.enter_context(open_workshop())
            cls._case = Case(
                subject=cls._subject,
                workshop=workshop,
                examples=cls.examples,
                explore=cls.explore,
            )

    @classmethod
    def teardown_class(cls) -> None:
        """Close it."""
        if hasattr(cls, "_stack"):
            cls._stack.close()


class ManufacturerContract(_Contract):
    """Subclass it as `class TestStron(ManufacturerContract): plugin = "stron"`."""

    _kind = PluginKind.MANUFACTURER


class TelecomContract(_Contract):
    """Subclass it as `class TestTigo(TelecomContract): plugin = "tigo"`."""

    _kind = PluginKind.TELECOM


class MessengerContract(_Contract):
    """Subclass it as `class TestBeem(MessengerContract): plugin = "beem"`."""

    _kind = PluginKind.MESSENGER


def _subject_of(contract: type[_Contract]) -> Subject:
    """Return the plugin a contract class names.

    Raises:
        PluginLoadError: it cannot be loaded, or is of another kind.
    """
    module = sys.modules.get(contract.__module__)
    subject = installed_subject(
        contract.plugin,
        test_file=getattr(module, "__file__", "") or "",
        serial=contract.serial,
        details=contract.details,
        country=contract.country,
        currency=contract.currency,
    )
    if subject.manifest.kind is not contract._kind:  # noqa: SLF001 - its own subclasses
        raise PluginLoadError(
            f"{subject} is a {subject.manifest.kind}; subclass "
            f"{subject.manifest.kind.title()}Contract."
        )
    return subject


def _add(contract: type[_Contract], rule: Rule, test: Callable[[_Contract], None]) -> None:
    test.__name__ = rule.test_name
    test.__qualname__ = f"{contract.__qualname__}.{rule.test_name}"
    test.__doc__ = rule.promise
    test.__module__ = contract.__module__
    setattr(contract, rule.test_name, test)


def _checking(rule: Rule) -> Callable[[_Contract], None]:
    def test(self: _Contract) -> None:
        told = ""
        try:
            rule.check(self._case)
        except RuleBroken as broken:
            told = str(broken)
        if told:
            pytest.fail(told, pytrace=False)  # the author needs these lines, not our frames

    return test


def _failing(rule: Rule, plugin: str, reason: str) -> Callable[[_Contract], None]:
    def test(_self: _Contract) -> None:
        pytest.fail(str(rule.completed(RuleBroken(reason), plugin)), pytrace=False)

    return test
