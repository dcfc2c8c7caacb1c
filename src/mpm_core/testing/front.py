"""The kit's place between plugin and simulator: it keeps every exchange and plays faults.

Faults played here are the same for every plugin, whatever its author's simulator can do.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qsl

import attrs

from mpm_core.simulation import SimulatedReply, SimulatedRequest, Simulator

__all__ = ["Exchange", "Front", "WireFault", "texts_of"]

Spoil = Callable[[SimulatedReply, SimulatedRequest], SimulatedReply]
Effect = tuple[str, str]
"""Method and path of a request with an effect; what differs from order to order is a `*`."""


@attrs.frozen(kw_only=True, eq=False)
class Exchange:
    """One request of the plugin and what it was answered.

    Attributes:
        request: as it came.
        honest: the simulator's own reply; `None` if it was never asked.
        gained: how often the vendor gave a device something new for it.
        effect: it is the request that sells, sends or prompts.
    """

    request: SimulatedRequest
    honest: SimulatedReply | None
    gained: int
    effect: bool


@attrs.frozen(kw_only=True)
class WireFault:
    """What goes wrong with a request that has an effect.

    Attributes:
        instead: answered without asking the simulator: the vendor has done nothing.
        spoil: changes the simulator's answer to work already done.
    """

    instead: SimulatedReply | None = None
    spoil: Spoil | None = None


class Front:
    """Answers for a simulator.

    Args:
        simulator: asked for every honest answer.
        gained: how often it gave any device something new so far.
    """

    def __init__(self, simulator: Simulator, gained: Callable[[], int]) -> None:
        self.exchanges: list[Exchange] = []
        self.effects: set[Effect] = set()
        self.changing: set[str] = set()
        self._simulator = simulator
        self._gained = gained
        self._fault: WireFault | None = None
        self._left = 0
        self._lock = threading.Lock()

    def play(self, fault: WireFault, *, times: int = 1_000_000) -> None:
        """Let a fault strike the next requests that have an effect."""
        with self._lock:
            self._fault, self._left = fault, times

    def stop(self) -> None:
        """Answer honestly again."""
        with self._lock:
            self._fault, self._left = None, 0

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer one request. Called from several threads."""
        effect = self.effect_of(request) in self.effects
        fault = self._take() if effect else None
        if fault is not None and fault.instead is not None:
            self._keep(request, honest=None, gained=0, effect=effect)
            return fault.instead
        before = self._gained()
        reply = self._simulator.handle(request)
        self._keep(request, honest=reply, gained=self._gained() - before, effect=effect)
        if fault is not None and fault.spoil is not None:
            return fault.spoil(reply, request)
        return reply

    def effect_of(self, request: SimulatedRequest) -> Effect:
        """Return method and path with what changes from order to order left out."""
        path = request.path
        for text in sorted(self.changing, key=len, reverse=True):
            path = path.replace(text, "*")
        return request.method, path

    def _take(self) -> WireFault | None:
        with self._lock:
            if self._fault is None or not self._left:
                return None
            self._left -= 1
            return self._fault

    def _keep(
        self, request: SimulatedRequest, *, honest: SimulatedReply | None, gained: int, effect: bool
    ) -> None:
        exchange = Exchange(request=request, honest=honest, gained=gained, effect=effect)
        with self._lock:
            self.exchanges.append(exchange)


def texts_of(request: SimulatedRequest) -> tuple[str, ...]:
    """Return every text a request holds: path, query, body, the values of JSON and of forms."""
    body = request.body.decode("utf-8", "replace")
    found = [request.path, body]
    for form in (request.query, body):
        found += [value for _, value in parse_qsl(form, keep_blank_values=True)]
    with contextlib.suppress(ValueError, RecursionError):  # no JSON
        found.extend(_leaves(json.loads(body)))
    return tuple(found)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield str(value)
