"""JSON-RPC over HTTP with connections that stay open, and one deadline for a whole exchange however slowly a node drips.

On the standard library alone. A socket's time-out counts from each byte to the next; here it is set anew before each read
to what is left of the deadline.
"""

import base64
import http.client
import io
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from arbml.clock import stopwatch_s
from arbml.collectors.evm.errors import Refused, RpcError, Unreachable
from arbml.collectors.evm.masking import Endpoint
from arbml.collectors.evm.rpc import Request, decoded, encoded, label
from arbml.errors import ConfigError

MAX_RESPONSE_BYTES = 512 * 1024 * 1024  # receipts of the fullest blocks are 20 MB
_CHUNK = 1024 * 1024
# a server may close a connection that was idle; nothing was answered, and reading twice does no harm
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ConnectionAbortedError)


class HttpRpc:
    """One node.

    Args:
        url: http or https; it may hold a key, which is never shown.
        timeout_s: for a whole exchange: connecting, asking, and the last byte of the answer.
        stopwatch: seconds that never jump.
        idle: connections kept open while nobody asks.
        max_response_bytes: more than that is refused, unpacked.

    Attributes:
        endpoint: where it is; `endpoint.masked` may be shown.

    Raises:
        ConfigError: the URL is none of HTTP.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float = 10.0,
        stopwatch: Callable[[], float] = stopwatch_s,
        idle: int = 8,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self.endpoint = Endpoint(url)
        if self.endpoint.scheme not in ("http", "https"):
            raise ConfigError(f"{self.endpoint.masked}: needs an http or https URL here; websockets only tell of new heads")
        self._timeout_s, self._stopwatch, self._max_idle, self._max_bytes = timeout_s, stopwatch, idle, max_response_bytes
        self._tls = ssl.create_default_context() if self.endpoint.scheme == "https" else None
        self._head = _header(self.endpoint)
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def call(self, method: str, params: Sequence[Any]) -> Any:
        """As `Rpc.call`."""
        result = self.batch([(method, list(params))])[0]
        if isinstance(result, RpcError):
            raise result
        return result

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """As `Rpc.batch`; one exchange, whatever the number of requests."""
        if not requests:
            return []
        body = encoded(requests)
        message = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        try:
            status, retry_after, answer = self._exchange(message)
        except Exception as error:
            raise self._failure(error, requests) from None  # what a library says may hold the URL
        return decoded(status, retry_after, answer, requests, self.endpoint)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __repr__(self) -> str:
        return f"HttpRpc({self.endpoint.masked})"

    def _exchange(self, message: bytes) -> tuple[int, str | None, bytes]:
        deadline_s = self._stopwatch() + self._timeout_s
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return self._over(connection, message, deadline_s)
            except _STALE:
                pass
        return self._over(_Connection(self.endpoint, self._tls, self._stopwatch, deadline_s), message, deadline_s)

    def _over(self, connection: "_Connection", message: bytes, deadline_s: float) -> tuple[int, str | None, bytes]:
        try:
            found = connection.exchange(message, deadline_s, self._max_bytes)
        except BaseException:
            connection.close()
            self.close()  # what one met, the others that were idle will meet
            raise
        with self._lock:
            keep = connection.open and len(self._idle) < self._max_idle
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
        return found

    def _failure(self, error: Exception, requests: Sequence[Request]) -> RpcError:
        """Return what an exception of socket, TLS or HTTP means."""
        method, host = label(requests), self.endpoint.masked
        match error:
            case TimeoutError():
                return Unreachable(method, host, f"no whole answer within {self._timeout_s:g} s")
            case ssl.SSLCertVerificationError():
                return Refused(method, host, f"its certificate is refused: {error.verify_message}")
            case ConnectionRefusedError():
                return Unreachable(method, host, "nobody listens there")
            case socket.gaierror():
                return Unreachable(method, host, "the name of the host cannot be resolved")
            case http.client.RemoteDisconnected() | ConnectionError():
                return Unreachable(method, host, "the connection was dropped")
            case http.client.IncompleteRead() | EOFError():
                return Unreachable(method, host, "half an answer")
            case _TooLong():
                return Refused(method, host, f"an answer of more than {self._max_bytes} bytes; ask for less")
            case http.client.HTTPException() | zlib.error():
                return Unreachable(method, host, "an answer that is not HTTP")
            case OSError():
                return Unreachable(method, host, self.endpoint.scrub(error.strerror or type(error).__name__))
            case _:
                raise error


class _TooLong(Exception):
    """The answer is larger than allowed."""


class _Connection:
    """A socket to a node, and the answers that come over it."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None, stopwatch: Callable[[], float], deadline_s: float) -> None:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=max(deadline_s - stopwatch(), 0.001))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket = tls.wrap_socket(plain, server_hostname=endpoint.host) if tls else plain
        except BaseException:
            plain.close()
            raise
        self._reader = _Reader(self._socket, stopwatch)
        self._stopwatch = stopwatch
        self.open = True

    def exchange(self, message: bytes, deadline_s: float, max_bytes: int) -> tuple[int, str | None, bytes]:
        """Send a request; return status, Retry-After and the unpacked body of the answer."""
        self._reader.deadline_s = deadline_s
        self._socket.settimeout(max(deadline_s - self._stopwatch(), 0.001))
        self._socket.sendall(message)
        response = http.client.HTTPResponse(self._reader, method="POST")  # type: ignore[arg-type]  # it only asks for makefile
        response.begin()
        self.open = not response.will_close
        if response.length is not None and response.length > max_bytes:
            raise _TooLong
        body = response.read() if response.length is not None else _read_all(response, max_bytes)
        if (response.getheader("Content-Encoding") or "identity").lower() == "gzip":
            body = _unpacked(body, max_bytes)
        return response.status, response.getheader("Retry-After"), body

    def close(self) -> None:
        """Hang up."""
        self.open = False
        self._socket.close()


class _Reader(io.RawIOBase):
    """Reads a socket, waiting each time no longer than what is left of the deadline."""

    def __init__(self, connection: socket.socket, stopwatch: Callable[[], float]) -> None:
        self._socket, self._stopwatch, self.deadline_s = connection, stopwatch, 0.0
        self._buffered = io.BufferedReader(self, 65_536)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self.deadline_s - self._stopwatch()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
        return self._socket.recv_into(buffer)

    def makefile(self, mode: str) -> "_Kept":
        """Return what an HTTP response reads from; the same for one response after another."""
        return _Kept(self._buffered)


class _Kept(io.BufferedIOBase):
    """A reader that stays open when the response that used it is done."""

    def __init__(self, inner: Any) -> None:
        self.read, self.readline, self.readinto = inner.read, inner.readline, inner.readinto  # type: ignore[method-assign]
        self.read1, self.peek = inner.read1, inner.peek  # type: ignore[method-assign]


def _read_all(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Read an answer whose length is not told."""
    parts, total = [], 0
    while part := response.read(_CHUNK):
        total += len(part)
        if total > max_bytes:
            raise _TooLong
        parts.append(part)
    return b"".join(parts)


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(31)
    plain = unpacker.decompress(body, max_bytes)
    if unpacker.unconsumed_tail:
        raise _TooLong
    if not unpacker.eof:
        raise EOFError
    return plain


def _header(endpoint: Endpoint) -> bytes:
    """Return the head of every request up to the number of bytes in its body."""
    host = endpoint.masked.partition("://")[2]
    lines = [
        f"POST {quote(endpoint.target, safe='/?&=%:@,;+$!*()~-._')} HTTP/1.1", f"Host: {host}", "User-Agent: arbml",
        "Accept: application/json", "Accept-Encoding: gzip", "Content-Type: application/json",
    ]  # fmt: skip
    if endpoint.user or endpoint.password:
        lines.append("Authorization: Basic " + base64.b64encode(f"{endpoint.user}:{endpoint.password}".encode()).decode())
    return ("\r\n".join(lines) + "\r\nContent-Length: ").encode("ascii")
