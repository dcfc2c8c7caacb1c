"""A walk over every crash point: each gets lives that end there, then one in which all is finished.

What must happen for a point to be reached is brought about by whoever it belongs to: telecom,
person, clock, registration.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa

from mpm_core import Money, SimulatedPayment
from mpm_host.crash_points import CrashPoint
from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from tests.faults.acme_makers import KEYED_MAKER, LOOKUP_MAKER
from tests.faults.impatient_telecom import ImpatientTelecom
from tests.faults.insistent_person import InsistentPerson
from tests.faults.scene import Scene
from tests.faults.town import Device
from tests.faults.waiting import open_orders, wait_until_nothing_is_open

__all__ = ["ALL_MAKERS", "PAYMENTS_PER_LIFE", "CrashWalk", "Stop"]

ALL_MAKERS = (
    "calin", "sunking", "angaza", "openpaygo", "daly", "calin", KEYED_MAKER, LOOKUP_MAKER,
)  # fmt: skip
_ROUND = len(ALL_MAKERS)
_ROUNDS = 3  # of payments in one life
_BIKES = 6
_OF_ONE_MAKER = 3
PAYMENTS_PER_LIFE = _ROUND * _ROUNDS  # at most, besides those for bikes
_OVER_A_LEASE = timedelta(minutes=3)
_OVER_A_LOOK = timedelta(seconds=45)
_OVER_A_DAY = timedelta(hours=25)
_OVER_A_WEEK = timedelta(days=8)  # longer than what one payment buys
_LIFE_SECONDS = 40.0
_TICK_SECONDS = 0.5
_DRAIN_SECONDS = 120.0
_SWITCHING = frozenset({CrashPoint.SWITCH_ANNOUNCED, CrashPoint.SWITCH_DONE})
_CHANGING = frozenset({CrashPoint.CHANGE_WRITTEN, CrashPoint.CHANGE_COMMITTED})
_ACCRUING = frozenset({CrashPoint.ACCRUAL_WRITTEN, CrashPoint.ACCRUAL_COMMITTED})
_TELLING = frozenset({CrashPoint.TELLING_READ, CrashPoint.TELLING_HEARD, CrashPoint.TELLING_NOTED})
_PROMPTING = frozenset({CrashPoint.PUSH_ANNOUNCED, CrashPoint.PUSH_PROMPTED})
_ASKING = frozenset({CrashPoint.PUSH_QUERIED, CrashPoint.PUSH_BOOKED, CrashPoint.PUSH_NOTED})


@attrs.frozen(kw_only=True)
class Stop:
    """Where hosts die.

    Attributes:
        maker: whose order is carried past the point then; nothing for whatever comes there first.
        hits: how often: the first time it is reached, then the second, ...
    """

    point: CrashPoint
    maker: str | None = None
    hits: int = 1

    def __str__(self) -> str:
        return f"{self.point} of {self.maker}" if self.maker else str(self.point)


@attrs.define(kw_only=True)
class CrashWalk:
    """Leads hosts to crash points.

    Attributes:
        telecom: that most pay through.
        attentive: the one that wants reports, listens and prompts phones.
        died: how often a host died at each stop.
    """

    scene: Scene
    telecom: ImpatientTelecom
    attentive: ImpatientTelecom
    person: InsistentPerson
    died: Counter[Stop] = attrs.field(factory=Counter)
    _payments: Iterator[SimulatedPayment] = attrs.field()
    _settled: int = attrs.field(default=0)
    _rounds_left: int = attrs.field(default=0)

    @_payments.default
    def _pay_in_turn(self) -> Iterator[SimulatedPayment]:
        return _payments_of(self.scene.devices, "AIR")

    @property
    def acknowledged(self) -> dict[str, bytes]:
        """What either telecom was told to be booked."""
        return {**self.telecom.acknowledged, **self.attentive.acknowledged}

    def live_through(self) -> None:
        """Let a host live and not die: whatever is compared later has happened at least once."""
        with self.scene.host.running():
            self._release(self._payments, _ROUND)
            self._pay_for_new_meters(1)
            self._push_for_new_meters(1)
            self._wait_for_everything()
            self.person.begin(1)
            self._wait_for_everything()

    def die_at(self, stop: Stop, hit: int) -> bool:
        """Let a host live until it dies at a stop; tell whether it did.

        One of a manufacturer begins when nothing is open: no other's order comes to its point.
        """
        hit = 1 if stop.point in _ACCRUING else hit  # one batch is all there is
        self._rounds_left = _ROUNDS
        self._before(stop, hit)
        self.scene.host.start(crash_at=f"{stop.point}:{hit}")
        until = time.monotonic() + _LIFE_SECONDS
        while not (died := self.scene.host.has_died()) and time.monotonic() < until:
            if stop.maker is None:
                self._provoke(stop.point, hit)
            else:
                self._provoke_with(stop.maker, stop.point, hit)
            self._wait_a_tick()
        self.scene.host.kill()
        self.died[stop] += died
        self.scene.clock.move(_OVER_A_LEASE)
        return died

    def finish(self) -> datetime:
        """Let a host live until all calls are answered and nothing is open; return when it was."""
        with self.scene.host.running():
            return self._wait_for_everything()

    def _wait_for_everything(self) -> datetime:
        for telecom in (self.telecom, self.attentive):
            telecom.wait_until_all_are_answered(_DRAIN_SECONDS)
        self.person.wait_until_all_are_answered(_DRAIN_SECONDS)
        return wait_until_nothing_is_open(self.scene, seconds=_DRAIN_SECONDS)

    def _wait_a_tick(self) -> None:
        until = time.monotonic() + _TICK_SECONDS
        while time.monotonic() < until and not self.scene.host.has_died():
            time.sleep(0.01)

    def _before(self, stop: Stop, hit: int) -> None:
        if stop.maker is not None and stop.point is CrashPoint.LOOK_DECIDED:
            self._lose_answers_of(stop.maker, hit)
        if stop.point in _ACCRUING:
            self.scene.clock.move(_OVER_A_DAY)
        if stop.point is CrashPoint.LOOK_UP_ANSWERED:
            for _ in range(_ROUND):
                self.scene.town.settle(self._next_number(), "sunking")

    def _provoke(self, point: CrashPoint, hit: int) -> None:
        """Bring about what the point needs, a little of it at a time."""
        if point in _CHANGING:
            self.person.begin(hit)
        elif point in _SWITCHING:
            self._let_bikes_run_out(hit)
        elif point in _PROMPTING | _ASKING:
            self._push_a_round()
            if point in _ASKING:
                self.scene.clock.move(_OVER_A_LOOK)
        elif point not in _ACCRUING and point is not CrashPoint.LOOK_UP_ANSWERED:
            if point is CrashPoint.LOOK_DECIDED:
                self._lose_an_answer()
                self._let_a_look_fall_due()
            self._pay_a_round()
            if point in _TELLING and self.attentive.is_idle:
                self._pay_for_new_meters(1)

    def _provoke_with(self, maker: str, point: CrashPoint, hit: int) -> None:
        """Bring a point about with orders of one manufacturer only."""
        if point is CrashPoint.LOOK_DECIDED:
            self._let_a_look_fall_due()
        if self._may_begin_a_round(is_idle=self.telecom.is_idle):
            self._pay_for_new(maker, max(hit, _OF_ONE_MAKER))

    def _let_a_look_fall_due(self) -> None:
        """Let time pass unless somebody calls: while a slow host starts, a proof would run out."""
        if self.telecom.is_idle:
            self.scene.clock.move(_OVER_A_LOOK)

    def _pay_a_round(self) -> None:
        """Let each kind of device be paid, unless enough is under way: a host may be slow."""
        if self._may_begin_a_round(is_idle=self.telecom.is_idle):
            self._release(self._payments, _ROUND)

    def _push_a_round(self) -> None:
        if self._may_begin_a_round(is_idle=self.person.is_idle):
            self._push_for_new_meters(_ROUND)

    def _may_begin_a_round(self, *, is_idle: bool) -> bool:
        may_begin = self._rounds_left > 0 and (is_idle or self._rounds_left == _ROUNDS)
        self._rounds_left -= may_begin
        return may_begin

    def _let_bikes_run_out(self, count: int) -> None:
        """Pay for some bikes; once that many are on, let the time pass that was paid for.

        Never while a call is under way: its proof would be a week old when it arrives.
        """
        if not (self.telecom.is_idle and self.attentive.is_idle):
            return
        s = t.switches.c
        query = sa.select(sa.func.count()).where(s.is_on, s.next_at > self.scene.clock())
        with self.scene.opened.engines.read.connect() as connection:
            running: int = connection.execute(query).scalar_one()
        if running >= count:
            self.scene.clock.move(_OVER_A_WEEK)
        elif not self._is_busy():
            # Once for each: weeks pass here, and what pays for arrears buys no time.
            self._pay_for_new("daly", _BIKES)
        else:
            self.scene.clock.move(_OVER_A_LOOK)  # what waits for its time may be a bike's

    def _pay_for_new(self, maker: str, count: int) -> None:
        """Pay once for each of some new devices."""
        devices = tuple(self.scene.town.settle(self._next_number(), maker) for _ in range(count))
        self._release(_payments_of(devices, f"NEW{self._settled}N"), count)

    def _pay_for_new_meters(self, count: int) -> None:
        """Pay through the telecom that wants reports."""
        meters = tuple(self.scene.town.settle(self._next_number(), "calin") for _ in range(count))
        payments = _payments_of(meters, f"ACME{self._settled}N")
        self.attentive.release([next(payments) for _ in meters])

    def _push_for_new_meters(self, count: int) -> None:
        for _ in range(count):
            meter = self.scene.town.settle(self._next_number(), "calin")
            self.person.push(meter.serial, meter.amount)

    def _next_number(self) -> int:
        """Return a number nobody has yet, of somebody without other debts."""
        self._settled += 1
        return 50_001 + 5 * self._settled

    def _is_busy(self) -> bool:
        """Tell whether orders are still on their way to a manufacturer."""
        orders = open_orders(self.scene)
        return orders[OrderStatus.QUEUED] + orders[OrderStatus.SENT] > 0

    def _lose_an_answer(self) -> None:
        """Lose the next answer of each; not one more for every tick, they would add up.

        An order whose answers are lost until its look after six hours waits for a day's end.
        """
        for maker in ("calin", "angaza", KEYED_MAKER, LOOKUP_MAKER):
            self._lose_answers_of(maker, 1)

    def _lose_answers_of(self, maker: str, count: int) -> None:
        self.scene.simulators[maker].clear_faults()
        self.scene.simulators[maker].set_fault("lose_answer", times=count)

    def _release(self, payments: Iterator[SimulatedPayment], count: int) -> None:
        self.telecom.release([next(payments) for _ in range(count)])


def _payments_of(devices: tuple[Device, ...], prefix: str) -> Iterator[SimulatedPayment]:
    """Return four payments of each device, in turns: as many as its plan takes."""
    for number in range(4 * len(devices)):
        device = devices[number % len(devices)]
        yield SimulatedPayment(
            reference=f"{prefix}{number:010d}",
            serial=device.serial,
            amount=Money.parse(device.amount, "TZS"),
            msisdn="255781234567",
        )
