from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Mapping

import pytest

from mpm_core import SimulatedReply, SimulatedRequest
from mpm_core.simulation.server import serve


class Echo:
    """A simulator that answers what it was told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[SimulatedRequest] = []
        self.reply = SimulatedReply(body=b"{}")
        self.done: list[object] = []

    def settings(self, base_url: str) -> Mapping[str, object]:
        return {"url": base_url}

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        self.asked.append(request)
        if request.path == "crash":
            raise RuntimeError("a fault of the simulator itself")
        return self.reply

    def faults(self) -> tuple[str, ...]:
        return ("down", "slow")

    def set_fault(self, fault, *, serial=None, times=None):
        if fault not in self.faults():
            raise ValueError(f"There is no fault {fault!r}.")
        self.done.append((fault, serial, times))

    def clear_faults(self):
        self.done.append("cleared")

    def knows(self, serial):
        self.done.append(("knows", serial))

    def use_token(self, serial, code):
        return f"accepted {code} on {serial}"


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def server(echo):
    with serve({"echo": echo}) as server:
        yield server


def ask(server, path, method="GET", body: object = None, headers=None):
    port = int(server.url.rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, content, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_request_reaches_the_simulator_of_its_name(server, echo):
    echo.reply = SimulatedReply(
        status=201, content_type="text/x", body=b"hi", headers={"X-Own": "1"}
    )
    assert ask(server, "/echo/a/b%2Fc/?q=1", "POST", b"body", {"X-Name": "v"}) == (201, b"hi")
    (asked,) = echo.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "a/b/c", b"body")
    assert asked.headers["x-name"] == "v"


def test_base_url_is_below_the_servers_url(server):
    assert server.base_url("echo") == f"{server.url}/echo"


def test_a_name_nobody_has_is_not_found(server):
    assert ask(server, "/other/x") == (404, b"There is no simulator 'other'.\n")


def test_a_dropped_answer_is_a_closed_connection(server, echo):
    echo.reply = SimulatedReply(drop=True)
    with pytest.raises(http.client.RemoteDisconnected):
        ask(server, "/echo/x")


def test_an_announced_length_that_never_comes_is_an_incomplete_answer(server, echo):
    echo.reply = SimulatedReply(body=b"12", headers={"Content-Length": "5"})
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "/echo/x")


def test_a_delay_and_a_trickle_hold_the_answer_back(server, echo):
    echo.reply = SimulatedReply(body=b"123", delay=0.1, trickle=0.1)
    start = time.monotonic()
    assert ask(server, "/echo/x") == (200, b"123")
    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize(
    "reply", [SimulatedReply(delay=300), SimulatedReply(body=b"1234", trickle=300)]
)
def test_stopping_does_not_wait_for_answers_under_way(echo, reply):
    echo.reply = reply
    start = time.monotonic()
    with serve({"echo": echo}) as server:
        address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        client = socket.create_connection(address)
        client.sendall(b"GET /echo/x HTTP/1.1\r\n\r\n")
        while not echo.asked:
            time.sleep(0.01)
    with client:
        client.settimeout(10)
        while client.recv(4096):
            pass
    assert time.monotonic() - start < 10


def test_stopping_hangs_up_on_a_client_that_never_asks(echo):
    with serve({"echo": echo}) as server:
        client = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
        assert ask(server, "/echo/x")[0] == 200
    with client:
        client.settimeout(10)
        assert client.recv(1) == b""


def test_more_connections_than_allowed_are_closed_unheard(echo):
    with serve({"echo": echo}, connections=1) as server:
        address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        with socket.create_connection(address), pytest.raises(ConnectionError):
            ask(server, "/echo/x")
        assert echo.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Content-Length": str(64 * 1024 + 1)}, id="too large"),
        pytest.param({"Content-Length": "-1"}, id="negative"),
        pytest.param({"Content-Length": "٣".encode().decode("latin-1")}, id="other digits"),
        pytest.param({"Transfer-Encoding": "chunked"}, id="chunked"),
    ],
)
def test_a_body_without_a_good_length_is_refused(server, echo, headers):
    assert ask(server, "/echo/x", "POST", None, headers) == (
        413,
        b"The body is too large or unmeasured.\n",
    )
    assert echo.asked == []


def test_a_simulator_that_fails_closes_the_connection_and_the_next_one_works(server, caplog):
    with (
        caplog.at_level(logging.ERROR, logger="mpm_core.simulation.server"),
        pytest.raises(http.client.RemoteDisconnected),
    ):
        ask(server, "/echo/crash")
    assert caplog.messages == ["A simulator failed; the connection was closed without an answer."]
    assert ask(server, "/echo/x")[0] == 200


def test_many_clients_are_served_at_once(server, echo):
    echo.reply = SimulatedReply(body=b"ok", delay=0.05)
    answers: list[tuple[int, bytes]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(server, "/echo/x"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, b"ok")] * 20


@pytest.mark.parametrize(
    ("method", "path", "body", "done"),
    [
        pytest.param(
            "POST",
            "faults",
            {"fault": "down", "serial": "1", "times": 2},
            ("down", "1", 2),
            id="fault",
        ),
        pytest.param("POST", "faults", {"fault": "slow"}, ("slow", None, None), id="fault for all"),
        pytest.param("DELETE", "faults", None, "cleared", id="clear"),
        pytest.param("POST", "devices", {"serial": "007"}, ("knows", "007"), id="device"),
    ],
)
def test_the_control_door_turns_the_simulators_switches(server, echo, method, path, body, done):
    assert ask(server, f"/_control/echo/{path}", method, body) == (204, b"")
    assert echo.done == [done]


def test_the_control_door_types_codes_and_lists_faults(server):
    assert ask(server, "/_control/echo/tokens", "POST", {"serial": "1", "code": "2"}) == (
        200,
        b'{"shows": "accepted 2 on 1"}',
    )
    assert ask(server, "/_control/echo") == (200, b'{"faults": ["down", "slow"]}')


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        pytest.param("faults", {"fault": "x"}, b"There is no fault 'x'.\n", id="unknown fault"),
        pytest.param("faults", {}, b"fault must be a text.\n", id="no fault"),
        pytest.param(
            "faults",
            {"fault": "down", "times": "2"},
            b"times must be a whole number.\n",
            id="times as text",
        ),
        pytest.param(
            "faults", {"fault": "down", "serial": 1}, b"serial must be a text.\n", id="serial"
        ),
        pytest.param("devices", [], b"The body must be a JSON object.\n", id="array"),
    ],
)
def test_the_control_door_says_what_is_wrong(server, echo, path, body, message):
    assert ask(server, f"/_control/echo/{path}", "POST", body) == (400, message)
    assert echo.done == []


@pytest.mark.parametrize("body", [b"{", b"\xff", b""])
def test_the_control_door_refuses_what_is_no_json(server, echo, body):
    assert ask(server, "/_control/echo/faults", "POST", body)[0] == 400
    assert echo.done == []


@pytest.mark.parametrize("path", ["/_control", "/_control/other", "/_control/echo/else"])
def test_the_control_door_has_nothing_else(server, path):
    assert ask(server, path)[0] == 404


def test_the_query_reaches_the_simulator_and_is_not_shown(server, echo, caplog):
    caplog.set_level(logging.DEBUG)
    ask(server, "/echo/login?Username=a&Password=b%20c", "POST")
    (asked,) = echo.asked
    assert (asked.path, asked.query) == ("login", "Username=a&Password=b%20c")
    assert "Password" not in repr(asked)
    assert "POST /echo/login was answered 200" in caplog.text
    assert "Password" not in caplog.text
