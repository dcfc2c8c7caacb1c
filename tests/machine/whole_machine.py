"""One company, to which anything can happen, beside a model that says what must come of it.

Hypothesis chooses what telecoms, manufacturers, people, workers and the clock do, and when the
process dies. After every step the database must hold what the model says, `mpm verify` must find
nothing, and the books of the world outside must agree with ours.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mpm_core import Secret
from mpm_core.plans import PlanKind
from mpm_host.crash_points import CrashPoint
from tests.machine.oracle_of_company import SERIALS, oracle_of
from tests.machine.real_host import Crash, RealHost
from tests.machine.simulated_side import BOOKS, MAKERS

ANY_SERIAL = st.sampled_from((*SERIALS, *SERIALS, "99999"))
AMOUNTS = st.sampled_from(("40", "150", "500", "1000", "2600", "4000"))
PAYERS = st.sampled_from((None, "0781230001", "0781230002"))
PICK = st.integers(0, 9999)
KNOWN = st.none() | PICK
UNBOOKED = {"validated", "rejected", "denied", "reversed"}
PERSONS = ("asha@umeme.tz", "baraka@umeme.tz")
WAITS = st.sampled_from((1, 45, 130, 700, 4000, 90_000, 700_000))  # seconds
# What manufacturers do in a step; `None` leaves the work for later.
BEHAVIOUR = st.sampled_from(
    (None, "mint", "mint_and_lose", "mint_and_lose", "lose", "refuse", "refuse", "down", "throttle")
)
# When somebody would do what.
FITTING = {
    "retry": {"held"},
    "release": {"held"},
    "reverse": {"token_pending", "unknown", "held", "unmatched", "settled"},
    "match": {"unmatched"},
    "resolve_not_minted": {"unknown"},
    "resolve_with_token": {"unknown"},
    "reissue": {"settled"},
    "resend": {"settled"},
}
# Where a step of a worker can end for good; the desk's own points are walked by the crash walk.
DEATHS = st.sampled_from((
    CrashPoint.ORDER_PREPARED, CrashPoint.ATTEMPT_WRITTEN, CrashPoint.ATTEMPT_COMMITTED,
    CrashPoint.VENDOR_ANSWERED, CrashPoint.STEP_WRITTEN, CrashPoint.STEP_COMMITTED,
    CrashPoint.LOOK_DECIDED, CrashPoint.MESSAGE_SENT, CrashPoint.MESSAGE_NOTED,
))  # fmt: skip


class WholeMachine(RuleBasedStateMachine):
    """Everything that can happen to a company, one step at a time."""

    def __init__(self, place):
        super().__init__()
        BOOKS.open()
        self.place = place
        self.real = RealHost(place.new_url(), place.folder)
        self.model = oracle_of(self.real)

    def teardown(self):
        self.place.note(self.model)
        self.real.close()
        self.place.drop()

    @initialize(over_http=st.sampled_from((*[False] * 7, True)))
    def choose_a_door(self, over_http):
        """Let the telecom of some runs call the real web server."""
        if over_http:
            self.real.go_over_http()
            self.place.reached["runs over HTTP"] += 1

    # --- the telecom ------------------------------------------------------------------------------

    def reference(self, known):
        """Return one of the telecom's references, or a fresh one."""
        names = [name for name in self.model.payments if name.startswith("R")]
        if known is None or not names:
            return f"R{len(self.model.payments) + 1:03d}"
        return names[known % len(names)]

    @rule(serial=ANY_SERIAL, amount=AMOUNTS, payer=PAYERS, behaviour=BEHAVIOUR, asks=st.booleans())
    def pay(self, serial, amount, payer, behaviour, asks):
        """Pay, maybe after asking, and let the workers begin at once, unless they are busy."""
        ref = self.reference(None)
        if asks:
            self.validated(ref, serial, amount, payer)
        self.processed(ref, serial, amount, payer)
        if behaviour is not None:
            self.work_for(0, behaviour)

    @rule(known=KNOWN, serial=ANY_SERIAL, amount=AMOUNTS, payer=PAYERS)
    def validate(self, known, serial, amount, payer):
        self.validated(self.reference(known), serial, amount, payer)

    @precondition(lambda self: self.model.payments)
    @rule(known=PICK, changes=st.sampled_from(("", "", "", "serial", "amount", "payer")))
    def process_again(self, known, changes):
        """Call *process* for what is known, or say something else under the same reference."""
        ref = self.reference(known)
        paid = self.model.payments.get(ref)
        if paid is None or paid.amount is None:
            return
        said = {"serial": paid.serial, "amount": str(paid.amount // 100), "payer": paid.payer}
        other = {"serial": "47002" if paid.serial != "47002" else "47001", "amount": "777",
                 "payer": "0781230009"}  # fmt: skip
        said |= {changes: other[changes]} if changes else {}
        self.processed(ref, said["serial"], said["amount"], said["payer"])

    @rule(known=KNOWN, what=st.sampled_from(("ask", "final", "reversed", "failed", "paid")))
    def tell(self, known, what):
        """Enquire, or be told; only a reversal is believed, other claims move nothing."""
        ref = self.reference(known)
        if what in {"ask", "final"}:
            final = what == "final"
            expected = self.model.enquire(ref, final=final)
            assert self.real.say("enquire", ref, final=final).split()[0] == expected
            return
        if what == "reversed":
            self.model.notice_reversed(ref)
        assert self.real.say(what, ref) == "noted"

    def validated(self, ref, serial, amount, payer):
        expected = self.model.validate(ref, serial, minor(amount), e164(payer))
        assert self.say("validate", ref, serial, amount, payer) == expected

    def processed(self, ref, serial, amount, payer):
        expected = self.model.process(ref, serial, minor(amount), e164(payer))
        assert self.say("process", ref, serial, amount, payer) == expected

    def say(self, what, ref, serial, amount, payer):
        more = {"serial": serial, "amount": amount} | ({"payer": payer} if payer else {})
        return self.real.say(what, ref, **more)

    # --- the company's people ---------------------------------------------------------------------

    @precondition(lambda self: self.model.payments)
    @rule(picks=st.lists(PICK, min_size=1, max_size=4), serial=ANY_SERIAL)
    def decide(self, picks, serial):
        """Do what fits a payment, or now and then what does not."""
        for pick in picks:
            wishes = self.wishes(pick)
            self.wish(*wishes[pick % len(wishes)], by=PERSONS[pick % 3 == 0], serial=serial)
            self.the_model_and_the_database_agree()

    def wishes(self, pick):
        """Return verbs, each with a payment it is for."""
        known = self.model.payments
        if pick % 8 == 0:
            return [(verb, ref) for verb in (*FITTING, "approve") for ref in known]
        if pick % 3 == 0 and (waiting := self.model.proposed()):
            return [("approve", ref) for ref in waiting]
        return [
            (verb, ref)
            for ref, paid in known.items()
            for verb, stati in FITTING.items()
            if paid.status in stati
        ] or [("reverse", ref) for ref in known]

    def wish(self, verb, ref, *, by, serial):
        if verb == "resolve_with_token":
            self.resolve_with_token(ref, by)
            return
        more = (serial,) if verb == "match" else ()
        expected = self.model.decide(verb, ref, by, serial)
        done = self.real.act(verb, self.real.seen.ids[ref], *more, by=by)
        assert expected is None or done == expected, (verb, ref)

    def resolve_with_token(self, ref, by):
        """Bring the token that the manufacturer made and nobody heard of, if there is one."""
        position = self.model.in_doubt(ref)
        if position is None:
            return
        codes = [Secret(one) for one in BOOKS.minted[self.real.seen.orders[ref][position].id]]
        if codes:
            payment_id = self.real.seen.ids[ref]
            assert self.real.act("resolve_with_token", payment_id, codes[-1:], by=by)
            self.model.resolve(ref)

    @rule(serial=ANY_SERIAL, amount=AMOUNTS, what=st.sampled_from(("cash", "token", "sale")))
    def serve(self, serial, amount, what):
        """Take cash for a device, give it an ad-hoc token, or sell its owner a mill."""
        if what == "cash" or serial not in SERIALS:
            payment_id = self.real.cash(serial, amount)
            assert self.model.cash(payment_id, serial, minor(amount)) is (payment_id is not None)
        elif what == "token":
            payment_id = self.real.ad_hoc(serial, amount)
            assert self.model.ad_hoc(payment_id, serial, amount) is (payment_id is not None)
        else:
            customer = self.model.owners[serial]
            plan_id = self.real.sell(customer, amount, 2)
            self.model.add_plan(customer, self.real.plan(plan_id))

    @precondition(lambda self: self.model.plans())
    @rule(
        pick=PICK,
        what=st.sampled_from(("total", "row", "reschedule", "delete")),
        number=st.integers(1, 40),
    )
    def change_a_sale(self, pick, what, number):
        """Change what a sale costs, one row or its dates, or take it back."""
        plans = self.model.plans()
        customer, plan = plans[pick % len(plans)]
        has_device = plan.kind is not PlanKind.APPLIANCE
        if what == "delete" and has_device and not self.model.has_open(plan.device_serial):
            return  # its device would belong to nobody: no rule of the machine registers it again
        if what == "row" and not plan.rows:
            return  # its only row was made to cost nothing
        sold_on, known = self.real.staff.sold_on(plan.id), set(self.model.payments)
        done = self.real.staff.change_plan(plan, what, number)
        stored = self.real.plan(plan.id).rows
        allowed, settles = self.model.change_plan(customer, plan, what, number, sold_on, stored)
        assert done is allowed, (what, number, plan)
        if settles:
            [ref] = set(self.real.seen.ids) - known
            self.model.unlock_by_change(ref, customer, plan.device_serial)
        self.place.reached[f"sales changed: {what}"] += done
        self.place.reached["sales kept: a token is open"] += what == "delete" and not done

    @rule(
        serial=st.sampled_from(SERIALS),
        amount=AMOUNTS,
        what=st.sampled_from(("cash", "cash", "sale", "hand over")),
    )
    def work_in_the_field(self, serial, amount, what):
        """Let the agent take cash, sell a radio, or hand cash over."""
        staff, model = self.real.staff, self.model
        if what == "cash":
            payment_id = staff.agent_cash(serial, amount)
            assert model.agent_cash(payment_id, serial, minor(amount)) is (payment_id is not None)
            done = payment_id is not None
        elif what == "sale":
            customer = model.owners[serial]
            model.add_plan(customer, self.real.plan(staff.agent_sale(customer)))
            done = True
        else:
            done = staff.hand_over(amount)
            assert model.agent.hand_over(minor(amount)) is done
        self.place.reached[f"agent: {what}"] += done

    @rule(what=st.sampled_from(("relay", "relay", "accrue", *MAKERS, "telecom", "restart")))
    def keep_house(self, what):
        """Lose what is only in memory, accrue, hand work over, or switch an instance off or on."""
        match what:
            case "restart":
                self.real.restart()
            case "relay":
                self.real.relay()
            case "accrue":
                self.real.accrue()
                for meter in self.model.meters.values():
                    self.model.accrue(meter.customer)
            case name:
                self.real.switch(name, on=name in self.model.off)
                self.model.off ^= {name}

    # --- workers, time, death ---------------------------------------------------------------------

    @rule(seconds=WAITS, behaviour=BEHAVIOUR)
    def work(self, seconds, behaviour):
        """Let time pass, then do all that is due, in order."""
        self.work_for(seconds, behaviour or "mint")

    @precondition(lambda self: self.real.engine.waiting)
    @rule(pick=PICK, again=st.booleans(), behaviour=BEHAVIOUR)
    def carry_out(self, pick, again, behaviour):
        """Do any one piece of work, which may come again."""
        BOOKS.behave(behaviour or "mint")
        waiting = self.real.engine.waiting
        place = pick % len(waiting)
        self.carry(waiting[place] if again else waiting.pop(place))

    @precondition(lambda self: self.real.late)
    @rule(pick=PICK)
    def hear_late(self, pick):
        """Let a manufacturer answer after the deadline, whatever has become of the order."""
        order, answer = self.real.late.pop(pick % len(self.real.late))
        [(ref, position)] = [
            (ref, position) for ref, rows in self.real.seen.orders.items()
            for position, row in enumerate(rows) if row.id == order.id
        ]  # fmt: skip
        self.real.hear_late(order, answer)
        paid = self.model.payments[ref]
        self.model.hear_late(paid, paid.orders[position], order.attempts)
        self.place.reached["late answers"] += 1

    @precondition(lambda self: self.standing("token_pending", "unknown"))
    @rule(pick=PICK, seconds=WAITS, behaviour=BEHAVIOUR, point=DEATHS)
    def die(self, pick, seconds, behaviour, point):
        """Do what is due in any order until the process dies, and come back."""
        BOOKS.behave(behaviour or "mint")
        self.wait(seconds)
        self.real.relay()
        self.real.arm(point)
        waiting = self.real.engine.waiting
        while waiting and self.real.is_armed:
            self.carry(waiting.pop(pick % len(waiting)))
        self.real.disarm()

    @precondition(lambda self: self.standing("token_pending"))
    @rule()
    def settle_down(self):
        """Be kind for days: whatever was accepted comes to an end or to a person."""
        for _ in range(6):
            self.work_for(90_000, "mint")
        assert self.standing("token_pending") == []
        assert self.real.exported() == self.real.seen.found["sources"]
        now = self.real.now
        ridden = {serial for serial, is_on in BOOKS.on.items() if is_on}
        paid = {serial for serial, bike in self.model.bikes.items() if bike.should_be_on(now)}
        assert ridden == paid
        self.place.reached["bikes found on"] += len(paid)
        self.place.reached["bikes found off"] += len(BOOKS.on.keys() - paid)

    def standing(self, *stati):
        return [name for name, paid in self.model.payments.items() if paid.status in stati]

    def work_for(self, seconds, behaviour):
        BOOKS.behave(behaviour)
        self.wait(seconds)
        self.real.relay()
        while self.real.engine.waiting:
            self.carry(self.real.engine.waiting.pop(0))

    def wait(self, seconds):
        self.real.now += timedelta(seconds=seconds)
        self.model.now = self.real.now

    def carry(self, work):
        """Do one piece of work, and let the model do it."""
        kind, key = work
        before = self.real.seen
        BOOKS.heard.clear()
        died = ""
        try:
            self.real.carry_out(kind, key)
        except Crash as crash:
            died = str(crash)
            self.real.restart()
        if kind == "orders":
            [(ref, position, row)] = [
                (ref, position, row) for ref, rows in before.orders.items()
                for position, row in enumerate(rows) if row.id == key
            ]  # fmt: skip
            due = row.due_at is None or row.due_at <= self.real.now
            self.follow(self.model.payments[ref], position, due=due, died=died)

    def follow(self, paid, position, *, due, died):
        order = paid.orders[position]
        answer = BOOKS.heard[0][1] if BOOKS.heard else None
        early = died in {"order.prepared", "order.attempt-written", "order.attempt-committed"}
        asks = self.model.asks(order, due=due) and not early
        assert len(BOOKS.heard) == int(asks), (order, BOOKS.heard)
        self.model.work(paid, order, answer, due=due, died=died)

    # --- what must be true after every step -------------------------------------------------------

    @invariant()
    def the_model_and_the_database_agree(self):
        for what, expected in self.model.expected().items():
            found = self.real.seen.found[what]
            assert found == expected, (what, _differing(found, expected))

    @invariant()
    def verification_finds_nothing(self):
        assert self.real.seen.differences == []

    @invariant()
    def the_journal_alone_rebuilds_every_balance(self):
        for what, replayed in self.real.seen.replayed.items():
            assert self.real.seen.found[what] == replayed, what

    @invariant()
    def what_was_acknowledged_is_booked_once(self):
        """The telecom's own books against ours."""
        taken = {ref: paid for ref, paid in self.model.payments.items()
                 if paid.source == "clearing" and paid.status not in UNBOOKED}  # fmt: skip
        gone = {ref for ref, paid in self.model.payments.items() if paid.status == "reversed"}
        kept = {ref: amount for ref, amount in BOOKS.acknowledged.items() if ref not in gone}
        assert {ref: paid.amount for ref, paid in taken.items()} == kept

    @invariant()
    def nobody_mints_twice(self):
        """The manufacturers' own books against what two people approved."""
        for ref, rows in self.real.seen.orders.items():
            made = defaultdict(list)
            for row in rows:
                sold = BOOKS.minted.get(row.id, [])
                made[row.serial] += sold
                assert set(self.real.seen.codes.get(row.id, [])) <= set(sold), "invented a token"
            most = 1 + self.model.payments[ref].approved
            assert all(len(codes) <= most for codes in made.values()), f"{ref} was sold twice"

    @invariant()
    def customers_are_told_one_thing_once(self):
        assert all(len(texts) == 1 for texts in BOOKS.texts.values())


def _differing(found, expected):
    """Return what was found and what was expected, of that only what differs."""
    if not isinstance(expected, dict):
        return found, expected
    names = {name for name in found | expected if found.get(name) != expected.get(name)}
    return {name: (found.get(name), expected.get(name)) for name in names}


def minor(text):
    """Return minor units of shillings."""
    return int(text) * 100


def e164(payer):
    """Return a phone number as it is stored."""
    return payer and "+255" + payer.removeprefix("0").removeprefix("+255")
