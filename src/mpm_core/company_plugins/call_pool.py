"""An instance's own bounded pool for vendor calls: one that hangs holds up nobody else.

Each call gets a fresh daemon thread (the vendor's network costs a hundred times that), at most so
many at once. A caller waits until its deadline and then goes on; the thread keeps its place until
the plugin comes back, so a plugin that never does fills its own pool and nothing else.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

__all__ = ["CallPool", "PoolClosedError", "PoolFullError", "TooLateError"]

T = TypeVar("T")


class PoolFullError(Exception):
    """No thread came free in time; `hung` of `size` are past their deadline."""

    def __init__(self, hung: int, size: int) -> None:
        super().__init__(f"{hung} of {size} calls hang")
        self.hung = hung
        self.size = size


class PoolClosedError(Exception):
    """The pool takes no calls any more."""


class TooLateError(Exception):
    """The work was not done in time; it goes on, and `on_late` hears its result.

    Attributes:
        given_up: its owner had no time left, which says nothing about the work.
    """

    def __init__(self, *, given_up: bool = False) -> None:
        super().__init__("given up" if given_up else "too late")
        self.given_up = given_up


@attrs.define(eq=False)
class _Job(Generic[T]):
    done: threading.Event = attrs.field(factory=threading.Event)
    result: T | None = None
    abandoned: bool = False


class CallPool:
    """Runs work in at most `size` threads at a time.

    Args:
        name: for the threads' names.
        size: calls at the same time, at least one.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = max(1, size)
        self._changed = threading.Condition()
        self._running = 0
        self._hung = 0
        self._closed = False
        self._jobs: set[_Job[Any]] = set()

    def run(self, work: Callable[[], T], *, seconds: float, on_late: Callable[[T], None]) -> T:
        """Run work that never raises and return its result.

        Args:
            work: does it, in the caller's context variables.
            seconds: to wait for a free thread, and then again for the result.
            on_late: called in the thread with a result that came too late.

        Raises:
            PoolFullError: no thread came free; the work was not begun.
            PoolClosedError: the same, because the pool is closed.
            TooLateError: the work was begun and is not done.
        """
        job: _Job[T] = _Job()
        self._take_place(job, seconds)
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=self._work_in_thread,
            args=(job, lambda: context.run(work), on_late),
            name=self._name,
            daemon=True,  # a hung plugin must not keep the program from ending
        )
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            self._give_place(job)
            raise PoolFullError(self._hung, self._size) from None
        if not job.done.wait(seconds) and self._abandon(job):
            raise TooLateError
        if job.abandoned:
            raise TooLateError(given_up=True)
        return job.result  # type: ignore[return-value]  # `done` says that it was set

    def close(self) -> None:
        """Take no further calls; those under way go on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def give_up(self) -> None:
        """Take no further calls and let nobody wait any longer; the work itself goes on."""
        self.close()
        with self._changed:
            for job in self._jobs:
                if not job.done.is_set():
                    job.abandoned = True
                    self._hung += 1
                    job.done.set()

    def _take_place(self, job: _Job[Any], seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(self._is_settled, timeout=seconds)
            if self._closed:
                raise PoolClosedError
            if self._running >= self._size:
                raise PoolFullError(self._hung, self._size)
            self._running += 1
            self._jobs.add(job)

    def _is_settled(self) -> bool:
        """Waiting is over: a place is free, or none will be soon."""
        return self._closed or self._running < self._size or self._hung >= self._size

    def _give_place(self, job: _Job[T]) -> None:
        with self._changed:
            self._running -= 1
            self._jobs.discard(job)
            self._hung -= job.abandoned
            self._changed.notify()

    def _work_in_thread(
        self, job: _Job[T], work: Callable[[], T], on_late: Callable[[T], None]
    ) -> None:
        try:
            result = work()
            with self._changed:
                job.result = result
                job.done.set()
            if job.abandoned:
                on_late(result)
        finally:
            self._give_place(job)

    def _abandon(self, job: _Job[T]) -> bool:
        """Give up on a job, unless it was done at the last moment."""
        with self._changed:
            if job.done.is_set():
                return False
            job.abandoned = True
            self._hung += 1
            self._changed.notify_all()
            return True
