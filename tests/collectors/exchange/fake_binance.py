"""An exchange that speaks Binance's spot protocol well enough for unmodified ccxt, over HTTP and websocket, with faults on order.

Shapes: https://developers.binance.com/docs/binance-spot-api-docs (rest-api/market-data-endpoints, web-socket-streams).
"""

import asyncio
import json
import threading
import time
from collections import Counter
from typing import Any

from aiohttp import WSMsgType, web

SYMBOL = "ETHUSDT"


class FakeBinance:
    """A server in a thread of its own. Its methods may be called from the test's thread.

    Attributes:
        url: where it listens. ahead_ms: how far its clock is ahead. asked: requests by path.
        faults: what the next requests for a path get instead of an answer: "429", "500", "garbage", "drop", "half".
        numbered: ids of trades run without holes.
    """

    def __init__(self) -> None:
        self.ahead_ms = 0
        self.asked: Counter[str] = Counter()
        self.faults: list[tuple[str, str]] = []
        self.page = 500
        self.trades: list[dict[str, Any]] = []
        self.bids: dict[str, str] = {f"{2000 - i}.00": "2.000" for i in range(1, 31)}
        self.asks: dict[str, str] = {f"{2000 + i}.00": "1.000" for i in range(1, 31)}
        self.update_id = 100
        self._sockets: dict[web.WebSocketResponse, set[str]] = {}
        self._mute = False
        self._next_trade = 1000
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "FakeBinance":
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

    # what happens on the exchange

    def trade(self, price: str = "2000.00", amount: str = "0.500", hidden: bool = False) -> int:
        """One more trade; a hidden one is in no list and no stream, but has its number."""
        number, self._next_trade = self._next_trade, self._next_trade + 1
        one = {"a": number, "p": price, "q": amount, "f": number, "l": number, "T": self.now_ms(), "m": True, "M": True}
        if not hidden:
            self.trades.append(one)
            self.say_trade(one)
        return number

    def say_trade(self, one: dict[str, Any]) -> None:
        """Send a trade to those who listen, also one that was sent before."""
        self._send("aggTrade", {"e": "aggTrade", "E": self.now_ms(), "s": SYMBOL, **one})

    def quote(self, mid: int, ts_ms: int | None = None) -> None:
        """Move the whole book to another middle."""
        before_bids, before_asks = self.bids, self.asks
        self.bids = {f"{mid - i}.00": "2.000" for i in range(1, 31)}
        self.asks = {f"{mid + i}.00": "1.000" for i in range(1, 31)}
        first, self.update_id = self.update_id + 1, self.update_id + 2
        changes = {
            "b": [[p, self.bids.get(p, "0.000")] for p in {**before_bids, **self.bids}],
            "a": [[p, self.asks.get(p, "0.000")] for p in {**before_asks, **self.asks}],
        }
        self._send(
            "depth", {"e": "depthUpdate", "E": ts_ms or self.now_ms(), "s": SYMBOL, "U": first, "u": self.update_id, **changes}
        )

    # what goes wrong

    def drop_sockets(self) -> None:
        """Cut every websocket without a goodbye."""
        self._call(self._drop())

    def say_garbage(self) -> None:
        self._call(self._broadcast("@", "{{{ this is not JSON"))

    def mute(self, on: bool) -> None:
        """Sockets stay open, and nothing comes through them."""
        self._mute = on

    def _send(self, channel: str, message: dict[str, Any]) -> None:
        if not self._mute:
            self._call(self._broadcast(f"{SYMBOL.lower()}@{channel}", json.dumps(message)))

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
        for path, answer in (
            ("/api/v3/exchangeInfo", self._info), ("/api/v3/time", self._time), ("/api/v3/depth", self._depth),
            ("/api/v3/aggTrades", self._agg_trades), ("/ws/{rest:.*}", self._socket), ("/ws", self._socket),
        ):  # fmt: skip
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
        name = request.path.rsplit("/", 1)[-1] if not request.path.startswith("/ws") else "ws"
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
        assert request.transport is not None
        if kind == "half":
            request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"bids\": [[")
        request.transport.close()
        return web.Response()

    async def _info(self, _: web.Request) -> web.Response:
        one = {
            "symbol": SYMBOL, "status": "TRADING", "baseAsset": "ETH", "baseAssetPrecision": 8, "quoteAsset": "USDT",
            "quotePrecision": 8, "quoteAssetPrecision": 8, "orderTypes": ["LIMIT"], "icebergAllowed": True, "ocoAllowed": True,
            "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "permissions": ["SPOT"], "permissionSets": [["SPOT"]],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000.000", "stepSize": "0.001"},
            ],
        }  # fmt: skip
        return web.json_response({"timezone": "UTC", "serverTime": self.now_ms(), "rateLimits": [], "symbols": [one]})

    async def _time(self, _: web.Request) -> web.Response:
        return web.json_response({"serverTime": self.now_ms()})

    async def _depth(self, _: web.Request) -> web.Response:
        book = {"lastUpdateId": self.update_id, "bids": list(self.bids.items()), "asks": list(self.asks.items())}
        return web.json_response(book)

    async def _agg_trades(self, request: web.Request) -> web.Response:
        since = request.query.get("startTime")
        found = [one for one in self.trades if since is None or one["T"] >= int(since)]
        return web.json_response(found[: self.page] if since is not None else found[-self.page :])

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[socket] = set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    asked = json.loads(message.data)
                    if asked.get("method") == "SUBSCRIBE":
                        self._sockets.get(socket, set()).update(asked["params"])
                    await socket.send_json({"result": None, "id": asked.get("id")})
        finally:
            self._sockets.pop(socket, None)
        return socket
