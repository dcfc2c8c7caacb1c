"""A case: one plugin under test, with a server that is shared by all its stages."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import TypeVar

import attrs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from mpm_core.simulation import SimulatedReply, SimulatedRequest
from mpm_core.simulation.server import SimulationServer, serve
from mpm_core.testing.front import Front
from mpm_core.testing.rules import RuleBroken
from mpm_core.testing.subjects import Subject
from mpm_core.testing.values import shown

__all__ = ["Case", "Workshop", "open_workshop"]

T = TypeVar("T")

_NAME = "kit"
_PHASES = (Phase.explicit, Phase.generate, Phase.shrink)


class Workshop:
    """One loopback server for any number of simulators; making a stage costs no socket."""

    def __init__(self) -> None:
        self._fronts: dict[str, Front] = {}
        self._numbers = itertools.count(1)
        self._server: SimulationServer | None = None

    def opened_by(self, server: SimulationServer) -> Workshop:
        """Take the server that serves this workshop."""
        self._server = server
        return self

    def add(self, front: Front) -> str:
        """Serve a front; returns its base URL."""
        if self._server is None:
            raise RuntimeError("The workshop is closed; use `open_workshop`.")
        number = str(next(self._numbers))
        self._fronts[number] = front
        return f"{self._server.base_url(_NAME)}/{number}"

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Hand a request to the front its path begins with."""
        number, _, path = request.path.partition("/")
        front = self._fronts.get(number)
        if front is None:
            return SimulatedReply(status=404, content_type="text/plain", body=b"no such stage")
        return front.handle(attrs.evolve(request, path=path))


@contextlib.contextmanager
def open_workshop() -> Iterator[Workshop]:
    """Serve a workshop on loopback until the block ends."""
    workshop = Workshop()
    with serve({_NAME: workshop}) as server:  # type: ignore[dict-item]  # only `handle` is used
        yield workshop.opened_by(server)


@attrs.frozen(kw_only=True, eq=False)
class Case:
    """What a rule is given.

    Attributes:
        subject: the plugin.
        workshop: serves its simulators.
        examples: how many examples of a property are tried.
        explore: try new examples every time instead of the same ones.
        shrink: look for the simplest example once one failed; takes longer.
    """

    subject: Subject
    workshop: Workshop = attrs.field(repr=False)
    examples: int = 40
    explore: bool = False
    shrink: bool = True

    def holds(
        self,
        strategy: SearchStrategy[T],
        check: Callable[[T], None],
        *,
        examples: int = 0,
        shrink: bool = True,
    ) -> None:
        """Check a property; the simplest example that breaks it is told with the failure.

        Args:
            strategy: of examples.
            check: raises `RuleBroken`.
            examples: how many, if not the usual number.
            shrink: whether a simpler example would tell more.
        """
        found: list[RuleBroken] = []
        one = attrs.evolve(self, shrink=shrink and self.shrink)

        @one.profile(examples or self.examples)
        @given(strategy)
        def run(example: T) -> None:
            try:
                check(example)
            except RuleBroken as broken:
                broken.example = broken.example or shown(example)
                found.append(broken)
                raise

        try:
            run()
        except (RuleBroken, Flaky):  # flaky: it broke once, and the vendor has changed since
            if not found:
                raise
            found[-1].__notes__ = []  # the example is told with the rule
            raise found[-1] from None

    def profile(self, examples: int) -> settings:
        """Return how hypothesis searches: bounded, without a file of its own, repeatable."""
        return settings(
            max_examples=max(1, examples),
            deadline=None,
            database=None,
            derandomize=not self.explore,
            phases=_PHASES if self.shrink else _PHASES[:-1],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            report_multiple_bugs=False,
        )
