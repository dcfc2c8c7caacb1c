"""A vendor on the loopback that misbehaves on purpose, byte by byte as the test chooses."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour = Callable[[socket.socket, threading.Event], None]
_PATIENCE = 10.0  # seconds after which a hanging thread ends by itself


class RawServer:
    """Reads one request per connection, remembers it, then behaves as told."""

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.behaviour = behaviour
        self.received: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        with contextlib.suppress(OSError), connection:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self.received.append(_read_request(connection))
                self.behaviour(connection, self._stopped)


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
        if data.startswith(b"\x16"):  # a TLS greeting to a server that speaks none
            return data
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def sends(*pieces: bytes) -> Behaviour:
    def behave(connection: socket.socket, _stopped: threading.Event) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return behave


def answers(
    body: bytes = b"{}",
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: str = "",
) -> Behaviour:
    head = f"HTTP/1.1 {status} Words\r\nContent-Type: {content_type}\r\n{headers}"
    return sends(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def hangs(connection: socket.socket, stopped: threading.Event) -> None:
    del connection
    stopped.wait(_PATIENCE)


def drops(connection: socket.socket, stopped: threading.Event) -> None:
    del connection, stopped


def resets(connection: socket.socket, stopped: threading.Event) -> None:
    del stopped
    # linger 0: the close becomes a reset
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def trickles(data: bytes, pause: float) -> Behaviour:
    def behave(connection: socket.socket, stopped: threading.Event) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            if stopped.wait(pause):
                return

    return behave


@contextlib.contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    server = RawServer(behaviour, tls)
    try:
        yield server
    finally:
        server.close()


def self_signed(folder: Path, name: str = "localhost") -> Path:
    """Write a certificate with its key for a name and 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names[: 2 if name == "localhost" else 1]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
