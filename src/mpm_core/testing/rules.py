"""Numbered rules: what the contract kit checks, why, and what an author writes instead.

A rule is a plain function that takes a `Case` and raises `RuleBroken` with what it saw. The
pytest classes and our own catalogue of seeded faults call the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from mpm_core.errors import MpmError

if TYPE_CHECKING:  # a case knows its rules' results, and a rule its case
    from mpm_core.testing.cases import Case
    from mpm_core.testing.subjects import Subject

__all__ = ["Rule", "RuleBook", "RuleBroken", "always"]

Applies = Callable[["Subject"], bool]
Check = Callable[["Case"], None]


class RuleBroken(AssertionError):
    """A plugin broke a rule of the contract.

    Args:
        seen: what was seen, one sentence without secrets.
        write: what to write instead, if this place knows better than the rule.
    """

    def __init__(self, seen: str, *, write: str = "") -> None:
        super().__init__(seen)
        self.seen = seen
        self.write = write
        self.rule: Rule | None = None
        self.plugin = ""
        self.example = ""

    def __str__(self) -> str:
        """Return rule, what was seen and what to write instead, a line each."""
        if self.rule is None:
            return self.seen
        example = f"  for:   {self.example}\n" if self.example else ""
        return (
            f"{self.rule.number} {self.rule.title} (plugin {self.plugin})\n"
            f"  seen:  {self.seen}\n{example}"
            f"  write: {self.write or self.rule.remedy}"
        )


@attrs.frozen(kw_only=True)
class Rule:
    """One rule of the contract.

    Attributes:
        number: `M-07`; stable for ever. `M-01` to `M-17` are the vendor faults of the same numbers.
        title: a sentence that is true of a plugin which keeps the rule.
        promise: what exactly is checked, and why.
        remedy: what to write when it is broken.
        applies: for which plugins it is generated.
        when: the same in words, for the documentation.
        check: raises `RuleBroken`.
    """

    number: str
    title: str
    promise: str
    remedy: str
    applies: Applies = attrs.field(repr=False)
    when: str
    _check: Check = attrs.field(repr=False)

    @property
    def test_name(self) -> str:
        """The name of its test: `test_m07_a_web_page_is_no_answer`."""
        words = re.sub(r"[^a-z0-9]+", "_", self.title.lower().replace("'", ""))
        return f"test_{self.number.replace('-', '').lower()}_{words.strip('_')}"

    def check(self, case: Case) -> None:
        """Check a plugin.

        Raises:
            RuleBroken: it breaks the rule.
        """
        try:
            self._check(case)
        except RuleBroken as broken:
            raise self.completed(broken, str(case.subject)) from None
        except MpmError as error:
            seen = f"the plugin ended with {type(error).__name__}: {error}"
            raise self.completed(RuleBroken(seen), str(case.subject)) from error

    def completed(self, broken: RuleBroken, plugin: str) -> RuleBroken:
        """Return what a check raised, with the rule and the plugin's name in it."""
        broken.rule, broken.plugin = self, plugin
        return broken


def always(_subject: Subject) -> bool:
    """Say that a rule is for every plugin."""
    return True


class RuleBook:
    """Rules by number; each module of rules has one and `all_rules` joins them."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}

    def rule(  # noqa: PLR0913 - a rule is the sum of these
        self,
        number: str,
        title: str,
        *,
        promise: str,
        remedy: str,
        applies: Applies = always,
        when: str = "",
    ) -> Callable[[Check], Check]:
        """Make a function the check of a rule."""

        def add(check: Check) -> Check:
            self.add(
                Rule(
                    number=number,
                    title=title,
                    promise=promise,
                    remedy=remedy,
                    applies=applies,
                    when=when,
                    check=check,
                )
            )
            return check

        return add

    def add(self, rule: Rule) -> None:
        """Take a rule in.

        Raises:
            ValueError: its number is taken.
        """
        if rule.number in self._rules:
            raise ValueError(f"Rule {rule.number} stands twice.")
        self._rules[rule.number] = rule

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules as they were added."""
        return tuple(self._rules.values())

    @classmethod
    def joined(cls, books: Iterable[RuleBook]) -> Mapping[str, Rule]:
        """Return the rules of all books in the order of their numbers."""
        book = cls()
        for one in books:
            for rule in one.rules():
                book.add(rule)
        return dict(sorted(book._rules.items()))
