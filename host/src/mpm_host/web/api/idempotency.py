"""Idempotency keys: a repeated request gets the stored answer and does nothing again.

Only successes are stored, encrypted because an answer may show a new API key. In an operation of
one transaction the stored answer is part of that transaction; others claim their key first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.database.access_tables import idempotency
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.web.api.problems import ApiCode, ProblemError

__all__ = [
    "RequestKey",
    "StoredAnswer",
    "claim",
    "is_answered",
    "read_key",
    "release",
    "store",
]

_KEPT = timedelta(days=3)
_FORGOTTEN_AT_ONCE = 100
_ABANDONED = timedelta(minutes=10)  # a claim whose process died
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_I = idempotency.c


@attrs.frozen(kw_only=True)
class RequestKey:
    """One request of one caller.

    Attributes:
        scope: who sent it.
        key: as they named it.
        digest: keyed, of all that the request says.
    """

    scope: str
    key: str
    digest: str


@attrs.frozen(kw_only=True)
class StoredAnswer:
    """What the first request was answered."""

    status: int
    body: bytes = attrs.field(repr=False)


def read_key(
    header: str | None, scope: str | None, request: Iterable[bytes], vault: Vault
) -> RequestKey | None:
    """Read the header; `None` without one.

    Args:
        header: as it came.
        scope: who sent it; `None` if that is nobody in particular, whose keys never meet.
        request: all that it says.
        vault: of the installation.

    Raises:
        ProblemError: `idempotency_key_invalid`.
    """
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        raise ProblemError(
            code=ApiCode.IDEMPOTENCY_KEY_INVALID,
            detail="Idempotency-Key must be 1 to 255 visible ASCII characters.",
        )
    digest = vault.digest_parts(request)
    return RequestKey(scope=scope or f"public {digest}", key=header, digest=digest)


def claim(
    connection: Connection, request: RequestKey, vault: Vault, now: datetime
) -> StoredAnswer | None:
    """Take a key for a request; returns the stored answer if it was answered already.

    A twin in another transaction waits here until that one ends.

    Raises:
        ProblemError: `idempotency_key_reused`, `request_in_progress`.
    """
    _forget_old(connection, request, now)
    try:
        with connection.begin_nested():
            connection.execute(
                sa.insert(idempotency).values(
                    id=new_identifier(),
                    scope=request.scope,
                    key=request.key,
                    digest=request.digest,
                    created_at=now,
                )
            )
    except sa.exc.IntegrityError:
        return _known(connection, request, vault, now)
    return None


def _forget_old(connection: Connection, request: RequestKey, now: datetime) -> None:
    """Delete this request's key if it is old, and some others that nobody is deleting already.

    Those stay taken until the caller's transaction ends, so none is waited for.
    """
    is_old = _I.created_at < now - _KEPT
    some = sa.select(_I.id).where(is_old).order_by(_I.created_at).limit(_FORGOTTEN_AT_ONCE)
    free = some.with_for_update(skip_locked=True)
    connection.execute(sa.delete(idempotency).where(_I.id.in_(free.scalar_subquery())))
    own = (_I.scope == request.scope, _I.key == request.key)
    connection.execute(sa.delete(idempotency).where(is_old, *own))


def is_answered(connection: Connection, request: RequestKey) -> bool:
    """Tell whether this very request was answered already; changes nothing."""
    query = sa.select(_I.id).where(
        _I.scope == request.scope,
        _I.key == request.key,
        _I.digest == request.digest,
        _I.status.is_not(None),
    )
    return connection.execute(query).first() is not None


def store(connection: Connection, request: RequestKey, answer: StoredAnswer, vault: Vault) -> None:
    """Keep the answer for every repeat."""
    connection.execute(
        sa.update(idempotency)
        .where(_I.scope == request.scope, _I.key == request.key)
        .values(status=answer.status, answer=vault.seal(answer.body.decode()))
    )


def release(connection: Connection, request: RequestKey) -> None:
    """Give a claimed key back: the request was refused and may be sent again, corrected."""
    connection.execute(
        sa.delete(idempotency).where(
            _I.scope == request.scope, _I.key == request.key, _I.status.is_(None)
        )
    )


def _known(
    connection: Connection, request: RequestKey, vault: Vault, now: datetime
) -> StoredAnswer | None:
    query = sa.select(_I.digest, _I.status, _I.answer, _I.created_at).where(
        _I.scope == request.scope, _I.key == request.key
    )
    row = connection.execute(query.with_for_update()).one()
    if row.digest != request.digest:
        raise ProblemError(
            code=ApiCode.IDEMPOTENCY_KEY_REUSED,
            detail="This Idempotency-Key was sent with another request; use a new key.",
        )
    if row.status is not None:
        return StoredAnswer(status=row.status, body=vault.open(row.answer).encode())
    if row.created_at > now - _ABANDONED:
        raise ProblemError(
            code=ApiCode.REQUEST_IN_PROGRESS,
            detail="The first request with this Idempotency-Key is still under way; ask again.",
        )
    connection.execute(
        sa.update(idempotency)
        .where(_I.scope == request.scope, _I.key == request.key)
        .values(created_at=now)
    )
    return None
