"""Pushes and reports: what a telecom's plugin asks of the telecom, P-20 to P-25."""

from __future__ import annotations

from mpm_core.errors import NothingHappened, OutcomeError, Refused
from mpm_core.pushes import ProviderState, PushReceipt, PushState, ReportReceipt
from mpm_core.testing.cases import Case
from mpm_core.testing.credentials import has_secrets, wrong_secrets
from mpm_core.testing.deeds import Prompting, good_outcome, open_deed
from mpm_core.testing.front import WireFault, texts_of
from mpm_core.testing.lookup_rules import NO_ANSWERS
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.samples import report_arguments
from mpm_core.testing.stages import open_stage
from mpm_core.testing.truth import expect_error, expect_sound
from mpm_core.testing.wire_rules import FAMILIES

__all__ = ["BOOK"]

BOOK = RuleBook()
_PUSHES, _WHEN = FAMILIES["P"]


@BOOK.rule(
    "P-20",
    "a push carries our key, the payer and the amount",
    promise="One request, in which the push's key, the payer's number and the amount stand; the "
    "answer is a receipt, never that money moved.",
    remedy="send push.key as the telecom's reference of the payment, and return PushReceipt().",
    applies=_PUSHES,
    when=_WHEN,
)
def _carries_the_key(case: Case) -> None:
    prompting = Prompting(case.subject)
    push = prompting.push()
    with open_stage(case) as stage:
        outcome = good_outcome(stage.call("mpm_push_payment", push=push), prompting)
    if not isinstance(outcome.answer, PushReceipt) or not outcome.exchanges:
        raise RuleBroken(f"a push ended with {outcome} after {len(outcome.exchanges)} requests.")
    texts = texts_of(outcome.exchanges[-1].request)
    wanted = {"key": push.key, "payer": push.payer.digits[3:], "amount": str(push.amount)}
    for name, text in wanted.items():
        if not any(text in one for one in texts):
            raise RuleBroken(f"the request of a push does not hold the {name}.")


@BOOK.rule(
    "P-21",
    "asking what became of a push moves nothing",
    promise="After a push `mpm_query_payment` answers a state, as often as it is asked, and "
    "makes no request like the one that prompts.",
    remedy="ask the telecom's enquiry by push.key.",
    applies=lambda subject: _PUSHES(subject) and subject.has("mpm_query_payment"),
    when="telecoms with `mpm_query_payment`",
)
def _queries(case: Case) -> None:
    prompting = Prompting(case.subject)
    with open_deed(case, prompting) as stage:
        push = prompting.push()
        stage.front.changing |= {push.key}
        good_outcome(stage.call("mpm_push_payment", push=push), prompting)
        outcomes = [stage.call("mpm_query_payment", push=push) for _ in range(2)]
    for outcome in outcomes:
        if not isinstance(outcome.answer, ProviderState) or outcome.effects:
            raise RuleBroken(f"asking what became of a push ended with {outcome}.")


@BOOK.rule(
    "P-22",
    "a question that fails says nothing of the payment",
    promise="With the telecom unreachable, or answering with a page, garbage or a server "
    "error, the question raises; it never says *failed* or *not found*, for the payer "
    "may have paid.",
    remedy="raise answer.unusable(…) for every answer that is not about the payment.",
    applies=lambda subject: _PUSHES(subject) and subject.has("mpm_query_payment"),
    when="telecoms with `mpm_query_payment`",
)
def _failed_queries(case: Case) -> None:
    prompting = Prompting(case.subject)
    push = prompting.push()
    with open_stage(case, reachable=False) as stage:
        outcomes = {"When nobody could be reached": stage.call("mpm_query_payment", push=push)}
    for name, reply in NO_ANSWERS.items():
        with open_stage(case) as stage:
            stage.front.changing |= {push.key}
            good_outcome(stage.call("mpm_push_payment", push=push), prompting)
            asked = stage.call("mpm_query_payment", push=push)
            stage.front.effects |= {stage.front.effect_of(asked.exchanges[-1].request)}
            stage.front.play(WireFault(instead=reply))
            when = f"When the question was answered with {name}"
            outcomes[when] = stage.call("mpm_query_payment", push=push)
    for when, outcome in outcomes.items():
        expect_error(outcome, NothingHappened, when)


@BOOK.rule(
    "P-23",
    "an unknown push is not found, and not failed",
    promise="Asked about a push it never got, the simulated telecom is understood as *not found*.",
    remedy="PushState.NOT_FOUND for the telecom's documented word.",
    applies=lambda subject: _PUSHES(subject) and subject.has("mpm_query_payment"),
    when="telecoms with `mpm_query_payment`",
)
def _unknown_push(case: Case) -> None:
    with open_stage(case) as stage:
        outcome = stage.call("mpm_query_payment", push=Prompting(case.subject).push())
    state = outcome.answer
    if not isinstance(state, ProviderState) or state.state is not PushState.NOT_FOUND:
        raise RuleBroken(f"asking about a push the telecom never got ended with {outcome}.")


@BOOK.rule(
    "P-24",
    "wrong credentials prompt nobody",
    promise="With every secret setting wrong, a push is `Misconfigured` or `Refused`; never a "
    "receipt.",
    remedy="raise Misconfigured for the telecom's refusal of the login.",
    applies=lambda subject: _PUSHES(subject) and has_secrets(subject),
    when="telecoms with `mpm_push_payment` and a secret setting",
)
def _wrong_credentials(case: Case) -> None:
    prompting = Prompting(case.subject)
    with open_stage(case, changes=wrong_secrets(case.subject)) as stage:
        outcome = prompting.do(stage)
    expect_sound(outcome, "With wrong credentials")
    if not isinstance(outcome.error, NothingHappened | Refused):
        raise RuleBroken(f"With wrong credentials, a push ended with {outcome}.")


@BOOK.rule(
    "P-25",
    "a report may be repeated",
    promise="`mpm_report_payment`, called twice for one payment, answers a receipt both "
    "times; with the telecom unreachable it raises an error of the contract, so that "
    "the host tries again.",
    remedy="treat *known already* as agreed.",
    applies=lambda subject: subject.has("mpm_report_payment"),
    when="`mpm_report_payment`",
)
def _reports(case: Case) -> None:
    arguments = report_arguments(case.subject)
    with open_stage(case) as stage:
        outcomes = [stage.call("mpm_report_payment", **arguments) for _ in range(2)]
    for outcome in outcomes:
        if not isinstance(outcome.answer, ReportReceipt):
            raise RuleBroken(f"a report ended with {outcome}.")
    if case.subject.calls_out:
        with open_stage(case, reachable=False) as stage:
            outcome = stage.call("mpm_report_payment", **arguments)
        expect_error(outcome, OutcomeError, "When nobody could be reached for a report")
