"""One HTTP exchange on a fresh connection that ends by its deadline, whatever the server does.

It plugs into httpcore's network backend (its documented extension point): names are resolved and
addresses checked here, and every connect, handshake, read and write gets only the time that is
left. Imported late, because it loads httpcore.
"""

from __future__ import annotations

import socket
import ssl
import zlib
from collections.abc import Iterable, Sequence

import httpcore

from mpm_core.outbound.addresses import is_public_address, look_up
from mpm_core.outbound.wire import ExchangeFailedError, Line, WireAnswer, WireRequest

__all__ = ["default_tls", "exchange"]

_FORBIDDEN_CHARACTERS = "a header or the address holds characters that HTTP forbids"


class _ForbiddenAddressError(httpcore.ConnectError):
    """The name points only to addresses that may not be reached."""


def default_tls() -> ssl.SSLContext:
    """Return TLS 1.2 or newer with certificates and names always verified."""
    context = httpcore.default_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def exchange(request: WireRequest, line: Line) -> WireAnswer:
    """Send a request over a fresh connection and read the whole answer.

    Raises:
        ExchangeFailedError: in every case without a whole answer; `line.record` tells whether a
            request
            with an effect may have left.
    """
    try:
        return _exchange(request, line)
    except _ForbiddenAddressError as error:
        raise ExchangeFailedError(str(error), forbidden=True) from None
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:  # texts of this module
        raise ExchangeFailedError(str(error)) from None
    except (httpcore.ReadTimeout, httpcore.WriteTimeout):
        raise ExchangeFailedError(
            f"no whole answer came within the {line.record.deadline:g} s of the call"
        ) from None
    except httpcore.NetworkError:
        raise ExchangeFailedError("the connection broke before the whole answer came") from None
    except httpcore.RemoteProtocolError:  # its text may repeat what the server sent
        raise ExchangeFailedError("the answer ended early or is not HTTP") from None
    except httpcore.LocalProtocolError:  # its text may repeat a header, such as a credential
        raise ExchangeFailedError(_FORBIDDEN_CHARACTERS, forbidden=True) from None


def _exchange(request: WireRequest, line: Line) -> WireAnswer:
    if not all(text.isascii() for header in request.headers for text in header):
        raise ExchangeFailedError(_FORBIDDEN_CHARACTERS, forbidden=True)
    url = httpcore.URL(
        scheme=request.scheme, host=request.host, port=request.port, target=request.target
    )
    connection = httpcore.HTTPConnection(
        url.origin, ssl_context=line.tls, network_backend=_DeadlineBackend(line, request)
    )
    with (
        connection,
        connection.stream(
            request.method, url, headers=list(request.headers), content=request.content
        ) as response,
    ):
        headers = _readable_headers(response.headers)
        return WireAnswer(
            status=response.status, headers=headers, body=_read_body(response, headers, line)
        )


def _readable_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


# --- the body, within its cap ---------------------------------------------------------------------


def _read_body(response: httpcore.Response, headers: dict[str, str], line: Line) -> bytes:
    cap = line.size_cap
    announced = headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > len(str(cap)) or int(announced) > cap):
        raise ExchangeFailedError(f"the answer is larger than {cap} bytes")
    received = bytearray()
    for chunk in response.iter_stream():
        received += chunk
        if len(received) > cap:
            raise ExchangeFailedError(f"the answer is larger than {cap} bytes")
    return _decompressed(bytes(received), headers.get("content-encoding", "identity"), cap)


def _decompressed(body: bytes, encoding: str, cap: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"} or not body:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise ExchangeFailedError("the answer is compressed in a way that was not asked for")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: gzip or zlib, told by the first bytes
    try:
        unpacked = unpacker.decompress(body, cap + 1)
    except zlib.error:
        raise ExchangeFailedError("the answer cannot be decompressed") from None
    if len(unpacked) > cap:
        raise ExchangeFailedError(f"the answer is larger than {cap} bytes once decompressed")
    if not unpacker.eof or unpacker.unused_data:
        raise ExchangeFailedError("the answer cannot be decompressed")
    return unpacked


# --- the network, within the deadline -------------------------------------------------------------


class _DeadlineBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only, in the time that is left."""

    def __init__(self, line: Line, request: WireRequest) -> None:
        self._line = line
        self._effect = request.effect

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is the record's
        local_address: str | None = None,  # noqa: ARG002 - the system chooses
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - none are used
    ) -> httpcore.NetworkStream:
        record = self._line.record
        ends_at = record.clock() + min(self._line.connect_timeout, record.remaining())
        addresses = self._addresses(host, port, ends_at)
        for position, address in enumerate(addresses):
            seconds = (ends_at - record.clock()) / (len(addresses) - position)
            if seconds <= 0:
                break
            try:
                connected = socket.create_connection((address, port), timeout=seconds)
            except TimeoutError:
                continue
            except OSError as error:
                failure = error.strerror or type(error).__name__
                if position == len(addresses) - 1:
                    raise httpcore.ConnectError(f"no connection: {failure}") from None
                continue
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _DeadlineStream(connected, self._line, effect=self._effect)
        raise httpcore.ConnectTimeout("no connection came about in time")

    def _addresses(self, host: str, port: int, ends_at: float) -> Sequence[str]:
        try:
            found = look_up(
                self._line.resolver, host, port, seconds=ends_at - self._line.record.clock()
            )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from None
        except OSError:
            raise httpcore.ConnectError("the name is not known in DNS") from None
        if not found:
            raise httpcore.ConnectError("the name is not known in DNS")
        if self._line.allow_private_addresses:
            return found
        public = [address for address in found if is_public_address(address)]
        if not public:
            raise _ForbiddenAddressError(
                "its address is private, local or a metadata service, which plugins may not reach"
            )
        return public


class _DeadlineStream(httpcore.NetworkStream):
    """A socket every operation of which ends with the call's deadline."""

    def __init__(self, connected: socket.socket, line: Line, *, effect: bool) -> None:
        self._socket = connected
        self._line = line
        self._effect = effect

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as above
        try:
            self._socket.settimeout(self._seconds_left())
            return self._socket.recv(max_bytes)
        except TimeoutError:
            raise httpcore.ReadTimeout from None
        except OSError:
            raise httpcore.ReadError from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        if self._effect:
            self._line.record.may_have_left = True
        rest = memoryview(buffer)
        try:
            while rest:
                self._socket.settimeout(self._seconds_left())
                rest = rest[self._socket.send(rest) :]
        except TimeoutError:
            raise httpcore.WriteTimeout from None
        except OSError:
            raise httpcore.WriteError from None

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.NetworkStream:
        try:
            self._socket.settimeout(min(self._line.connect_timeout, self._seconds_left()))
            secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise httpcore.ConnectError(
                f"its TLS certificate is not trusted: {error.verify_message}"
            ) from None
        except TimeoutError:
            self.close()
            raise httpcore.ConnectTimeout("no TLS handshake came about in time") from None
        except OSError:
            self.close()
            raise httpcore.ConnectError("the TLS handshake failed") from None
        return _DeadlineStream(secured, self._line, effect=self._effect)

    def close(self) -> None:
        self._socket.close()

    def _seconds_left(self) -> float:
        seconds = self._line.record.remaining()
        if seconds <= 0:
            raise TimeoutError
        return seconds
