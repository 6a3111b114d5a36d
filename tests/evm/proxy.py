"""A node that misbehaves: a proxy in front of a real one that drops, cuts, drips, refuses, lags, or says what is not so.

    proxy.fault = when("eth_getLogs", status(429, {"Retry-After": "1"}))
    proxy.fault = first(3, dropped)
    proxy.fault = at_random(random.Random(1), 0.2, [dropped, half, malformed])

`faults` has what it can do. A fault gets the exchange and returns True when it answered; otherwise the real node does.
"""

import contextlib
import http.client
import http.server
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Asked = list[dict[str, Any]]


class Exchange:
    """One HTTP request on its way: `asked` are its JSON-RPC requests, `number` counts from 0, `path` is of the URL."""

    def __init__(self, handler: http.server.BaseHTTPRequestHandler, body: bytes, number: int, upstream: Callable[[bytes], bytes]) -> None:
        found = json.loads(body)
        self.asked: Asked = found if isinstance(found, list) else [found]
        self.batch = isinstance(found, list)
        self.number, self.path, self.headers = number, handler.path, handler.headers
        self._handler, self._body, self.upstream = handler, body, upstream

    @property
    def methods(self) -> list[str]:
        return [one["method"] for one in self.asked]

    def true_answer(self, asked: Asked | None = None) -> bytes:
        """What the real node says (to `asked` instead of what was asked)."""
        if asked is None:
            return self.upstream(self._body)
        return self.upstream(json.dumps(asked if self.batch else asked[0]).encode())

    def answer(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send a whole answer."""
        self.raw(head(status, len(body), headers) + body)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        with contextlib.suppress(OSError):
            self._handler.wfile.write(data)
            self._handler.wfile.flush()

    def hang_up(self, reset: bool = False) -> None:
        """Close the connection, politely or with a reset."""
        self._handler.close_connection = True
        connection = self._handler.connection
        with contextlib.suppress(OSError):
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            else:
                connection.shutdown(socket.SHUT_RDWR)


Fault = Callable[[Exchange], bool]


def head(status: int, length: int, headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {length}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Proxy:
    """Listens on a free port in front of `upstream`, the URL of a real node; `fault` may be changed at any time.

    Args:
        tls: files of a certificate and its key, to speak https.
    """

    def __init__(self, upstream: str, fault: Fault | None = None, tls: tuple[Path, Path] | None = None) -> None:
        self.fault: Fault | None = fault
        self.seen: list[list[str]] = []
        self.paths: list[str] = []
        self.connections = 0
        self._at = urlsplit(upstream)
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_port}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def count(self, method: str) -> int:
        """How often a method was asked."""
        return sum(methods.count(method) for methods in self.seen)

    def close(self) -> None:
        """Gone: nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()

    def _upstream(self, body: bytes) -> bytes:
        connection = http.client.HTTPConnection(str(self._at.hostname), self._at.port, timeout=30)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with proxy._lock:
                    proxy.connections += 1

            def log_message(self, *_: Any) -> None:
                return

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with proxy._lock:
                    exchange = Exchange(self, body, len(proxy.seen), proxy._upstream)
                    proxy.seen.append(exchange.methods)
                    proxy.paths.append(self.path)
                if proxy.fault is None or not proxy.fault(exchange):
                    exchange.answer(exchange.true_answer())

        return Handler


@contextlib.contextmanager
def proxied(upstream: str, fault: Fault | None = None, tls: tuple[Path, Path] | None = None) -> Iterator[Proxy]:
    """Run a proxy."""
    made = Proxy(upstream, fault, tls)
    try:
        yield made
    finally:
        made.close()
