"""Telecoms repeat themselves, tell things late and in the wrong order (T6, I6).

What decides is, of each payment, the first *process*, the first final *no* to an enquiry and the
first reversal, in the order in which they come; *work* decides between a payment and its reversal,
because energy that was delivered stays sold. Payments of one customer meet the debts that the ones
before them left, so their order counts too: it moves lines from one payment to the other. Nothing
else moves money: not validations, repeated calls, enquiries that may be asked again, claims of
failure or success, restarts, or what other customers do meanwhile.

`MPM_REORDERINGS` chooses how many stories are told in two orders.
"""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.machine.places import SqlitePlace
from tests.machine.real_host import RealHost
from tests.machine.simulated_side import BOOKS
from tests.machine.test_whole_machine import install

EXAMPLES = int(os.environ.get("MPM_REORDERINGS", "20"))
CUSTOMERS = {"47001": "Asha", "12345678": "Asha", "47002": "Baraka", "47003": "Neema"}
BALANCES = ("credit", "rows", "access", "sources")
WORK = ("work", "")
# The first of a payment's events that decide, in every order worth telling apart.
STORIES = (("process",), ("process", "reversed"), ("process", "final"), ("final", "process"),
           ("reversed", "process"))  # fmt: skip
HARMLESS = ("validate", "ask", "failed", "paid", "restart")


@pytest.fixture(scope="module")
def place(sqlite_template, tmp_path_factory):
    """Fresh copies of the company's database."""
    with pytest.MonkeyPatch.context() as patch:
        from tests.support.installed_plugins import PluginFolder  # noqa: PLC0415 - a fixture's class

        folder = tmp_path_factory.mktemp("plugins")
        patch.syspath_prepend(folder)
        install(PluginFolder(path=folder))
        yield SqlitePlace(sqlite_template, tmp_path_factory.mktemp("place"))


class Teller:
    """Tells one host what happens to payments."""

    def __init__(self, place, payments):
        BOOKS.open()
        self.real = RealHost(place.new_url(), place.folder)
        self._payments = payments

    def tell(self, event):
        """Let one thing happen."""
        what, ref = event
        if what == "restart":
            self.real.restart()
        elif what == "work":
            self.real.relay()
            while self.real.engine.waiting:
                self.real.carry_out(*self.real.engine.waiting.pop(0))
        elif what in {"ask", "final"}:
            self.real.say("enquire", ref, final=what == "final")
        elif what in {"validate", "process"}:
            serial, amount = self._payments[ref]
            return self.real.say(what, ref, serial=serial, amount=amount)
        else:
            self.real.say(what, ref)
        return None


def told(place, payments, events):
    """Return what the database holds after some events."""
    teller = Teller(place, payments)
    try:
        for event in events:
            teller.tell(event)
        assert teller.real.seen.differences == []
        found = dict(teller.real.seen.found)
    finally:
        teller.real.close()
    # A reference that was refused, denied or only asked about is a row without money.
    found["payments"] = {
        ref: what[:1] if what[0] == "denied" else what
        for ref, what in found["payments"].items()
        if what[0] not in {"validated", "rejected"}
    }
    return found


@st.composite
def stories(draw):
    """Draw payments with the events that decide, and the same told badly."""
    payments, told_of = {}, []
    for number in range(draw(st.integers(1, 4))):
        ref = f"R{number}"
        payments[ref] = (draw(st.sampled_from(sorted(CUSTOMERS))), draw(
            st.sampled_from(("40", "500", "1000", "4000"))))  # fmt: skip
        told_of.append([(what, ref) for what in draw(st.sampled_from(STORIES))])
    told_of.append([WORK] * draw(st.integers(0, 2)))
    clean = [*_merged(draw, told_of), WORK]
    return payments, clean, _badly(draw, payments, clean)


def _merged(draw, sequences):
    """Draw one sequence of several, each in its own order."""
    left, merged = [list(one) for one in sequences if one], []
    while left:
        chosen = draw(st.sampled_from(left))
        merged.append(chosen.pop(0))
        left = [one for one in left if one]
    return merged


def _badly(draw, payments, clean):
    """Mix up customers between two works, repeat what was said, and say what means nothing."""
    messy = []
    for works, part in itertools.groupby(clean, key=WORK.__eq__):
        events = list(part)
        if not works:
            by_customer = {}
            for event in events:
                customer = CUSTOMERS[payments[event[1]][0]]
                by_customer.setdefault(customer, []).append(event)
            events = _merged(draw, list(by_customer.values()))
        messy += events
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(messy)))
        said = sorted({event for event in messy[:place] if event != WORK})
        noise = st.tuples(st.sampled_from(HARMLESS), st.sampled_from(sorted(payments)))
        messy.insert(place, draw(st.one_of(noise, st.sampled_from(said)) if said else noise))
    return messy


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(story=stories())
def test_repeated_and_mixed_up_events_end_in_the_balances_of_the_clean_order(place, story):
    payments, clean, messy = story

    assert told(place, payments, messy) == told(place, payments, clean)


def test_every_order_of_four_events_of_a_payment_restores_the_balances(place):
    payments = {f"R{number}": ("47001", "1000") for number in range(24)}
    teller = Teller(place, payments)
    before = {what: teller.real.seen.found[what] for what in BALANCES}
    ended = {}
    for ref, order in zip(
        payments, itertools.permutations(("validate", "process", "final", "reversed")), strict=True
    ):
        for what in order:
            teller.tell((what, ref))
        teller.tell(WORK)
        found = teller.real.seen.found
        ended[order] = found["payments"][ref][0]
        assert {what: found[what] for what in BALANCES} == before, order
    teller.real.close()

    # Reversed only what was booked; else the first no is for ever. Success is final.
    for order, status in ended.items():
        noes = min(order.index("final"), order.index("reversed"))
        assert status == ("reversed" if order.index("process") < noes else "denied"), order


@pytest.mark.parametrize("first", ["reversed", "work"])
def test_a_reversal_before_and_after_delivery_rightly_differ(place, first):
    second = "work" if first == "reversed" else "reversed"
    events = [("process", "R1"), (first, "R1"), (second, "R1")]
    found = told(place, {"R1": ("47002", "1000")}, events)

    assert min(found["credit"].values()) == (0 if first == "reversed" else -100_000)
