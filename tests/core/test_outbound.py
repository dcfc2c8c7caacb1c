"""The outbound client against a real server that misbehaves.

Ids such as M10 and B21 are rows of the fault matrix and of the bad-input matrix.
"""

from __future__ import annotations

import gzip
import importlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import pytest

from mpm_core import CallContext
from mpm_core.effects import PURE_CALL, EffectRecord, enter_record, leave_record
from mpm_core.errors import (
    ContractViolation,
    Misconfigured,
    NotSent,
    OutcomeError,
    OutcomeUnknown,
    Throttled,
)
from mpm_core.outbound import OutboundClient
from tests.core.raw_server import (
    Behaviour,
    RawServer,
    answers,
    drops,
    hangs,
    resets,
    self_signed,
    sends,
    serving,
    trickles,
)

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
SIZE_CAP = 4096


def context(deadline: float = 5.0) -> CallContext:
    return CallContext(
        company="umeme", instance="calin", correlation_id="c-1", now=NOW, deadline=deadline
    )


def client_of(*urls: str, **options: object) -> OutboundClient:
    known: dict[str, object] = {
        "allowed_hosts": urls,
        "allow_plain_http": True,
        "allow_private_addresses": True,
        "size_cap": SIZE_CAP,
    }
    return OutboundClient(**(known | options))


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import before any deadline what the client imports late: new files are compiled first."""
    importlib.import_module("httpx")


@pytest.fixture
def record() -> Iterator[EffectRecord]:
    opened = EffectRecord.starting_now(5.0, time.monotonic)
    token = enter_record(opened)
    yield opened
    leave_record(token)


def failure_of(server: RawServer, method: str = "POST", deadline: float = 5.0) -> OutcomeError:
    client = client_of(server.url)
    with pytest.raises(OutcomeError) as caught:
        client.request(
            method, f"{server.url}/tokennew?key=hush", context=context(deadline)
        ).expect_success().json()
    return caught.value


# --- what is sent ---------------------------------------------------------------------------------


def test_request_sends_every_part_and_returns_the_whole_answer() -> None:
    with serving(answers(b'{"price": 1.10, "n": 2}')) as server:
        answer = client_of(server.url).request(
            "POST",
            f"{server.url}/a/b?x=1",
            context=context(),
            headers={"Authorization": "Bearer hush"},
            params={"y": "ä b"},
            json={"amount": Decimal("1E+3"), "rate": Decimal("0.10"), "flag": True},
        )

    assert server.received == [
        (
            f"POST /a/b?x=1&y=%C3%A4+b HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            "Accept: */*\r\nAccept-Encoding: gzip\r\nConnection: close\r\nUser-Agent: mpm\r\n"
            "Content-Type: application/json\r\nAuthorization: Bearer hush\r\nContent-Length: 39\r\n"
            '\r\n{"amount":1000,"rate":0.10,"flag":true}'
        ).encode()
    ]
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert answer.json() == {"price": Decimal("1.10"), "n": 2}
    assert repr(answer.json()) == "{'price': Decimal('1.10'), 'n': 2}"


def test_request_writes_a_form_as_url_encoded_text() -> None:
    with serving(answers()) as server:
        client_of(server.url).request(
            "POST", server.url, context=context(), form={"grant_type": "a&b"}, effect=False
        )
    assert server.received[0].endswith(b"\r\n\r\ngrant_type=a%26b")
    assert b"Content-Type: application/x-www-form-urlencoded\r\n" in server.received[0]


def test_request_opens_a_fresh_connection_each_time() -> None:
    with serving(answers()) as server:
        client = client_of(server.url)
        for _ in range(3):
            client.request("GET", server.url, context=context())
        assert server.connections == 3


def test_request_ignores_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(answers()) as server:
        assert client_of(server.url).request("GET", server.url, context=context()).status == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"json": 1, "form": {}}, "give one of `json`, `form` and `content`.", id="two bodies"
        ),
        pytest.param(
            {"headers": {"Host": "evil.example"}},
            "the client sets the header host itself; leave it out.",
            id="host header",
        ),
        pytest.param(
            {"method": "get"},
            "'get' is not a method we send; write GET, POST and so on.",
            id="method",
        ),
    ],
)
def test_request_refuses_what_contradicts_itself(options: dict[str, object], message: str) -> None:
    url = "http://127.0.0.1:9"
    arguments: dict[str, object] = {"method": "POST", "url": url, "context": context(), **options}
    with pytest.raises(ValueError, match=r".") as caught:
        client_of(url).request(**arguments)
    assert str(caught.value) == message


# --- what failed, and whether it may have happened ------------------------------------------------

LATE = "no whole answer came within the 0.3 s of the call"
BROKE = "the connection broke before the whole answer came"
SHORT = "the answer ended early or is not HTTP"
BOMB = gzip.compress(b"0" * 50_000_000)


@pytest.mark.parametrize(
    ("behaviour", "what"),
    [
        pytest.param(hangs, LATE, id="M2 no answer"),
        pytest.param(drops, SHORT, id="closed without an answer"),
        pytest.param(resets, BROKE, id="reset"),
        pytest.param(trickles(b"HTTP/1.1 200 OK\r\n" * 99, 0.1), LATE, id="M10 slow head"),
        pytest.param(
            trickles(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b"x" * 99, 0.02),
            LATE,
            id="M10 slow body",
        ),
        pytest.param(sends(b"\x16\x03\x01garbage\r\n\r\n"), SHORT, id="not HTTP"),
        pytest.param(
            sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), SHORT, id="M6 truncated"
        ),
        pytest.param(
            sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n"),
            "the answer is larger than 4096 bytes",
            id="M11 announced too large",
        ),
        pytest.param(
            sends(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 9000),
            "the answer is larger than 4096 bytes",
            id="M11 too large",
        ),
        pytest.param(
            answers(gzip.compress(b"0" * 500_000), headers="Content-Encoding: gzip\r\n"),
            "the answer is larger than 4096 bytes once decompressed",
            id="M11 gzip bomb",
        ),
        pytest.param(
            answers(b"not gzip", headers="Content-Encoding: gzip\r\n"),
            "the answer cannot be decompressed",
            id="M6 broken gzip",
        ),
        pytest.param(
            answers(gzip.compress(b"{}")[:-4], headers="Content-Encoding: gzip\r\n"),
            "the answer cannot be decompressed",
            id="M6 truncated gzip",
        ),
        pytest.param(
            answers(b"??", headers="Content-Encoding: br\r\n"),
            "the answer is compressed in a way that was not asked for",
            id="M6 unknown encoding",
        ),
    ],
)
def test_request_without_a_whole_answer_is_unknown_with_an_effect_and_not_sent_without(
    behaviour: Behaviour, what: str
) -> None:
    deadline = 0.3 if what == LATE else 5.0
    with serving(behaviour) as server:
        where = f"127.0.0.1:{server.port}/tokennew"
        posted = failure_of(server, "POST", deadline)
        got = failure_of(server, "GET", deadline)
    assert (type(posted), str(posted)) == (
        OutcomeUnknown,
        f"POST {where}: {what}; a request of this call may have taken effect.",
    )
    assert (type(got), str(got)) == (NotSent, f"GET {where}: {what}; nothing happened.")


@pytest.mark.parametrize(
    ("behaviour", "what"),
    [
        pytest.param(
            answers(b"<html>login", content_type="text/html; charset=utf-8"),
            "200 (text/html), but it is a page, not JSON",
            id="M7 login page",
        ),
        pytest.param(
            answers(b'{"token": '),
            "200 (application/json), but it is not readable JSON (Expecting value at character 10)",
            id="M6 malformed JSON",
        ),
        pytest.param(
            answers(b'{"a":1,"a":2}'),
            "200 (application/json), but it is not readable JSON "
            "(a member stands twice in one object)",
            id="M6 doubled member",
        ),
        pytest.param(
            answers(b"NaN"),
            "200 (application/json), but it is not readable JSON (NaN is not a JSON number)",
            id="M6 NaN",
        ),
        pytest.param(
            answers(b'{"a": 1e999}'),
            "200 (application/json), but it is not readable JSON "
            "(a number is far too large or small)",
            id="M6 huge number",
        ),
        pytest.param(
            answers(b"[" * 4000),
            "200 (application/json), but it is not readable JSON (it is nested too deeply)",
            id="M6 deep nesting",
        ),
        pytest.param(
            answers(b'"\xff"'),
            "200 (application/json), but its bytes do not fit its charset",
            id="M6 wrong charset",
        ),
        pytest.param(
            answers(b'"a"', content_type="application/json; charset=utf-7"),
            "200 (application/json), but its charset is not one we read",
            id="M6 unknown charset",
        ),
        pytest.param(answers(status=500), "500", id="M4 500"),
        pytest.param(answers(status=502), "502", id="M4 502"),
        pytest.param(answers(status=504), "504", id="M4 504"),
        pytest.param(answers(status=503), "503", id="M4 503 without Retry-After"),
        pytest.param(
            answers(status=503, headers="Retry-After: soon\r\n"), "503", id="M5 unreadable delay"
        ),
        pytest.param(
            answers(status=302, headers="Location: http://169.254.169.254/latest?x=hush\r\n"),
            "302 (application/json), but it points to 169.254.169.254, and redirects are not "
            "followed",
            id="M12 redirect to the metadata service",
        ),
        pytest.param(
            answers(status=307, headers="Location: /elsewhere\r\n"),
            "307 (application/json), but it points to another path of the same host, and redirects "
            "are not followed",
            id="M12 redirect within the host",
        ),
        pytest.param(
            answers(status=308, headers="Location: http://[\r\n"),
            "308 (application/json), but it points to another path of the same host, and redirects "
            "are not followed",
            id="M12 unreadable redirect",
        ),
    ],
)
def test_answer_that_cannot_be_used_is_unknown_with_an_effect_and_not_sent_without(
    behaviour: Behaviour, what: str
) -> None:
    with serving(behaviour) as server:
        where = f"127.0.0.1:{server.port}/tokennew"
        posted, got = failure_of(server, "POST"), failure_of(server, "GET")
        assert server.connections == 2  # nothing was followed or repeated
    assert (type(posted), str(posted)) == (
        OutcomeUnknown,
        f"POST {where} answered {what}; the request may have taken effect.",
    )
    assert (type(got), str(got)) == (NotSent, f"GET {where} answered {what}; nothing happened.")


@pytest.mark.parametrize(
    ("status", "header", "after"),
    [
        pytest.param(429, "", None, id="429 alone"),
        pytest.param(429, "Retry-After: 7", timedelta(seconds=7), id="429 seconds"),
        pytest.param(503, "Retry-After: 0", timedelta(0), id="503 at once"),
        pytest.param(503, "Retry-After: 999999999999", timedelta(hours=1), id="capped"),
        pytest.param(
            429, "Retry-After: Tue, 10 Mar 2026 09:00:30 GMT", timedelta(seconds=30), id="date"
        ),
        pytest.param(
            503, "Retry-After: Tue, 10 Mar 2020 09:00:30 GMT", timedelta(0), id="date in the past"
        ),
        pytest.param(429, "Retry-After: -5", None, id="429 unreadable"),
        pytest.param(
            429, "Retry-After: Tue, 10 Mar 2026 09:00:30 -0000", None, id="429 date without a zone"
        ),
        pytest.param(
            429,
            "Retry-After: Tue, 10 Mar 2026 09:00:30 +99999999999999",
            None,
            id="429 date in no zone there is",
        ),
    ],
)
def test_answer_not_now_is_throttled_for_the_time_it_names(
    status: int, header: str, after: timedelta | None
) -> None:
    headers = f"{header}\r\n" if header else ""
    with serving(answers(status=status, headers=headers)) as server:
        error = failure_of(server)
    assert isinstance(error, Throttled)
    assert (str(error), error.after) == (
        f"POST 127.0.0.1:{server.port}/tokennew answered {status}: not now.",
        after,
    )


def test_slow_body_is_cut_by_the_deadline_and_not_by_each_read() -> None:
    slow = trickles(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"x" * 500, 0.05)
    with serving(slow) as server:
        started = time.monotonic()
        failure_of(server, "POST", 0.4)
        assert time.monotonic() - started < 2.0


def test_all_requests_of_one_hook_call_share_its_deadline(record: EffectRecord) -> None:
    now = [100.0]
    record.clock, record.ends_at, record.deadline = (lambda: now[0]), 105.0, 5.0
    with serving(answers()) as server:
        client = client_of(server.url)
        client.request("GET", server.url, context=context())
        now[0] = 105.0
        with pytest.raises(NotSent) as caught:
            client.request("GET", server.url, context=context())
    assert str(caught.value) == (
        f"GET 127.0.0.1:{server.port}/: the 5 s of the call are over; nothing happened."
    )


# --- the effect mark ------------------------------------------------------------------------------


def test_refused_connection_leaves_no_mark(record: EffectRecord) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotSent) as caught:
        client_of(f"http://127.0.0.1:{port}").request(
            "POST", f"http://127.0.0.1:{port}/x", context=context()
        )
    assert str(caught.value) == (
        f"POST 127.0.0.1:{port}/x: no connection: Connection refused; nothing happened."
    )
    assert not record.may_have_left


@pytest.mark.parametrize(
    ("method", "effect", "status", "marked"),
    [
        pytest.param("POST", None, 200, True, id="POST"),
        pytest.param("DELETE", None, 200, True, id="DELETE"),
        pytest.param("GET", None, 200, False, id="GET"),
        pytest.param("GET", True, 200, True, id="GET that sends an SMS"),
        pytest.param("POST", False, 200, False, id="POST that logs in"),
        pytest.param("POST", None, 401, False, id="M13 status documented as not processed"),
        pytest.param("POST", None, 403, True, id="another status"),
    ],
)
def test_request_marks_the_call_when_its_effect_may_have_left(
    record: EffectRecord,
    method: str,
    effect: bool | None,  # noqa: FBT001 - a column of the table
    status: int,
    marked: bool,  # noqa: FBT001 - the same
) -> None:
    with serving(answers(status=status)) as server:
        answer = client_of(server.url).request(
            method, server.url, context=context(), effect=effect, not_processed=(401,)
        )
    assert record.may_have_left is marked
    assert answer.had_effect is marked


def test_post_in_a_hook_without_effect_has_none_unless_it_says_so() -> None:
    lookup = EffectRecord.starting_now(5.0, time.monotonic, hook_has_effect=False)
    token = enter_record(lookup)
    try:
        with serving(answers()) as server:
            client_of(server.url).request("POST", server.url, context=context())
            assert not lookup.may_have_left
            client_of(server.url).request("POST", server.url, context=context(), effect=True)
            assert lookup.may_have_left
    finally:
        leave_record(token)


def test_status_not_processed_keeps_the_mark_of_an_earlier_request(record: EffectRecord) -> None:
    with serving(answers()) as server:
        client = client_of(server.url)
        client.request("POST", server.url, context=context())
        server.behaviour = answers(status=401)
        client.request("POST", server.url, context=context(), not_processed=(401,))
    assert record.may_have_left


@pytest.mark.parametrize(
    ("behaviour", "url"),
    [
        pytest.param(drops, "{server}/list", id="second request lost"),
        pytest.param(answers(status=429), "{server}/list", id="second request throttled"),
        pytest.param(answers(status=500), "{server}/list", id="second request failed"),
        pytest.param(answers(b"<"), "{server}/list", id="second answer unreadable"),
        pytest.param(answers(), "http://127.0.0.1:1/list", id="second host not allowed"),
        pytest.param(answers(), "nonsense", id="second URL unreadable"),
    ],
)
def test_any_failure_after_an_effect_left_is_unknown(
    record: EffectRecord, behaviour: Behaviour, url: str
) -> None:
    with serving(answers()) as server:
        client = client_of(server.url)
        client.request("POST", server.url, context=context())
        server.behaviour = behaviour
        with pytest.raises(OutcomeUnknown):
            client.request(
                "GET", url.format(server=server.url), context=context()
            ).expect_success().json()
    assert record.may_have_left


def test_pure_hook_may_not_call_out() -> None:
    token = enter_record(PURE_CALL)
    try:
        with pytest.raises(ContractViolation) as caught:
            client_of("http://127.0.0.1:9").request("GET", "http://127.0.0.1:9", context=context())
    finally:
        leave_record(token)
    assert str(caught.value) == "A pure hook called out; only vendor hooks may. Nothing was sent."


def test_closed_client_sends_nothing() -> None:
    with serving(answers()) as server:
        client = client_of(server.url)
        client.close()
        with pytest.raises(NotSent, match="the instance is closed; nothing happened"):
            client.request("POST", server.url, context=context())
        assert server.connections == 0


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[RawServer, Path]]:
    certificate = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serving(answers(b'"safe"'), tls) as server:
        yield server, certificate


def test_certificate_that_nobody_vouches_for_is_not_sent_to(
    tls_server: tuple[RawServer, Path], record: EffectRecord
) -> None:
    server, _ = tls_server
    url = f"https://localhost:{server.port}"
    with pytest.raises(NotSent) as caught:
        client_of(url).request("POST", url, context=context())
    assert str(caught.value) == (
        f"POST localhost:{server.port}/: its TLS certificate is not trusted: self-signed "
        f"certificate; nothing happened."
    )
    assert server.received == []
    assert not record.may_have_left


def test_trusted_certificate_is_checked_against_the_name_while_the_checked_address_is_used(
    tls_server: tuple[RawServer, Path],
) -> None:
    server, certificate = tls_server
    trust = ssl.create_default_context(cafile=str(certificate))
    right, wrong = f"https://localhost:{server.port}", f"https://vendor.example:{server.port}"
    client = client_of(right, wrong, tls=trust, resolver=lambda _host, _port: ["127.0.0.1"])

    assert client.request("GET", right, context=context()).json() == "safe"
    assert f"Host: localhost:{server.port}".encode() in server.received[0]
    with pytest.raises(NotSent, match="Hostname mismatch"):
        client.request("GET", wrong, context=context())


def test_server_without_tls_is_not_sent_to() -> None:
    with serving(answers(status=400)) as server:
        url = f"https://127.0.0.1:{server.port}"
        with pytest.raises(NotSent, match="the TLS handshake failed; nothing happened"):
            client_of(url).request("POST", url, context=context())


def test_handshake_that_hangs_ends_with_the_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(NotSent, match="no TLS handshake came about in time; nothing happened"):
            client_of(url, connect_timeout=0.2).request("POST", url, context=context())


def test_client_refuses_a_trust_that_verifies_nothing() -> None:
    careless = ssl.create_default_context()
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="`tls` must verify certificates and names"):
        client_of("https://calin.example", tls=careless)


# --- which hosts (B21) ----------------------------------------------------------------------------

NOT_ALLOWED = "is not among the hosts this instance may call; nothing happened."


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param(
            "https://evil.example/x",
            f"GET evil.example/x: evil.example port 443 {NOT_ALLOWED}",
            id="another host",
        ),
        pytest.param(
            "https://calin.example:8443/x",
            f"GET calin.example:8443/x: calin.example port 8443 {NOT_ALLOWED}",
            id="another port",
        ),
        pytest.param(
            "http://calin.example/x",
            "GET calin.example/x: plain http is not allowed; use https; nothing happened.",
            id="plain http",
        ),
        pytest.param(
            "file:///etc/passwd",
            "A request: the URL's scheme is 'file', not https; nothing happened.",
            id="file",
        ),
        pytest.param(
            "https://user:hush@calin.example/",
            "A request: the URL holds a user name; give credentials as a header; nothing happened.",
            id="userinfo",
        ),
        pytest.param(
            "https://user:hush/calin.example/",
            "A request: the URL's port is not a number up to 65535; nothing happened.",
            id="secret where the port should be",
        ),
        pytest.param(
            "https://calin.example\\@evil.example/",
            "A request: the URL holds blanks or characters that must be escaped; nothing happened.",
            id="backslash",
        ),
        pytest.param(
            "https://calin.example/\r\nX: y",
            "A request: the URL holds blanks or characters that must be escaped; nothing happened.",
            id="line break",
        ),
        pytest.param(
            "/tokennew",
            "A request: the URL's scheme is '', not https; nothing happened.",
            id="relative",
        ),
        pytest.param(
            "https:///x",
            "A request: the URL has no readable host name; nothing happened.",
            id="no host",
        ),
    ],
)
def test_url_that_may_not_be_called_is_misconfigured_before_any_look_up(
    url: str, message: str
) -> None:
    looked_up: list[str] = []
    client = OutboundClient(
        allowed_hosts=["https://calin.example"],
        resolver=lambda host, _port: looked_up.append(host) or [],
    )
    with pytest.raises(Misconfigured) as caught:
        client.request("GET", url, context=context())
    assert str(caught.value) == message
    assert looked_up == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "2001:0:a00:1::f5ff:fffe",
    ],
)
def test_name_that_points_inside_is_blocked_at_connect_time(address: str) -> None:
    client = OutboundClient(
        allowed_hosts=["https://calin.example"], resolver=lambda _host, _port: [address]
    )
    with pytest.raises(Misconfigured) as caught:
        client.request("POST", "https://calin.example/x", context=context())
    assert str(caught.value) == (
        "POST calin.example/x: its address is private, local or a metadata service, which plugins "
        "may not reach; nothing happened."
    )


def test_address_is_checked_anew_at_every_connection() -> None:
    addresses = iter([["127.0.0.1"], ["10.0.0.1"]])
    with serving(answers()) as server:
        # rebinding: the second look-up of the same name gives another address
        url = f"http://calin.example:{server.port}"
        client = client_of(url, resolver=lambda _host, _port: next(addresses))
        assert client.request("GET", url, context=context()).status == 200
        client._allow_private_addresses = False
        with pytest.raises(Misconfigured, match="its address is private"):
            client.request("GET", url, context=context())


def test_second_address_is_tried_when_the_first_refuses() -> None:
    with serving(answers()) as server:
        url = f"http://calin.example:{server.port}"
        client = client_of(url, resolver=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])
        assert client.request("GET", url, context=context()).status == 200


def test_addresses_that_stay_silent_use_up_the_connect_timeout_together() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    client = client_of(
        "http://calin.example",
        clock=clock,
        connect_timeout=2.0,
        resolver=lambda _host, _port: ["127.0.0.1"],
    )
    with pytest.raises(NotSent, match="no connection came about in time; nothing happened"):
        client.request("GET", "http://calin.example", context=context(60))


def test_connection_that_does_not_come_about_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(address: object, timeout: float) -> NoReturn:
        del address, timeout
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    client = client_of("http://10.0.0.1")
    with pytest.raises(NotSent, match="no connection came about in time; nothing happened"):
        client.request("POST", "http://10.0.0.1", context=context())


@pytest.mark.parametrize("tls", [pytest.param(False, id="plain"), pytest.param(True, id="TLS")])
def test_request_that_nobody_reads_is_cut_and_unknown(
    tls: bool,  # noqa: FBT001 - a column of the table
    tmp_path: Path,
    record: EffectRecord,
) -> None:
    certificate = self_signed(tmp_path)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    record.ends_at, record.deadline = time.monotonic() + 0.5, 0.5
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                secured = served.wrap_socket(connection, server_side=True) if tls else connection
                stop.wait(5)
                secured.close()

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"{'https' if tls else 'http'}://localhost:{listener.getsockname()[1]}"
        trust = ssl.create_default_context(cafile=str(certificate))
        client = client_of(url, tls=trust, resolver=lambda _host, _port: ["127.0.0.1"])
        with pytest.raises(OutcomeUnknown, match=r"no whole answer came within the 0\.5 s"):
            client.request("POST", url, context=context(), content=b"x" * 30_000_000)
        stop.set()
        thread.join()


def refuse(_host: str, _port: int) -> list[str]:
    raise socket.gaierror(-2, "Name or service not known")


def stall(_host: str, _port: int) -> list[str]:
    time.sleep(1)
    return []


@pytest.mark.parametrize(
    ("resolver", "what"),
    [
        pytest.param(refuse, "the name is not known in DNS", id="M1 unknown name"),
        pytest.param(stall, "the name was not resolved in time", id="M1 slow DNS"),
        pytest.param(lambda _h, _p: [], "the name is not known in DNS", id="M1 no address"),
    ],
)
def test_name_that_cannot_be_looked_up_is_not_sent_to(
    resolver: Callable[[str, int], list[str]], what: str, record: EffectRecord
) -> None:
    client = OutboundClient(
        allowed_hosts=["https://calin.example"], resolver=resolver, connect_timeout=0.2
    )
    with pytest.raises(NotSent) as caught:
        client.request("POST", "https://calin.example/x", context=context())
    assert str(caught.value) == f"POST calin.example/x: {what}; nothing happened."
    assert not record.may_have_left


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        pytest.param("https://Calin.Example", "https://calin.example/x", id="case"),
        pytest.param(
            "https://calin.example:443/api", "https://calin.example./x", id="default port"
        ),
        pytest.param("calin.example:8443", "https://calin.example:8443/x", id="host and port"),
        pytest.param("https://[2606:4700::1111]", "https://[2606:4700::1111]/x", id="IPv6"),
    ],
)
def test_allowed_host_is_recognised_however_it_is_written(entry: str, url: str) -> None:
    client = OutboundClient(allowed_hosts=[entry], resolver=refuse, connect_timeout=0.01)
    with pytest.raises(NotSent):
        client.request("GET", url, context=context())


def test_allowed_host_without_scheme_and_port_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a scheme or a port, such as"):
        OutboundClient(allowed_hosts=["calin.example"])


# --- what never leaks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("hush\r\nX: y", id="two lines"),
        pytest.param("hush\u200b", id="a blank that nobody sees"),
        pytest.param("clé", id="an accent"),
    ],
)
def test_header_that_http_forbids_is_misconfigured_and_not_repeated(secret: str) -> None:
    with serving(answers()) as server, pytest.raises(Misconfigured) as caught:
        client_of(server.url).request(
            "POST", server.url, context=context(), headers={"Authorization": secret}
        )
    assert str(caught.value) == (
        f"POST 127.0.0.1:{server.port}/: a header or the address holds characters that HTTP "
        f"forbids; nothing happened."
    )
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_messages_show_no_whole_phone_number_and_no_query() -> None:
    with serving(answers(status=500)) as server:
        error = None
        with pytest.raises(NotSent) as caught:
            client_of(server.url).request(
                "GET", f"{server.url}/payer/255712345678/x?msisdn=255712345678", context=context()
            ).expect_success()
        error = caught.value
    assert str(error) == (
        f"GET 127.0.0.1:{server.port}/payer/…78/x answered 500; nothing happened."
    )


def test_answer_hides_body_and_header_values_in_its_repr() -> None:
    with serving(answers(b'{"token":"hush"}', headers="Set-Cookie: hush\r\n")) as server:
        answer = client_of(server.url).request("GET", server.url, context=context())
    assert "hush" not in repr(answer)


def test_http_library_is_loaded_with_the_first_request_only() -> None:
    program = (
        "import sys, mpm_core, mpm_core.outbound as o, mpm_core.company_plugins\n"
        "o.OutboundClient(allowed_hosts=['https://calin.example'])\n"
        "print(sorted({'httpcore', 'httpx', 'h11'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
