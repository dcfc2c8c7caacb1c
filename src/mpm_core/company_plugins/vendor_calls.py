"""An instance's vendor hooks: its pool, its circuit, its deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import attrs

from mpm_core.company_plugins.call_pool import (
    CallPool,
    PoolClosedError,
    PoolFullError,
    TooLateError,
)
from mpm_core.company_plugins.circuit import Circuit, CircuitLimits, Outcome, Ticket
from mpm_core.company_plugins.containment import Route, call_contained, close_failure
from mpm_core.company_plugins.hook_rules import Mode
from mpm_core.company_plugins.plugin_instances import LoadedInstance
from mpm_core.devices import Device
from mpm_core.effects import EffectRecord
from mpm_core.errors import MpmError, NotSent, OutcomeError, OutcomeUnknown, Refused, Throttled

__all__ = ["DispatchLimits", "VendorCall", "VendorCalls"]


@attrs.frozen(kw_only=True)
class DispatchLimits:
    """How patient the dispatch is.

    Attributes:
        grace: seconds a caller waits past the deadline, for the plugin's own account of it.
        slow_pure_hook: seconds above which a pure hook is logged as slow.
        circuit: when an instance is left alone.
    """

    grace: float = 0.5
    slow_pure_hook: float = 0.05
    circuit: CircuitLimits = attrs.field(factory=CircuitLimits)


@attrs.frozen(kw_only=True)
class VendorCall:
    """One call of a vendor hook, with its arguments complete."""

    route: Route
    arguments: Mapping[str, object] = attrs.field(repr=False)
    correlation_id: str

    @property
    def serial(self) -> str:
        """The device it is for, or nothing."""
        device = self.arguments.get("device")
        return device.serial if isinstance(device, Device) else ""


@attrs.frozen(kw_only=True)
class _Result:
    answer: object = None
    error: MpmError | None = None


class VendorCalls:
    """Runs the vendor hooks of one instance.

    Args:
        loaded: the instance; its manifest says how many calls at once and for how long.
        limits: of patience.
        clock: aware; to tell people until when a circuit is open.
        monotonic: seconds.
    """

    def __init__(
        self,
        loaded: LoadedInstance,
        *,
        limits: DispatchLimits,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._deadline = loaded.manifest.deadline
        self._grace = limits.grace
        self._clock = clock
        self._monotonic = monotonic
        self._pool = CallPool(
            f"mpm-{loaded.company.slug}-{loaded.name}", loaded.manifest.concurrency
        )
        self._circuit = Circuit(limits=limits.circuit)
        self._circuit_lock = threading.Lock()

    def run(self, call: VendorCall, *, on_late: Callable[[object], None] | None) -> object:
        """Call the hook in the pool and wait for its answer, at most until the deadline.

        Raises:
            MpmError: as `CompanyPlugins.call` says.
        """
        # observers say nothing about the vendor, so they have no ticket
        ticket = self._admit(call.route) if call.route.rule.mode is Mode.ROUTED else None
        outcome: Outcome | None = None
        try:
            answer = self._run_in_pool(call, on_late)
            outcome = Outcome.ANSWERED
        except _NotBegunError as error:
            raise NotSent(f"{call.route} was not called: {error}. Nothing happened.") from None
        except OutcomeError as error:
            outcome = _outcome_of(error)
            raise
        finally:
            # in any case, also when the person at the keyboard interrupts: a ticket that never
            # came back would keep the circuit open for ever
            self._settle(ticket, outcome, call.serial)
        return answer

    @property
    def circuit_reason(self) -> str:
        """Why it is left alone at the moment; empty while it is not."""
        with self._circuit_lock:
            return self._circuit.reason

    def close(self) -> None:
        """Begin no further calls."""
        self._pool.close()

    def give_up(self) -> None:
        """Begin no further calls, and wait for none that is under way."""
        self._pool.give_up()

    def _run_in_pool(self, call: VendorCall, on_late: Callable[[object], None] | None) -> object:
        route = call.route
        record = EffectRecord.starting_now(
            self._deadline, self._monotonic, hook_has_effect=route.rule.effect
        )
        try:
            result = self._pool.run(
                lambda: _work(call, record),
                seconds=self._deadline + self._grace,
                on_late=lambda late: self._hear_late(call, late, record, on_late),
            )
        except PoolFullError as full:
            raise _NotBegunError(_fullness(full)) from None
        except PoolClosedError:
            raise _NotBegunError("the instance is closed") from None
        except TooLateError as late:
            raise _too_late(route, record, given_up=late.given_up) from None
        if result.error is not None:
            raise result.error
        return result.answer

    def _hear_late(
        self,
        call: VendorCall,
        late: _Result,
        record: EffectRecord,
        on_late: Callable[[object], None] | None,
    ) -> None:
        if late.error is not None:
            seconds = self._deadline - record.remaining()
            close_failure(call.route, call.correlation_id, late.error, seconds)
        if on_late is not None:
            on_late(late.answer if late.error is None else late.error)

    # --- the circuit ------------------------------------------------------------------------------

    def _admit(self, route: Route) -> Ticket:
        with self._circuit_lock:
            now = self._monotonic()
            ticket = self._circuit.admit(now)
            if ticket is not None:
                return ticket
            reason, seconds = self._circuit.reason, self._circuit.seconds_left(now)
        until = f"{self._clock() + timedelta(seconds=seconds):%H:%M:%S %Z}"
        ends = f"until {until.strip()}" if seconds else "until a trial call ends"
        raise NotSent(
            f"{route} was not called: circuit open {ends}, because {reason}. Nothing happened."
        )

    def _settle(self, ticket: Ticket | None, outcome: Outcome | None, serial: str) -> None:
        if ticket is None:
            return
        with self._circuit_lock:
            if outcome is None:
                self._circuit.withdraw(ticket)
            else:
                self._circuit.record(ticket, outcome, self._monotonic(), serial=serial)


class _NotBegunError(Exception):
    """The plugin was not called at all, so its circuit learns nothing; the text says why."""


def _work(call: VendorCall, record: EffectRecord) -> _Result:
    record.ends_at = record.clock() + record.deadline  # waiting for a thread does not count
    try:
        return _Result(answer=call_contained(call.route, record, call.arguments))
    except MpmError as error:
        return _Result(error=error)


def _too_late(route: Route, record: EffectRecord, *, given_up: bool) -> OutcomeError:
    why = "until its process ended" if given_up else f"within {record.deadline:g} s"
    what = f"{route} gave no answer {why}"
    if route.rule.effect or record.may_have_left:
        return OutcomeUnknown(f"{what}. It may still take effect.")
    return NotSent(f"{what}. Nothing happened.")


def _fullness(full: PoolFullError) -> str:
    if full.hung < full.size:
        return f"all its {full.size} calls are busy, and {full.hung} of them hang"
    return f"all its {full.size} calls hang past their deadline; circuit open until one comes back"


def _outcome_of(error: OutcomeError) -> Outcome:
    if isinstance(error, Refused):
        return Outcome.REFUSED
    if isinstance(error, Throttled):
        return Outcome.NEUTRAL
    return Outcome.FAILED if isinstance(error, NotSent | OutcomeUnknown) else Outcome.NEUTRAL
