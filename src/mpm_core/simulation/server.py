"""Serve simulators over loopback HTTP, for the demo, the sandbox and tests.

`/{name}/…` reaches the simulator of that name. A control door beside them turns faults on and off:

* `GET /_control/{name}` lists its faults
* `POST /_control/{name}/faults` `{"fault": …, "serial": …, "times": …}`, `DELETE` clears them
* `POST /_control/{name}/devices` `{"serial": …}` makes a device known
* `POST /_control/{name}/tokens` `{"serial": …, "code": …}` types a code into the device

It is bounded (body size, connections, seconds per read) and stops within moments, hung answers
included. Never use it in production: whoever mounts it refuses that.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from mpm_core.simulation import SimulatedReply, SimulatedRequest, Simulator

__all__ = ["SimulationServer", "serve"]

LARGEST_BODY = 64 << 10
MOST_CONNECTIONS = 512
READ_SECONDS = 30.0
CONTROL = "_control"

_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class SimulationServer:
    """A running server.

    Attributes:
        url: without a slash at the end, such as `http://127.0.0.1:9000`.
    """

    url: str

    def base_url(self, name: str) -> str:
        """Return the base URL of one simulator, as its `settings` want it."""
        return f"{self.url}/{name}"


@contextlib.contextmanager
def serve(
    simulators: Mapping[str, Simulator],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    connections: int = MOST_CONNECTIONS,
) -> Iterator[SimulationServer]:
    """Serve simulators by name until the block ends.

    Args:
        simulators: by the first part of the path.
        host: address to listen on.
        port: 0 takes a free one.
        connections: how many may be open at once; further ones are closed unheard.

    Raises:
        OSError: the port is taken.
    """
    server = _Server((host, port), simulators, connections)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="simulators")
    thread.start()
    try:
        yield SimulationServer(url=f"http://{host}:{server.server_address[1]}")
    finally:
        server.stop()
        thread.join()


class _Server(ThreadingHTTPServer):
    """A threading server that counts its connections and can hang up on all of them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], simulators: Mapping[str, Simulator], connections: int
    ) -> None:
        self.simulators = dict(simulators)
        self.stopping = threading.Event()
        self._most_connections = connections
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's own signature
        with self._lock:
            room = len(self._open) < self._most_connections
            if room:
                self._open.add(request)
        if room:
            super().process_request(request, client_address)
        else:
            super().shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - socketserver's own signature
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - socketserver's own signature
        _log.exception("A simulator failed; the connection was closed without an answer.")

    def stop(self) -> None:
        """Stop listening, wake delayed answers and hang up on every client."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = tuple(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):  # it may have hung up by itself
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One request per connection, so that a dropped answer is a closed connection."""

    server: _Server
    timeout = READ_SECONDS
    server_version = "mpm-simulators"
    sys_version = ""

    def do_GET(self) -> None:
        try:
            self._send(self._answer())
        except (ConnectionError, TimeoutError) as gone:
            _log.debug("The client hung up on a simulator: %s", gone)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's own names

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002 - http.server's own signature
        # without the query: some vendors want credentials there
        path = urlsplit(getattr(self, "path", "")).path
        _log.debug("%s %s was answered %s", self.command, path, str(code))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        _log.debug(format, *args)

    def _answer(self) -> SimulatedReply:
        body = self._read_body()
        if body is None:
            return _plain(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large or unmeasured."
            )
        asked = urlsplit(self.path)
        parts = [unquote(part) for part in asked.path.strip("/").split("/")]
        if parts[0] == CONTROL:
            return self._control(parts[1:], body)
        simulator = self.server.simulators.get(parts[0])
        if simulator is None:
            return _plain(HTTPStatus.NOT_FOUND, f"There is no simulator {parts[0]!r}.")
        return simulator.handle(
            SimulatedRequest(
                method=self.command,
                path="/".join(parts[1:]),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
                query=asked.query,
            )
        )

    def _read_body(self) -> bytes | None:
        """Return the body, or `None` if its length is missing, unreadable or over the cap."""
        if "transfer-encoding" in self.headers:
            return None
        announced = self.headers.get("content-length", "0")
        if not (announced.isascii() and announced.isdigit()) or int(announced) > LARGEST_BODY:
            return None
        return self.rfile.read(int(announced))

    def _control(self, parts: list[str], body: bytes) -> SimulatedReply:
        simulator = self.server.simulators.get(parts[0]) if parts else None
        if simulator is None:
            return _plain(HTTPStatus.NOT_FOUND, "There is no such simulator.")
        try:
            return _control(simulator, f"{self.command} {'/'.join(parts[1:])}", body)
        except (ValueError, TypeError) as wrong:
            return _plain(HTTPStatus.BAD_REQUEST, str(wrong))

    def _send(self, reply: SimulatedReply) -> None:
        if reply.delay and self.server.stopping.wait(reply.delay):
            return
        if reply.drop:
            return
        self.send_response(reply.status)
        for name, value in self._headers(reply).items():
            self.send_header(name, value)
        self.end_headers()
        self._send_body(reply)

    def _headers(self, reply: SimulatedReply) -> dict[str, str]:
        own = {"Content-Type": reply.content_type, "Content-Length": str(len(reply.body))}
        return own | dict(reply.headers)

    def _send_body(self, reply: SimulatedReply) -> None:
        if not reply.trickle:
            self.wfile.write(reply.body)
            return
        for byte in reply.body:
            self.wfile.write(bytes([byte]))
            if self.server.stopping.wait(reply.trickle):
                return


def _control(simulator: Simulator, what: str, body: bytes) -> SimulatedReply:
    """Do what the control door was asked for.

    Raises:
        ValueError: the body is not what this needs; says so.
    """
    match what:
        case "GET ":
            return _json({"faults": list(simulator.faults())})
        case "DELETE faults":
            simulator.clear_faults()
        case "POST faults":
            _turn_on(simulator, _read_object(body))
        case "POST devices":
            simulator.knows(_text(_read_object(body), "serial"))
        case "POST tokens":
            values = _read_object(body)
            return _json(
                {"shows": simulator.use_token(_text(values, "serial"), _text(values, "code"))}
            )
        case _:
            return _plain(HTTPStatus.NOT_FOUND, "The control door has faults, devices and tokens.")
    return SimulatedReply(status=HTTPStatus.NO_CONTENT)


def _turn_on(simulator: Simulator, values: Mapping[str, object]) -> None:
    times = values.get("times")
    if times is not None and (not isinstance(times, int) or isinstance(times, bool)):
        raise ValueError("times must be a whole number.")
    serial = _text(values, "serial") if values.get("serial") is not None else None
    simulator.set_fault(_text(values, "fault"), serial=serial, times=times)


def _read_object(body: bytes) -> Mapping[str, object]:
    values = json.loads(body)
    if not isinstance(values, dict):
        raise ValueError("The body must be a JSON object.")  # noqa: TRY004 - the caller turns ValueError into a 400
    return values


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text.")
    return value


def _json(value: object) -> SimulatedReply:
    return SimulatedReply(body=json.dumps(value).encode())


def _plain(status: int, text: str) -> SimulatedReply:
    return SimulatedReply(status=status, content_type="text/plain", body=f"{text}\n".encode())
