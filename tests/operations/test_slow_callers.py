"""A caller who trickles its request is cut off; one who is merely far away is not."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from mpm_host.web.punctual import PunctualProtocol
from tests.support.telecom_calls import airtel_headers, airtel_process
from tests.support.trial_company import AIRTEL_SECRET

TOO_SLOW = b"The request took too long to arrive.\n"
METER = "47000124512"


@pytest.fixture
def hurried(monkeypatch):
    """The same rule with less patience, for a test that should not take long."""
    monkeypatch.setattr(PunctualProtocol, "patience", 0.8)


def connected(company):
    parts = urlsplit(company.world.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=15)


def read_all(caller):
    answer = b""
    while chunk := caller.recv(4096):
        answer += chunk
    return answer


def trickle(caller, text, pause):
    """Send a byte at a time until the other side hangs up or all is said."""
    for number in range(len(text)):
        try:
            caller.sendall(text[number : number + 1])
        except OSError:
            return
        time.sleep(pause)


def call(company, path, body):
    headers = airtel_headers(AIRTEL_SECRET, "AIR1") | {"content-length": str(len(body))}
    lines = [f"POST {path} HTTP/1.1", "host: x", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@pytest.mark.parametrize("door", ["telecom", "api"])
def test_trickled_headers_are_cut_off(company, hurried, door):
    url = company.callback_url("airtel", "c2b/process") if door == "telecom" else "/api/v1/clusters"
    head = call(company, urlsplit(url).path, b"x" * 10)
    began = time.monotonic()
    with connected(company) as caller:
        trickle(caller, head[:40], 0.05)
        answer = read_all(caller)
    assert time.monotonic() - began < 5
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(TOO_SLOW)


@pytest.mark.parametrize("door", ["telecom", "api"])
def test_a_trickled_body_is_cut_off_and_books_nothing(company, hurried, door):
    company.meter(METER)
    url = company.callback_url("airtel", "c2b/process") if door == "telecom" else "/api/v1/clusters"
    body = airtel_process("AIR1", METER, "1000")
    with connected(company) as caller:
        caller.sendall(call(company, urlsplit(url).path, body))
        trickle(caller, body[:30], 0.05)
        answer = read_all(caller)
    assert (answer == b"") or answer.startswith(b"HTTP/1.1 408 ")
    assert company.statuses() == []


def test_five_seconds_is_all_there_is():
    assert (PunctualProtocol.patience, PunctualProtocol.slowest) == (5.0, 16 * 1024)


def test_a_silent_connection_is_closed(company, hurried):
    with connected(company) as caller:
        assert read_all(caller).endswith(TOO_SLOW)


def test_a_body_that_really_comes_in_gets_the_time_it_needs(company, hurried):
    """48 KiB at 32 KiB/s: longer than the patience, faster than the slowest that is granted."""
    path = urlsplit(company.callback_url("airtel", "c2b/process")).path
    body = b" " * (48 * 1024)
    with connected(company) as caller:
        caller.sendall(call(company, path, body))
        for start in range(0, len(body), 4096):
            caller.sendall(body[start : start + 4096])
            time.sleep(0.125)
        answer = caller.recv(4096)
    assert not answer.startswith(b"HTTP/1.1 408")
    assert answer.startswith(b"HTTP/1.1 ")


def test_a_kept_connection_can_be_used_again_and_is_then_timed_anew(company, hurried):
    with httpx.Client(trust_env=False) as http:
        first = http.get(f"{company.world.url}/healthz")
        time.sleep(1.0)
        second = http.get(f"{company.world.url}/healthz")
    assert (first.status_code, second.status_code) == (200, 200)


def test_a_body_over_the_limit_is_still_refused(company):
    url = company.callback_url("airtel", "c2b/process")
    answer = company.http.post(url, content=b"x" * (64 * 1024 + 1))
    assert (answer.status_code, answer.text) == (413, "The body is larger than 64 KiB.\n")


def test_a_connection_is_kept_between_calls_that_are_far_apart(company):
    """Callers' pools use it again after seconds: a call on one we close then is lost."""
    limits = httpx.Limits(keepalive_expiry=60)
    with httpx.Client(base_url=company.world.url, limits=limits, trust_env=False) as client:
        client.get("/healthz")
        [first] = client._transport._pool.connections
        time.sleep(5.5)  # more than the web server's own default
        client.get("/healthz")
        assert client._transport._pool.connections == [first]
