"""Limits on wrong passwords: each try after the fifth waits longer, also for unknown addresses.

A subject is who is tried (an e-mail address, or the principal that asks for an elevation). It is
stored hashed, and known and unknown ones are treated alike, so that nobody learns who exists. A try
is counted before the password is looked at, so that many at the same moment gain nothing.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from mpm_host.access.access_refusals import TooManyAttempts
from mpm_host.database.access_tables import password_failures

__all__ = ["begin_try", "forget_tries"]

_FREE = 5  # tries before the first wait
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(minutes=15)
_FORGET_AFTER = timedelta(days=1)
_F = password_failures.c


def begin_try(engine: Engine, subject: str, now: datetime) -> None:
    """Count a try, to be forgotten when it was right.

    Raises:
        TooManyAttempts: it comes too early and is not counted.
    """
    hashed = _hashed(subject)
    with engine.begin() as connection:
        connection.execute(sa.delete(password_failures).where(_F.at < now - _FORGET_AFTER))
        failures = _counted(connection, hashed, now)
        until = _blocked_until(failures, now)
        connection.execute(
            sa.update(password_failures).where(_F.subject == hashed).values(blocked_until=until)
        )


def forget_tries(engine: Engine, subject: str) -> None:
    """Forget the tries of a subject once the right password was given."""
    with engine.begin() as connection:
        connection.execute(sa.delete(password_failures).where(_F.subject == _hashed(subject)))


def _counted(connection: Connection, hashed: str, now: datetime) -> int:
    row = {"subject": hashed, "failures": 1, "blocked_until": None, "at": now}
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(password_failures).values(**row))
    except sa.exc.IntegrityError:
        return _counted_again(connection, hashed, now)
    return 1


def _counted_again(connection: Connection, hashed: str, now: datetime) -> int:
    query = sa.select(_F.failures, _F.blocked_until).where(_F.subject == hashed)
    failures, until = connection.execute(query.with_for_update()).one()
    if until is not None and now < until:
        raise TooManyAttempts(until, now)
    connection.execute(
        sa.update(password_failures)
        .where(_F.subject == hashed)
        .values(failures=failures + 1, at=now)
    )
    return int(failures) + 1


def _blocked_until(failures: int, now: datetime) -> datetime | None:
    if failures < _FREE:
        return None
    doublings = min(failures - _FREE, 10)  # past the longest wait anyway
    waited: timedelta = _FIRST_WAIT * 2**doublings
    return now + min(waited, _LONGEST_WAIT)


def _hashed(subject: str) -> str:
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()
