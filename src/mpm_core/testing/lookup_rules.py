"""Whether the vendor knows a device, M-22 and M-23."""

from __future__ import annotations

from mpm_core.devices import DeviceMapping
from mpm_core.errors import NothingHappened
from mpm_core.simulation import SimulatedReply
from mpm_core.testing.cases import Case
from mpm_core.testing.front import WireFault
from mpm_core.testing.purchases import device_of, serials
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import Outcome, Stage, open_stage
from mpm_core.testing.truth import expect_error

__all__ = ["BOOK", "NO_ANSWERS"]

BOOK = RuleBook()


@BOOK.rule(
    "M-22",
    "the look-up tells known devices from unknown ones",
    promise="For any serial `mpm_register_device` answers *not_mapped* before it is delivered and "
    "*mapped* afterwards, every time, and gives nothing.",
    remedy="return DeviceMapping.MAPPED or DeviceMapping.NOT_MAPPED by the vendor's "
    "documented words.",
    applies=lambda subject: subject.manifest.supports_lookup,
    when="`supports_lookup`",
)
def _lookup(case: Case) -> None:
    with open_stage(case) as stage:

        def check(serial: str) -> None:
            if serial in stage.serials:
                return
            _expect_mapping(_register(stage, serial), DeviceMapping.NOT_MAPPED)
            stage.deliver(serial)
            for _ in range(2):
                _expect_mapping(_register(stage, serial), DeviceMapping.MAPPED)

        case.holds(serials(case.subject), check, examples=15)


def _expect_mapping(outcome: Outcome, expected: DeviceMapping) -> None:
    if outcome.answer is not expected:
        raise RuleBroken(f"the look-up of a device that is {expected} ended with {outcome}.")
    if outcome.gained:
        raise RuleBroken("a look-up gave the device something.")


@BOOK.rule(
    "M-23",
    "a look-up that fails says nothing of the device",
    promise="With the vendor unreachable, or answering every request with a page, garbage or "
    "a server error, the look-up raises; it never says *not_mapped*, which would "
    "refuse the device.",
    remedy="raise answer.unusable(…) for every answer that is not about the device.",
    applies=lambda subject: subject.manifest.supports_lookup and subject.calls_out,
    when="`supports_lookup` and `url_settings`",
)
def _failed_lookup(case: Case) -> None:
    with open_stage(case, reachable=False) as stage:
        outcomes = {"When nobody could be reached": _register(stage)}
    for name, reply in NO_ANSWERS.items():
        with open_stage(case) as stage:
            stage.deliver(case.subject.serial)
            path = _learn_lookup(stage)
            stage.front.effects.add(path)
            stage.front.play(WireFault(instead=reply))
            outcomes[f"When the look-up was answered with {name}"] = _register(stage)
    for when, outcome in outcomes.items():
        expect_error(outcome, NothingHappened, when)


NO_ANSWERS = {
    "a page": SimulatedReply(content_type="text/html", body=b"<html>Please log in</html>"),
    "status 500": SimulatedReply(status=500, body=b"{}"),
    "a page of status 404": SimulatedReply(
        status=404, content_type="text/html", body=b"<html>Not Found</html>"
    ),
    "no JSON": SimulatedReply(body=b"<!-- debug -->{"),
    "an empty body": SimulatedReply(),
}


def _learn_lookup(stage: Stage) -> tuple[str, str]:
    outcome = _register(stage)
    if not outcome.exchanges:
        raise RuleBroken("the look-up made no request.")
    return stage.front.effect_of(outcome.exchanges[-1].request)


def _register(stage: Stage, serial: str = "") -> Outcome:
    device = device_of(stage.subject, serial or stage.subject.serial)
    return stage.call("mpm_register_device", device=device)
