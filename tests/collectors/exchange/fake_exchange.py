"""What every exchange of ours is made of: a server in a thread, with faults on order."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web

Route = tuple[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]


class FakeExchange:
    """A server in a thread of its own. Its methods may be called from the test's thread.

    Attributes:
        url: where it listens. ahead_ms: how far its clock is ahead. asked: requests by the last part of their path.
        faults: what the next requests for a path get instead of an answer: "429", "500", "garbage", "drop", "half", "wrong".
        trades: all that were made and not hidden, as the exchange lists them. page: most of them in one answer.
    """

    websocket = "/ws"

    def __init__(self) -> None:
        self.ahead_ms = 0
        self.asked: Counter[str] = Counter()
        self.faults: list[tuple[str, str]] = []
        self.page = 500
        self.trades: list[Any] = []
        self._sockets: dict[web.WebSocketResponse, set[str]] = {}
        self._mute = False
        self._others: list[FakeExchange] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def routes(self) -> list[Route]:
        """Return paths and what answers them."""
        raise NotImplementedError

    def beside(self, other: "FakeExchange") -> Self:
        """Let another exchange answer at the same address; only this one is started."""
        other._loop = self._loop
        self._others.append(other)
        return self

    def start(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def sockets(self) -> int:
        return len(self._sockets)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    # what goes wrong

    def drop_sockets(self) -> None:
        """Cut every websocket without a goodbye."""
        self._call(self._drop())

    def say_garbage(self) -> None:
        self._call(self._broadcast("@", "{{{ this is not JSON"))

    def mute(self, on: bool) -> None:
        """Sockets stay open, and nothing comes through them."""
        self._mute = on

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _broadcast(self, channel: str, text: str) -> None:
        for socket, channels in list(self._sockets.items()):
            if any(name.startswith(channel) or channel == "@" for name in channels):
                await socket.send_str(text)

    async def _drop(self) -> None:
        for socket in list(self._sockets):
            transport = socket._req.transport if socket._req else None
            if transport:
                transport.abort()
        self._sockets.clear()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(middlewares=[self._faulty])
        for path, answer in [route for one in (self, *self._others) for route in one.routes()]:
            app.router.add_get(path, answer)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        assert site._server is not None
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Any) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[-1] if not request.path.startswith(self.websocket) else "ws"
        self.asked[name] += 1
        for fault in self.faults:
            if fault[0] == name:
                self.faults.remove(fault)
                return await self._fault(fault[1], request)
        return await handler(request)

    async def _fault(self, kind: str, request: web.Request) -> web.StreamResponse:
        if kind == "429":
            return web.json_response({"code": -1003, "msg": "Too many requests."}, status=429, headers={"Retry-After": "1"})
        if kind == "500":
            return web.Response(status=500, text="<html>oops</html>")
        if kind == "garbage":
            return web.Response(text="<html>we are sorry</html>", content_type="text/html")
        if kind == "wrong":
            return web.json_response({"bids": [["abc", "1"]], "asks": "none", "lastUpdateId": 1})
        if kind == "EAPI":  # Kraken's way to say that it was asked too often
            return web.json_response({"error": ["EAPI:Rate limit exceeded"]})
        assert request.transport is not None
        if kind == "half":
            request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"bids\": [[")
        request.transport.close()
        return web.Response()
