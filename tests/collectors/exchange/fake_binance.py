"""An exchange that speaks Binance's spot protocol well enough for unmodified ccxt, over HTTP and websocket, with faults on order.

Shapes: https://developers.binance.com/docs/binance-spot-api-docs (rest-api/market-data-endpoints, web-socket-streams).
"""

import json
from typing import Any

from aiohttp import WSMsgType, web

from tests.collectors.exchange.fake_exchange import FakeExchange, Route

SYMBOL = "ETHUSDT"


class FakeBinance(FakeExchange):
    """One pair, ETH/USDT. Its trades are numbered from 1000 on."""

    def __init__(self) -> None:
        super().__init__()
        self.bids: dict[str, str] = {f"{2000 - i}.00": "2.000" for i in range(1, 31)}
        self.asks: dict[str, str] = {f"{2000 + i}.00": "1.000" for i in range(1, 31)}
        self.update_id = 100
        self._next_trade = 1000

    def routes(self) -> list[Route]:
        return [
            ("/api/v3/exchangeInfo", self._info), ("/api/v3/time", self._time), ("/api/v3/depth", self._depth),
            ("/api/v3/aggTrades", self._agg_trades), ("/ws/{rest:.*}", self._socket), ("/ws", self._socket),
        ]  # fmt: skip

    # what happens on the exchange

    def trade(self, price: str = "2000.00", amount: str = "0.500", hidden: bool = False) -> int:
        """One more trade; a hidden one is in no list and no stream, but has its number."""
        number, self._next_trade = self._next_trade, self._next_trade + 1
        one = {"a": number, "p": price, "q": amount, "f": number, "l": number, "T": self.now_ms(), "m": True, "M": True}
        if not hidden:
            self.trades.append(one)
            self.say_trade(one)
        return number

    def burst(self, n: int) -> None:
        """Trades that all are in the socket before anybody reads it."""
        said = []
        for number in range(self._next_trade, self._next_trade + n):
            one = {"a": number, "p": "2000.00", "q": "0.500", "f": number, "l": number, "T": self.now_ms(), "m": True, "M": True}
            self.trades.append(one)
            said.append(json.dumps({"e": "aggTrade", "E": self.now_ms(), "s": SYMBOL, **one}))
        self._next_trade += n

        async def send() -> None:
            for text in said:
                await self._broadcast(f"{SYMBOL.lower()}@aggTrade", text)

        self._call(send())

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

    def nudge(self) -> None:
        """Change what stands on the best levels; the middle stays."""
        bid, ask = next(iter(self.bids)), next(iter(self.asks))
        self.bids[bid] = self.asks[ask] = f"{1 + self.update_id % 997 / 1000:.3f}"
        first, self.update_id = self.update_id + 1, self.update_id + 2
        levels = {"b": [[bid, self.bids[bid]]], "a": [[ask, self.asks[ask]]]}
        self._send("depth", {"e": "depthUpdate", "E": self.now_ms(), "s": SYMBOL, "U": first, "u": self.update_id, **levels})

    def _send(self, channel: str, message: dict[str, Any]) -> None:
        if not self._mute:
            self._call(self._broadcast(f"{SYMBOL.lower()}@{channel}", json.dumps(message)))

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
