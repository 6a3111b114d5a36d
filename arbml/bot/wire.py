"""Carries a `Send` over HTTP and brings back a `Reply` or a `Fault`; blocking and not, the same faults from both.

On httpcore, the engine inside httpx: it takes a network backend, and so can keep one deadline for a whole exchange, however
slowly the other side drips. The time-outs of httpx count from each byte to the next.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from arbml.bot.advisor import AbsentCode
from arbml.bot.link import Fault, Reply, Send
from arbml.config import ClientConfig

MAX_BODY_BYTES = 16 * 1024 * 1024  # a hundred predictions are a quarter of a megabyte
MAX_CONNECTIONS = 32
_HEADERS = [(b"Content-Type", b"application/json"), (b"User-Agent", b"arbml")]
_BROKEN = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_LATE = (httpcore.ReadTimeout, httpcore.WriteTimeout, httpcore.PoolTimeout, TimeoutError)
_GONE = (httpcore.ConnectError, httpcore.ConnectTimeout)


class Wire:
    """Keeps connections open and reuses them. Safe to share between threads; each blocks its own.

    A host that is a name is looked up by the system, whose time nobody can bound: give its address.

    Args:
        config: url and time-outs.
        stopwatch: seconds, that of the deadlines.
    """

    def __init__(self, config: ClientConfig, stopwatch: Callable[[], float]) -> None:
        self._request = _RequestMaker(config)
        self._stopwatch = stopwatch
        self._deadline = _Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_ssl_context(config), max_connections=MAX_CONNECTIONS, network_backend=_Backend(stopwatch, self._deadline)
        )

    def post(self, send: Send) -> Reply | Fault:
        """Send and wait, at most until the deadline. Never raises for what the network or the other side does."""
        left_s = send.deadline_s - self._stopwatch()
        if left_s <= 0:
            return _late()
        self._deadline.at_s = send.deadline_s
        try:
            with self._pool.stream(**self._request(send, left_s)) as response:
                body = _Body()
                for chunk in response.iter_stream():
                    body.add(chunk)
                return Reply(response.status, body.whole())
        except Exception as error:  # whatever a network does, the bot gets an answer
            return _fault(error, self._request.url)
        finally:
            self._deadline.at_s = float("inf")

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class AsyncWire:
    """The same on one asyncio loop."""

    def __init__(self, config: ClientConfig, stopwatch: Callable[[], float]) -> None:
        self._request = _RequestMaker(config)
        self._stopwatch = stopwatch
        self._pool = httpcore.AsyncConnectionPool(ssl_context=_ssl_context(config), max_connections=MAX_CONNECTIONS)

    async def post(self, send: Send) -> Reply | Fault:
        """As `Wire.post`."""
        left_s = send.deadline_s - self._stopwatch()
        if left_s <= 0:
            return _late()
        try:
            async with asyncio.timeout(left_s), self._pool.stream(**self._request(send, left_s)) as response:
                body = _Body()
                async for chunk in response.aiter_stream():
                    body.add(chunk)
                return Reply(response.status, body.whole())
        except Exception as error:  # whatever a network does, the bot gets an answer
            return _fault(error, self._request.url)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _RequestMaker:
    """The arguments of httpcore's `stream` for a `Send`; addresses are taken apart once."""

    def __init__(self, config: ClientConfig) -> None:
        self.url = config.url.rstrip("/")
        self._connect_s = config.connect_timeout_ms / 1000
        self._urls: dict[str, httpcore.URL] = {}

    def __call__(self, send: Send, left_s: float) -> dict[str, Any]:
        url = self._urls.get(send.path)
        if url is None:
            url = self._urls[send.path] = httpcore.URL(self.url + send.path)
        times = {"connect": min(self._connect_s, left_s), "read": left_s, "write": left_s, "pool": left_s}
        return {"method": b"POST", "url": url, "headers": _HEADERS, "content": send.body, "extensions": {"timeout": times}}


class _Body:
    """What came so far; bounded, as a server that never ends would fill the memory within its deadline."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._left = MAX_BODY_BYTES

    def add(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise OverflowError
        self._chunks.append(chunk)

    def whole(self) -> bytes:
        return b"".join(self._chunks)


class _Deadline(threading.local):
    """Until when the exchange of this thread may last, on the stopwatch."""

    at_s = float("inf")


class _Backend(httpcore.NetworkBackend):
    """Plain sockets, on which nothing waits beyond the deadline of the thread that asks."""

    def __init__(self, stopwatch: Callable[[], float], deadline: _Deadline) -> None:
        self._sockets = httpcore.SyncBackend()
        self._left = _Left(stopwatch, deadline)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        bound_s = self._left.at_most(timeout, httpcore.ConnectTimeout)
        return _Stream(self._sockets.connect_tcp(host, port, bound_s, local_address, socket_options), self._left)


class _Left:
    """How long somebody may still wait."""

    def __init__(self, stopwatch: Callable[[], float], deadline: _Deadline) -> None:
        self._stopwatch = stopwatch
        self._deadline = deadline

    def at_most(self, timeout_s: float | None, late: type[Exception]) -> float:
        left_s = self._deadline.at_s - self._stopwatch()
        if left_s <= 0:
            raise late("the deadline is over")
        return left_s if timeout_s is None else min(left_s, timeout_s)


class _Stream(httpcore.NetworkStream):
    """A socket of `_Backend`."""

    def __init__(self, stream: httpcore.NetworkStream, left: _Left) -> None:
        self._stream = stream
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left.at_most(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left.at_most(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        bound_s = self._left.at_most(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, bound_s), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _ssl_context(config: ClientConfig) -> ssl.SSLContext | None:
    """Made once: reading the certificates takes longer than an answer."""
    return httpcore.default_ssl_context() if config.url.startswith("https") else None


def _late() -> Fault:
    return Fault(AbsentCode.SERVICE_LATE, "no answer within the time-out")


def _fault(error: Exception, url: str) -> Fault:
    if isinstance(error, _LATE):
        return _late()
    text = str(error) or type(error).__name__
    if isinstance(error, _GONE):
        return Fault(AbsentCode.SERVICE_GONE, f"no connection to {url}: {text}")
    if isinstance(error, _BROKEN):
        return Fault(AbsentCode.SERVICE_GONE, f"the connection to {url} broke: {text}", broken=True)
    if isinstance(error, OverflowError):
        return Fault(AbsentCode.MISREAD, f"the answer is longer than {MAX_BODY_BYTES} bytes")
    return Fault(AbsentCode.ADVISOR_FAILED, f"{type(error).__name__}: {text}")
