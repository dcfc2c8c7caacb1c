from __future__ import annotations

import inspect
import typing
from types import NoneType

import pytest

from mpm_core import hookspecs
from mpm_core.company_plugins.answer_checks import check_of
from mpm_core.company_plugins.hook_rules import HOOK_RULES, HookRule, Mode, SynchronousAnswer
from mpm_core.company_plugins.typed_calls import TypedCalls
from mpm_core.simulation import Simulator

SPECIFIED = {
    name: function for name, function in vars(hookspecs).items() if name.startswith("mpm_")
}


def answer_types(name: str) -> tuple[type, ...]:
    annotation = typing.get_type_hints(SPECIFIED[name])["return"]
    return typing.get_args(annotation) or (annotation,)


def paragraph(name: str) -> str:
    return " ".join((SPECIFIED[name].__doc__ or "").split())


def test_every_specified_hook_has_a_rule_and_every_rule_a_hook() -> None:
    assert set(HOOK_RULES) == set(SPECIFIED)


@pytest.mark.parametrize("name", SPECIFIED)
def test_rule_allows_exactly_the_answers_of_the_annotation(name: str) -> None:
    rule = HOOK_RULES[name]
    if rule.mode is Mode.TOLD:
        assert (answer_types(name), rule.returns) == ((NoneType,), (SynchronousAnswer,))
    elif name == "mpm_simulator":
        assert (answer_types(name), rule.returns) == ((Simulator,), (SynchronousAnswer,))
        assert check_of(name, None, "UGX")(object(), {}).startswith(
            "the simulator has no method settings"
        )
    else:
        assert set(rule.returns) == set(answer_types(name))


@pytest.mark.parametrize("name", SPECIFIED)
def test_rule_says_what_the_specification_says(name: str) -> None:
    text, rule = paragraph(name), HOOK_RULES[name]
    assert ("Pure" in text) is rule.pure
    assert ("Told after" in text) is (rule.mode is Mode.TOLD)
    assert ("Asked of" in text) is (rule.mode is Mode.ASKED)
    if "without effect" in text or "never mints" in text:
        assert not rule.effect
    if "with an effect" in text:
        assert rule.effect


def test_what_may_change_something_at_the_other_side_is_exactly_this() -> None:
    assert {name for name, rule in HOOK_RULES.items() if rule.effect} == {
        "mpm_report_payment",
        "mpm_push_payment",
        "mpm_generate_token",
        "mpm_clear_device",
        "mpm_switch_device",
        "mpm_send_message",
    }


@pytest.mark.parametrize(
    "name", [name for name, rule in HOOK_RULES.items() if rule.mode is Mode.ROUTED]
)
def test_every_routed_hook_has_a_typed_method_with_the_same_answer(name: str) -> None:
    method = getattr(TypedCalls, name.removeprefix("mpm_"))
    hints = typing.get_type_hints(method)
    specified = typing.get_type_hints(SPECIFIED[name])
    arguments = set(inspect.signature(SPECIFIED[name]).parameters) - {"context"}
    assert hints["return"] == specified["return"]
    assert {argument: hints[argument] for argument in arguments} == {
        argument: specified[argument] for argument in arguments
    }


def test_a_rule_is_a_value() -> None:
    assert HookRule(returns=(int,)) == HookRule(returns=(int,))
