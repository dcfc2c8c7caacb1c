"""Companies, instances and threads do not get into each other's way, M-35 and M-36."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hypothesis import strategies as st

from mpm_core.orders import Grant
from mpm_core.testing.cases import Case
from mpm_core.testing.purchases import Purchase, States, serials
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.selling_rules import WHEN_SOLD, enter_codes, sell, sells
from mpm_core.testing.stages import Stage, open_stage
from mpm_core.testing.truth import expect_sound

__all__ = ["BOOK"]

BOOK = RuleBook()
_MOST_THREADS = 8


@BOOK.rule(
    "M-35",
    "two companies never influence each other",
    promise="Two companies and two instances of one company sell in turns, each with a vendor "
    "of its own: each vendor hears of its own orders only, and nothing of the others "
    "is used.",
    remedy="keep clients, logins and caches in the instance (self), never in the class or module.",
    applies=sells,
    when=WHEN_SOLD,
)
def _isolated(case: Case) -> None:
    kind = case.subject.sellable[0]
    with (
        open_stage(case) as first,
        open_stage(case, slug="solaris") as second,
        open_stage(case, instance=f"{case.subject.name}-south") as third,
    ):
        stages = (first, second, third)
        states: tuple[States, ...] = ({}, {}, {})
        for stage in stages:
            stage.deliver(case.subject.serial)

        def check(turns: list[int]) -> None:
            for turn in turns:
                others = [len(one.front.exchanges) for one in stages if one is not stages[turn]]
                purchase = Purchase(subject=case.subject, serial=case.subject.serial, kind=kind)
                grant = sell(stages[turn], purchase, states[turn])
                enter_codes(stages[turn], case.subject.serial, grant)
                now = [len(one.front.exchanges) for one in stages if one is not stages[turn]]
                if others != now:
                    raise RuleBroken("an order of one company was sent with the access of another.")

        case.holds(
            st.lists(st.integers(0, 2), min_size=4, max_size=8), check, examples=8, shrink=False
        )


@BOOK.rule(
    "M-36",
    "several threads may sell at once",
    promise="As many calls at once as the manifest's `concurrency` allows, each for a device "
    "of its own: each device accepts its code, and everything is sold once.",
    remedy="no state that a call changes without a lock; nothing of an order in self.",
    applies=sells,
    when=WHEN_SOLD,
)
def _at_once(case: Case) -> None:
    kind = case.subject.sellable[0]
    count = max(2, min(case.subject.manifest.concurrency, _MOST_THREADS))
    many = st.lists(serials(case.subject), min_size=count, max_size=count, unique=True)

    def check(chosen: list[str]) -> None:
        with open_stage(case) as stage:
            for serial in chosen:
                stage.deliver(serial)
            purchases = [
                Purchase(subject=case.subject, serial=serial, kind=kind) for serial in chosen
            ]
            _sell_together(stage, purchases)
            for purchase in purchases:
                outcome = purchase.outcomes[-1]
                expect_sound(outcome, "When several calls ran at once")
                if not isinstance(outcome.answer, Grant):
                    raise RuleBroken(f"one of {count} calls at once ended with {outcome}.")
                enter_codes(stage, purchase.serial, outcome.answer)
            if case.subject.calls_out and stage.grants() != count:
                raise RuleBroken(f"{count} orders at once were sold {stage.grants()} times.")

    case.holds(many, check, examples=2, shrink=False)


def _sell_together(stage: Stage, purchases: Sequence[Purchase]) -> None:
    start = threading.Barrier(len(purchases))

    def run(purchase: Purchase) -> None:
        start.wait(timeout=10)
        purchase.try_once(stage, {})

    threads = [threading.Thread(target=run, args=(purchase,)) for purchase in purchases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
