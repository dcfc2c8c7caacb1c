"""Can this process take payments and do its work? Found out by trying, not by hoping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import attrs
import sqlalchemy as sa

from mpm_core import UserError
from mpm_host.clock import Clock
from mpm_host.database import tables as t
from mpm_host.database.engines import Engines
from mpm_host.database.outages import outage_code
from mpm_host.database.upgrade import current, head, remedy
from mpm_host.monitoring.bounded_call import BoundedCall, StillRunningError

__all__ = ["Problem", "Readiness"]

_PATIENCE_SECONDS = 2.0
_KEPT_SECONDS = 1.0
_ROW = "probe"
_UNWRITABLE = frozenset(
    {"database_read_only", "database_full", "database_locked", "database_broken"}
)


@attrs.frozen(kw_only=True)
class Problem:
    """Why something cannot be done now.

    Attributes:
        code: one stable word for it.
        detail: for whoever looks after the installation; never a secret.
    """

    code: str
    detail: str


class Readiness:
    """Tells what is in the way of this process; nothing, if it is ready.

    Args:
        engines: of the database that must take a write.
        clock: for what is written.
        inside: tells the problems of this process's own parts.
        wrote_lately: tells that a payment was written a moment ago: then nothing need be tried.
        monotonic: seconds.
    """

    def __init__(
        self,
        *,
        engines: Engines,
        clock: Clock,
        inside: Callable[[], Iterator[Problem]],
        wrote_lately: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engines = engines
        self._clock = clock
        self._inside = inside
        self._wrote_lately = wrote_lately
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: tuple[float, Sequence[Problem]] | None = None
        self._try = BoundedCall(self._try_database, name="readiness", seconds=_PATIENCE_SECONDS)

    def problems(self) -> Sequence[Problem]:
        """Return what is in the way, at most a second old: however many ask, one write is tried."""
        with self._lock:
            if self._kept is None or self._monotonic() - self._kept[0] > _KEPT_SECONDS:
                found = (*self._of_database(), *self._inside())
                # old from now on: who waited for it meanwhile must not try a hanging database again
                self._kept = (self._monotonic(), found)
            return self._kept[1]

    def _of_database(self) -> Sequence[Problem]:
        try:
            return self._try()
        except StillRunningError:
            detail = f"The database did not answer within {_PATIENCE_SECONDS:g} s."
            return (Problem(code="database_hangs", detail=detail),)
        except UserError:
            return (_UNREACHABLE,)
        except sa.exc.SQLAlchemyError as error:
            return (_named(error),)

    def _try_database(self) -> Sequence[Problem]:
        found, needed = current(self._engines.read), head()
        if found != needed:
            detail = (
                f"The database is at revision {found or 'none'}, and this version needs {needed}; "
                f"{remedy(found, needed)}."
            )
            return (Problem(code="migrations", detail=detail),)
        if not self._wrote_lately():
            self._write()
        return ()

    def _write(self) -> None:
        row, now = t.readiness.c, self._clock()
        with self._engines.write.begin() as connection:
            written = connection.execute(
                sa.update(t.readiness).where(row.id == _ROW).values(written_at=now)
            )
            if written.rowcount == 0:
                connection.execute(sa.insert(t.readiness).values(id=_ROW, written_at=now))


_UNREACHABLE = Problem(code="database", detail="The database cannot be reached.")


def _named(error: sa.exc.SQLAlchemyError) -> Problem:
    """Say what is wrong with a database; the error's own text may hold what nobody should see."""
    code = outage_code(error)
    if code in _UNWRITABLE:
        detail = f"The database cannot be written: it is {code.partition('_')[2]}."
        return Problem(code=code, detail=detail.replace("_", "-"))
    if code == "database_hangs":
        return Problem(code=code, detail="The database does not answer.")
    return _UNREACHABLE
