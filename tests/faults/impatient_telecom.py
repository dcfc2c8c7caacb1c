"""A telecom that keeps calling until it is answered, as real ones do, from several threads.

It remembers what it was told: every payment that was acknowledged once is money the host owes an
account of, whatever happens to the host.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import attrs
import httpx

from mpm_core import Money, SimulatedCall, SimulatedPayment, SimulatedReply
from tests.faults.scene import ATTENTIVE, Scene

__all__ = ["ImpatientTelecom", "Line", "attentive_line", "planned_payments"]

_THREADS = 8
_PAUSE_SECONDS = 0.02
_REPEATS = 0.3  # of the acknowledged payments are said once more


@attrs.frozen(kw_only=True)
class Line:
    """How one telecom calls.

    Attributes:
        instance: of its plugin.
        simulator: makes and signs its calls.
        settings: what was agreed with it.
        accepted: stands in the answer to a process call that is acknowledged.
        ask_again: stands in an answer that is neither yes nor no, besides the server errors.
    """

    instance: str
    simulator: Any
    settings: Mapping[str, object]
    accepted: bytes
    ask_again: bytes | None = None


def _airtel_line(scene: Scene) -> Line:
    return Line(
        instance="airtel",
        simulator=scene.airtel,
        settings=scene.airtel_settings,
        accepted=b"<STATUS>200</STATUS>",
        # what it hears of a validation when we cannot tell: a 200, because no money has moved yet
        ask_again=b"<MESSAGE>Service unavailable, try again</MESSAGE>",
    )


def attentive_line(scene: Scene) -> Line:
    """Return the line of the telecom that wants reports."""
    simulator = scene.simulators[ATTENTIVE]
    return Line(
        instance=ATTENTIVE,
        simulator=simulator,
        settings=simulator.settings(""),
        accepted=b'"booked"',
    )


def planned_payments(scene: Scene, count: int) -> list[SimulatedPayment]:
    """Return payments that go round all devices, so that each device is paid several times."""
    devices = scene.devices
    return [
        SimulatedPayment(
            reference=f"AIR{number:010d}",
            serial=devices[number % len(devices)].serial,
            amount=Money.parse(devices[number % len(devices)].amount, "TZS"),
            msisdn="255781234567",
        )
        for number in range(count)
    ]


@attrs.define(kw_only=True)
class ImpatientTelecom:
    """Makes payments; `release` lets it begin some more.

    Attributes:
        line: how it calls; Airtel's unless told otherwise.
        took: seconds of each call that was answered, whatever the answer.
    """

    scene: Scene
    dice: random.Random
    line: Line = attrs.field(
        default=attrs.Factory(lambda self: _airtel_line(self.scene), takes_self=True)
    )
    acknowledged: dict[str, bytes] = attrs.field(factory=dict)
    differing: list[str] = attrs.field(factory=list)
    refused: list[str] = attrs.field(factory=list)
    took: list[float] = attrs.field(factory=list)
    _waiting: queue.SimpleQueue[SimulatedPayment | None] = attrs.field(factory=queue.SimpleQueue)
    _open: int = attrs.field(default=0)
    _heard: dict[str, str] = attrs.field(factory=dict)
    _changed: threading.Condition = attrs.field(factory=threading.Condition)
    _threads: list[threading.Thread] = attrs.field(factory=list)
    _stopping: threading.Event = attrs.field(factory=threading.Event)

    def __enter__(self) -> Self:
        """Start its threads."""
        for number in range(_THREADS):
            thread = threading.Thread(target=self._run, name=f"telecom-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_error: object) -> None:
        """Hang up."""
        self._stopping.set()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def release(self, payments: list[SimulatedPayment]) -> None:
        """Begin these payments."""
        with self._changed:
            self._open += len(payments)
        for payment in payments:
            self._waiting.put(payment)

    @property
    def is_idle(self) -> bool:
        """Tell whether no payment is under way."""
        return self._open == 0

    def wait_until_all_are_answered(self, seconds: float) -> None:
        """Wait until no payment is under way, however slow the machine is.

        Args:
            seconds: within which at least one more is to be answered, each time.

        Raises:
            TimeoutError: none was, and some still are under way; what the host says is told.
        """
        with self._changed:
            while before := self._open:
                if not self._changed.wait_for(lambda: self._open < before, timeout=seconds):
                    raise TimeoutError(
                        f"{before} payments are under way, and none was answered for "
                        f"{seconds:.0f} seconds. Those that call hear: {dict(self._heard)}."
                    )

    def wait_for_more(self, count: int, seconds: float) -> None:
        """Wait until so many more payments are acknowledged, none is under way, or time is up."""
        with self._changed:
            enough = len(self.acknowledged) + count
            self._changed.wait_for(
                lambda: len(self.acknowledged) >= enough or self._open == 0, timeout=seconds
            )

    def wait_until_so_many_are_acknowledged(self, count: int, seconds: float) -> None:
        """Wait for so many times *accepted*, of different payments.

        Raises:
            TimeoutError: there were not so many.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.acknowledged) >= count, timeout=seconds):
                raise TimeoutError(f"Only {len(self.acknowledged)} payments were acknowledged.")

    def _run(self) -> None:
        url = self.scene.callback_url_of(self.line.instance)
        with httpx.Client(timeout=20, trust_env=False) as http:
            while (payment := self._waiting.get()) is not None:
                self._pay(http, url, payment)
                with self._changed:
                    self._heard.pop(payment.reference, None)
                    self._open -= 1
                    self._changed.notify_all()

    def _pay(self, http: httpx.Client, url: str, payment: SimulatedPayment) -> None:
        settings, simulator = self.line.settings, self.line.simulator
        validation = self._insist(
            http, url, payment, lambda: simulator.validate_call(payment, settings)
        )
        if validation is None:
            return
        for _ in range(2 if self.dice.random() < _REPEATS else 1):
            answer = self._insist(
                http, url, payment, lambda: simulator.process_call(payment, settings, validation)
            )
            if answer is None:
                return
            self._note(payment.reference, answer)

    def _note(self, reference: str, answer: SimulatedReply) -> None:
        with self._changed:
            if self.line.accepted not in answer.body:
                self.refused.append(reference)
            elif self.acknowledged.setdefault(reference, answer.body) != answer.body:
                self.differing.append(reference)
            self._changed.notify_all()

    def _insist(
        self,
        http: httpx.Client,
        url: str,
        payment: SimulatedPayment,
        sign: Callable[[], SimulatedCall | None],
    ) -> SimulatedReply | None:
        """Call until there is an answer other than *ask again*; `None` when we are stopped.

        Each try is signed anew: a proof is good for minutes, and time flies here.
        """
        while not self._stopping.is_set():
            call = sign()
            if call is None:
                return SimulatedReply(status=200, body=b"<STATUS>400</STATUS>")
            began = time.monotonic()
            try:
                answer = http.post(
                    f"{url}/{call.path}", headers=dict(call.headers), content=call.body
                )
            except httpx.TransportError as error:
                self._heard[payment.reference] = repr(error)
            else:
                self.took.append(time.monotonic() - began)
                if not self._says_ask_again(answer):
                    return SimulatedReply(status=answer.status_code, body=answer.content)
                self._heard[payment.reference] = f"{answer.status_code} {answer.text}"
            time.sleep(_PAUSE_SECONDS)
        return None

    def _says_ask_again(self, answer: httpx.Response) -> bool:
        """Tell whether an answer is neither yes nor no, by its status or in the telecom's words."""
        words = self.line.ask_again
        return answer.is_server_error or (words is not None and words in answer.content)
