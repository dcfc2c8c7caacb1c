"""Asking something that may hang: the caller goes on after a while, and one at a time hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from mpm_host.database.patience import have_patience

__all__ = ["BoundedCall", "StillRunningError"]

Result = TypeVar("Result")


class StillRunningError(Exception):
    """What was asked did not answer in time; it is not asked again before it has."""


class BoundedCall(Generic[Result]):
    """A function with an end to its caller's patience.

    Args:
        function: is called in a thread of its own.
        name: of the thread.
        seconds: to wait for it, and for the database inside it.
    """

    def __init__(self, function: Callable[[], Result], *, name: str, seconds: float) -> None:
        self._function = function
        self._name = name
        self._seconds = seconds
        self._lock = threading.Lock()
        self._running: Future[Result] | None = None

    def __call__(self) -> Result:
        """Call it and wait; share a call that is under way.

        Raises:
            StillRunningError: it took too long.
        """
        with self._lock:
            running = self._running
            if running is None or running.done():
                running = self._running = self._start()
        try:
            return running.result(self._seconds)
        except TimeoutError:
            if running.done():
                raise  # its own
            raise StillRunningError from None

    def _start(self) -> Future[Result]:
        future: Future[Result] = Future()
        threading.Thread(target=self._run, args=(future,), name=self._name, daemon=True).start()
        return future

    def _run(self, future: Future[Result]) -> None:
        have_patience(self._seconds)
        try:
            future.set_result(self._function())
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            future.set_exception(error)
