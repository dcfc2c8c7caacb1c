"""HTTP for plugins: `runtime.http`, the only way an instance calls out.

It knows which hosts the instance may call, ends every exchange by the hook call's deadline, caps
sizes, follows no redirect, repeats nothing, and tells *surely not sent* from *unknown*: the errors
it raises are those of `mpm_core.errors`, so a plugin need not sort failures itself. Every request
goes over a fresh connection, so that a reused one that the server just closed cannot blur the two.
The HTTP library is loaded with the first request.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from mpm_core.calls import CallContext
from mpm_core.effects import EffectRecord, current_record
from mpm_core.errors import ContractViolation, Misconfigured, NotSent, OutcomeError, OutcomeUnknown
from mpm_core.exact_json import write_json
from mpm_core.outbound.addresses import Resolver, system_resolver
from mpm_core.outbound.answers import Answer
from mpm_core.outbound.targets import HOST_NAME, Target, allowed_origins, take_apart
from mpm_core.outbound.wire import ExchangeFailedError, Line, WireAnswer, WireRequest

__all__ = ["Answer", "OutboundClient"]

_LOG = logging.getLogger(__name__)
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


class OutboundClient:
    """The HTTP client of one instance; safe to use from several threads.

    Args:
        allowed_hosts: origins it may call, such as `https://calin.example` or
            `https://calin.example:8443`; `host:port` allows both schemes.
        allow_plain_http: without TLS anyone on the way can read and change the calls.
        allow_private_addresses: for a vendor's server in the company's own network, and for tests.
        size_cap: bytes of an answer, before and after decompression.
        connect_timeout: seconds for look-up and connection, at most the call's deadline.
        clock: seconds, monotonic; used where no dispatch runs.
        resolver: looks names up.
        tls: replaces the default trust, for a private authority; must verify.
    """

    def __init__(  # noqa: PLR0913 - every limit is a parameter
        self,
        *,
        allowed_hosts: Collection[str],
        allow_plain_http: bool = False,
        allow_private_addresses: bool = False,
        size_cap: int = 1 << 20,
        connect_timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        resolver: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if tls is not None and (tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname):
            raise ValueError("`tls` must verify certificates and names.")
        self._allowed = frozenset(
            allowed for entry in allowed_hosts for allowed in allowed_origins(entry)
        )
        self._allow_plain_http = allow_plain_http
        self._allow_private_addresses = allow_private_addresses
        self._size_cap = size_cap
        self._connect_timeout = connect_timeout
        self._clock = clock
        self._resolver = resolver
        self._tls = tls
        self._tls_lock = threading.Lock()
        self._closed = False

    def request(  # noqa: PLR0913 - one parameter per part of an HTTP request
        self,
        method: str,
        url: str,
        *,
        context: CallContext,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        effect: bool | None = None,
        not_processed: Collection[int] = (),
    ) -> Answer:
        """Send one request, once, and return the whole answer, whatever its status.

        Args:
            method: upper case.
            url: absolute; its origin must be allowed.
            context: of the hook call; its deadline holds for all requests of the call together.
            headers: added to ours; `Host`, `Content-Length` and the like stay ours.
            params: appended to the query.
            json: body, written with exact decimals; at most one of `json`, `form`, `content`.
            form: body, URL-encoded.
            content: body, as it is.
            effect: whether the other side may change something; by default every method but GET
                and HEAD in a hook that may have an effect.
            not_processed: statuses documented as *nothing was done*, such as 401.

        Raises:
            NotSent: it surely did not reach the other side, or had no effect and got no answer.
            Misconfigured: the URL is not one this instance may call; nothing was sent.
            OutcomeUnknown: this or an earlier request of the hook call may have had its effect.
            ContractViolation: a pure hook called out.
            ValueError: the request contradicts itself; a mistake of the plugin's author.
        """
        record = current_record() or EffectRecord.starting_now(context.deadline, self._clock)
        if not record.may_call_out:
            raise ContractViolation(
                "A pure hook called out; only vendor hooks may. Nothing was sent."
            )
        earlier_effect = record.may_have_left
        if effect is None:
            effect = method not in _SAFE_METHODS and record.hook_has_effect
        content_type, body = _written_body(json=json, form=form, content=content)
        all_headers = _all_headers(headers or {}, content_type)
        target = self._checked_target(method, url, params or {}, record)
        wire_request = WireRequest(
            method=method,
            scheme=target.scheme,
            host=target.host,
            port=target.port,
            target=target.request_target,
            headers=(("Host", target.authority), *all_headers),
            content=body,
            effect=effect,
        )
        where = f"{method} {target.shown}"
        wire_answer = self._exchange(wire_request, record, where)
        if wire_answer.status in not_processed:
            record.may_have_left = earlier_effect
            effect = False
        return _without_redirect(
            Answer(
                status=wire_answer.status,
                headers=wire_answer.headers,
                content_type=_bare_type(wire_answer.headers.get("content-type", "")),
                body=wire_answer.body,
                where=where,
                had_effect=effect,
                earlier_effect=earlier_effect,
                received_at=context.now,
            )
        )

    def close(self) -> None:
        """Send nothing any more; requests under way end by themselves."""
        self._closed = True

    def _checked_target(
        self, method: str, url: str, params: Mapping[str, str], record: EffectRecord
    ) -> Target:
        if method not in _METHODS:
            raise ValueError(f"{method[:20]!r} is not a method we send; write GET, POST and so on.")
        try:
            target = take_apart(url, params)
        except ValueError as error:
            raise _failure("A request", str(error), record, misconfigured=True) from None
        where = f"{method} {target.shown}"
        if target.scheme == "http" and not self._allow_plain_http:
            raise _failure(
                where, "plain http is not allowed; use https", record, misconfigured=True
            )
        if (target.scheme, target.host, target.port) not in self._allowed:
            _LOG.warning("outbound_refused host=%s port=%s", target.host, target.port)
            raise _failure(
                where,
                f"{target.host} port {target.port} is not among the hosts this instance may call",
                record,
                misconfigured=True,
            )
        if self._closed:
            raise _failure(where, "the instance is closed", record)
        if record.remaining() <= 0:
            raise _failure(where, f"the {record.deadline:g} s of the call are over", record)
        return target

    def _exchange(self, request: WireRequest, record: EffectRecord, where: str) -> WireAnswer:
        from mpm_core.outbound.deadline_network import exchange  # noqa: PLC0415 - loads the HTTP library

        line = Line(
            record=record,
            resolver=self._resolver,
            tls=self._tls_context(request.scheme),
            allow_private_addresses=self._allow_private_addresses,
            connect_timeout=self._connect_timeout,
            size_cap=self._size_cap,
        )
        try:
            return exchange(request, line)
        except ExchangeFailedError as failure:
            raise _failure(where, str(failure), record, misconfigured=failure.forbidden) from None

    def _tls_context(self, scheme: str) -> ssl.SSLContext | None:
        if scheme == "http":
            return None
        from mpm_core.outbound.deadline_network import default_tls  # noqa: PLC0415 - as above

        with self._tls_lock:  # reading the authorities takes 20 ms, once
            if self._tls is None:
                self._tls = default_tls()
            return self._tls


# --- requests -------------------------------------------------------------------------------------


def _written_body(
    *, json: object, form: Mapping[str, str] | None, content: bytes | None
) -> tuple[str, bytes | None]:
    if sum(part is not None for part in (json, form, content)) > 1:
        raise ValueError("give one of `json`, `form` and `content`.")
    if json is not None:
        return "application/json", write_json(json)
    if form is not None:
        return "application/x-www-form-urlencoded", urlencode(form).encode("ascii")
    return "", content


def _all_headers(own: Mapping[str, str], content_type: str) -> tuple[tuple[str, str], ...]:
    given = {name.lower() for name in own}
    if given & _OURS:
        names = ", ".join(sorted(given & _OURS))
        raise ValueError(f"the client sets the header {names} itself; leave it out.")
    ours = {"Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "close", "User-Agent": "mpm"}
    if content_type:
        ours["Content-Type"] = content_type
    kept = ((name, value) for name, value in ours.items() if name.lower() not in given)
    return (*kept, *own.items())


# --- answers --------------------------------------------------------------------------------------


def _bare_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _without_redirect(answer: Answer) -> Answer:
    if not HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return answer
    elsewhere = _redirect_host(answer.headers.get("location", ""))
    _LOG.warning("outbound_redirect_refused request=%s to=%s", answer.where, elsewhere)
    raise answer.unusable(f"it points to {elsewhere}, and redirects are not followed")


def _redirect_host(location: str) -> str:
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        host = ""
    if not host:
        return "another path of the same host"
    return host if HOST_NAME.fullmatch(host) else "an unreadable host"


def _failure(
    where: str, what: str, record: EffectRecord, *, misconfigured: bool = False
) -> OutcomeError:
    """Return the error for a request without a usable answer, by what may have left so far."""
    if record.may_have_left:
        return OutcomeUnknown(f"{where}: {what}; a request of this call may have taken effect.")
    kind = Misconfigured if misconfigured else NotSent
    return kind(f"{where}: {what}; nothing happened.")
