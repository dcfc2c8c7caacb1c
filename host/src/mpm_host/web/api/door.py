"""The API's door: who asks, may they, is it readable; then the work, then the answer.

Runs in a worker thread and knows nothing of the web framework.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs
import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from mpm_core import Secret, UserError
from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.authentication import find_principal, is_stale, touch
from mpm_host.access.bearers import BearerKind
from mpm_host.access.principal import Principal
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database.outages import is_outage
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.payments.customer_accounts import AccountMovedError
from mpm_host.refusals import ServiceRefused
from mpm_host.web.addresses import Caller, caller_of
from mpm_host.web.api.idempotency import (
    RequestKey,
    StoredAnswer,
    claim,
    is_answered,
    read_key,
    release,
    store,
)
from mpm_host.web.api.operation import ApiContext, Call, Download, Operation
from mpm_host.web.api.problems import MEDIA_TYPE, ApiCode, ProblemError, problem_of
from mpm_host.web.api.reading import check_content_type, read_body, read_query

__all__ = ["ApiDoor", "Incoming", "Outgoing", "problem_answer"]

_LOG = structlog.get_logger(__name__)
_TRIES = 3  # of a transaction that lost against another one
_LOST_AGAINST_ANOTHER = {"40001", "40P01"}  # PostgreSQL: serialization failure, deadlock
_JSON = "application/json"
_GUESSED = frozenset(
    {AccessCode.WRONG_PASSWORD, AccessCode.RESET_CODE_WRONG, AccessCode.TOO_MANY_ATTEMPTS}
)


@attrs.frozen(kw_only=True)
class Incoming:
    """A request as it came.

    Attributes:
        source: the caller's address; empty if it has none.
    """

    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False)
    source: str = ""


@attrs.frozen(kw_only=True)
class Outgoing:
    """The answer; a file's content comes in chunks."""

    status: int
    media_type: str
    content: bytes | Iterator[bytes] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)


class ApiDoor:
    """Runs operations.

    Args:
        context: what they work with.
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._host = context.host

    def source_of(self, request: Caller) -> str:
        """Return a caller's address, through the proxies that are trusted; empty if it has none."""
        source = caller_of(request, self._host.config.host.trusted_proxies)
        return str(source) if source else ""

    def answer(self, operation: Operation, request: Incoming) -> Outgoing:
        """Answer one request; whatever a caller can cause becomes a problem."""
        began = time.monotonic()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=new_identifier())
        outgoing = self._answer_or_refuse(operation, request)
        _LOG.info(
            "api_answered",
            operation=operation.name,
            status=outgoing.status,
            seconds=round(time.monotonic() - began, 4),
        )
        return outgoing

    def _answer_or_refuse(self, operation: Operation, request: Incoming) -> Outgoing:
        try:
            return self._answer(operation, request)
        except (UserError, ProblemError) as error:
            _warn_of_guessing(operation, request, error)
            return problem_answer(error)
        except sa.exc.SQLAlchemyError as error:
            if not is_outage(error):
                raise
            _LOG.error("database_unavailable", operation=operation.name, kind=type(error).__name__)
            return problem_answer(
                ProblemError(code=ApiCode.UNAVAILABLE, detail=_unavailable(operation))
            )

    def _answer(self, operation: Operation, request: Incoming) -> Outgoing:
        principal = None if operation.public else self._authenticate(request)
        if principal is not None:
            structlog.contextvars.bind_contextvars(company=principal.company.company.slug)
        self._authorise(operation, principal)
        if any(not part.isprintable() for part in request.path.values()):
            raise ProblemError(code=ApiCode.UNKNOWN_PATH, detail="There is nothing at this path.")
        call = Call(
            context=self._context,
            now=self._host.clock(),
            asker=principal,
            path=request.path,
            query=read_query(request.query, operation.query),
            **self._content(operation, request),  # type: ignore[arg-type]  # body and raw
        )
        key = _request_key(operation, request, principal, self._host.vault)
        if operation.prepare is not None and not self._is_answered(key):
            call = attrs.evolve(call, prepared=operation.prepare(call))
        outgoing = self._run(operation, call, key)
        if operation.after is not None:
            operation.after(call)
        return outgoing

    # --- who asks ---------------------------------------------------------------------------------

    def _authenticate(self, request: Incoming) -> Principal:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        bearer = Secret(text.strip()) if scheme.lower() == "bearer" else Secret("")
        now = self._host.clock()
        with self._host.engines.read.connect() as connection:
            principal = find_principal(connection, self._host.house.directory, bearer, now)
            stale = (
                principal is not None
                and principal.kind is BearerKind.SESSION
                and is_stale(connection, principal.id, now)
            )
        if principal is None:
            raise ServiceRefused(
                AccessCode.UNAUTHENTICATED,
                "Send `Authorization: Bearer …` with an API key, or a session that is not over.",
            )
        if stale:
            with self._host.engines.write.begin() as connection:
                touch(connection, principal.id, now)
        return principal

    def _authorise(self, operation: Operation, principal: Principal | None) -> None:
        if principal is None:
            return
        if not principal.company.enabled:
            raise ServiceRefused(
                AccessCode.COMPANY_DISABLED,
                f"Company {principal.company.company.slug!r} is disabled; ask whoever runs this "
                "installation.",
            )
        if operation.permission is not None:
            principal.require(operation.permission)
        if operation.elevated:
            principal.require_elevation(self._host.clock())

    # --- what they send ---------------------------------------------------------------------------

    @staticmethod
    def _content(operation: Operation, request: Incoming) -> dict[str, object]:
        content_type = request.headers.get("content-type", "")
        if operation.takes is not None:
            check_content_type(content_type, operation.takes)
            return {"raw": request.content}
        if operation.body is not None:
            check_content_type(content_type, _JSON)
            return {"body": read_body(request.content, operation.body)}
        if request.content.strip():
            raise ProblemError(
                code=ApiCode.BODY_INVALID, detail="Nothing is taken here; send no body."
            )
        return {}

    # --- the work ---------------------------------------------------------------------------------

    def _is_answered(self, key: RequestKey | None) -> bool:
        """Tell whether a request was answered: what held then need not hold for its repeat."""
        if key is None:
            return False
        with self._host.engines.read.connect() as connection:
            return is_answered(connection, key)

    def _run(self, operation: Operation, call: Call, key: RequestKey | None) -> Outgoing:
        if operation.read is not None:
            with self._host.engines.read.connect() as connection:
                return _outgoing(operation, operation.read(call, connection))
        if operation.change is not None:
            return self._change(operation, operation.change, call, key)
        if operation.act is None:
            raise RuntimeError(operation.name)
        return self._act(operation, operation.act, call, key)

    def _change(
        self,
        operation: Operation,
        change: Callable[[Call, Connection], object],
        call: Call,
        key: RequestKey | None,
    ) -> Outgoing:
        def once(connection: Connection) -> Outgoing:
            known = claim(connection, key, self._host.vault, call.now) if key else None
            if known is not None:
                return _replayed(known)
            outgoing = _outgoing(operation, change(call, connection))
            if key is not None:
                store(connection, key, _stored(outgoing), self._host.vault)
            return outgoing

        for tried in range(1, _TRIES + 1):
            try:
                with self._host.engines.write.begin() as connection:
                    outgoing = once(connection)
                    crash_point(CrashPoint.CHANGE_WRITTEN)
            except (sa.exc.IntegrityError, sa.exc.OperationalError, AccountMovedError) as error:
                if not _may_try_again(error):
                    raise
                _LOG.warning("changed_meanwhile", operation=operation.name, tried=tried)
            else:
                crash_point(CrashPoint.CHANGE_COMMITTED)
                return outgoing
        raise ProblemError(
            code=ApiCode.CHANGED_MEANWHILE,
            detail="Somebody else changed the same at the same time; nothing was done. Try again.",
        )

    def _act(
        self,
        operation: Operation,
        act: Callable[[Call], object],
        call: Call,
        key: RequestKey | None,
    ) -> Outgoing:
        if key is None:
            return _outgoing(operation, act(call))
        engine = self._host.engines.write
        with engine.begin() as connection:
            known = claim(connection, key, self._host.vault, call.now)
        if known is not None:
            return _replayed(known)
        try:
            outgoing = _outgoing(operation, act(call))
        except BaseException:  # whatever it was: the caller may send the request again
            with engine.begin() as connection:
                release(connection, key)
            raise
        with engine.begin() as connection:
            store(connection, key, _stored(outgoing), self._host.vault)
        return outgoing


def _warn_of_guessing(
    operation: Operation, request: Incoming, error: UserError | ProblemError
) -> None:
    """Warn of a password or a one-time code that was wrong: somebody may be trying the door.

    From where and how often is told; for whom it was tried is not, that is somebody's address.
    """
    if isinstance(error, ServiceRefused) and error.code in _GUESSED:
        _LOG.warning(
            "access_refused",
            operation=operation.name,
            reason=str(error.code),
            source=request.source,
        )


def problem_answer(error: UserError | ProblemError) -> Outgoing:
    """Return the answer that a refusal becomes."""
    problem, headers = problem_of(error)
    return Outgoing(
        status=problem.status,
        media_type=MEDIA_TYPE,
        content=msgspec.json.encode(problem),
        headers=headers,
    )


def _request_key(
    operation: Operation, request: Incoming, principal: Principal | None, vault: Vault
) -> RequestKey | None:
    if operation.method != "POST":
        return None
    scope = None if principal is None else f"{principal.kind.value} {principal.id}"
    varying = "/".join(request.path.values())
    query = msgspec.json.encode(sorted(request.query))
    parts = (operation.name.encode(), varying.encode(), query, request.content)
    return read_key(request.headers.get("idempotency-key"), scope, parts, vault)


def _unavailable(operation: Operation) -> str:
    """Say what is known once the database has gone: of a change, not whether it was made."""
    if operation.method == "GET":
        return "The database does not answer. Try again."
    return (
        "The database does not answer, and nobody knows whether anything was changed. Send it "
        "again with the same Idempotency-Key; if it had none, look first."
    )


def _outgoing(operation: Operation, answer: object) -> Outgoing:
    if isinstance(answer, Download):
        return Outgoing(
            status=operation.status,
            media_type=answer.media_type,
            content=answer.chunks,
            headers={"Content-Disposition": f'attachment; filename="{answer.file_name}"'},
        )
    content = b"" if operation.answer is None else msgspec.json.encode(answer)
    return Outgoing(status=operation.status, media_type=_JSON, content=content)


def _stored(outgoing: Outgoing) -> StoredAnswer:
    content = outgoing.content if isinstance(outgoing.content, bytes) else b""
    return StoredAnswer(status=outgoing.status, body=content)


def _replayed(known: StoredAnswer) -> Outgoing:
    return Outgoing(
        status=known.status,
        media_type=_JSON,
        content=known.body,
        headers={"Idempotency-Replayed": "true"},
    )


def _may_try_again(error: Exception) -> bool:
    if isinstance(error, sa.exc.OperationalError):
        return getattr(error.orig, "sqlstate", None) in _LOST_AGAINST_ANOTHER
    return True
