"""An exchange that speaks Kraken's spot protocol well enough for unmodified ccxt, over HTTP and websocket (version 2).

Other than Binance: pairs have names of two kinds, its clock tells whole seconds, a book over HTTP has no time and one over the
websocket none before its first change, nor an update number; trades carry ISO times in the one and decimal seconds in the other,
pages of trades begin at a whole second, and the websocket sends as many levels as it was asked for, ten without.

Shapes: https://docs.kraken.com/api/docs/rest-api/get-order-book (get-recent-trades, get-server-time, get-tradable-asset-pairs),
https://docs.kraken.com/api/docs/websocket-v2/book (trade).
"""

import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import WSMsgType, web

from tests.collectors.exchange.fake_exchange import FakeExchange, Route

NAMES = {"ETH/USD": "XETHZUSD", "ETH/USDT": "ETHUSDT"}


class FakeKraken(FakeExchange):
    """One pair, ETH/USD unless told: "XETHZUSD" over HTTP. Its trades are numbered from 70000 on."""

    websocket = "/v2"

    def __init__(self, symbol: str = "ETH/USD") -> None:
        super().__init__()
        self.symbol = symbol
        self.mid = 2000
        self._next_trade = 70_000

    def routes(self) -> list[Route]:
        return [
            ("/0/public/AssetPairs", self._pairs), ("/0/public/Time", self._time), ("/0/public/Depth", self._depth),
            ("/0/public/Trades", self._trades), ("/v2", self._socket),
        ]  # fmt: skip

    # what happens on the exchange

    def trade(self, price: float = 2000.0, amount: float = 0.5, hidden: bool = False) -> int:
        """One more trade; a hidden one is in no list and no stream, but has its number."""
        number, self._next_trade = self._next_trade, self._next_trade + 1
        if not hidden:
            now_ms = self.now_ms()
            # seconds with seven decimals, as the exchange tells them
            self.trades.append([f"{price:.5f}", f"{amount:.8f}", now_ms / 1000 + 0.0000371, "b", "m", "", number])
            self.say_trade(number, price, amount, now_ms)
        return number

    def say_trade(self, number: int, price: float, amount: float, ts_ms: int) -> None:
        """Send a trade to those who listen, also one that was sent before."""
        trade = {"side": "buy", "price": price, "qty": amount, "ord_type": "market", "trade_id": number, "timestamp": _iso(ts_ms)}
        self._send("trade", trade)

    def quote(self, mid: int) -> None:
        """Move the whole book to another middle; its 300 levels are a quarter apart."""
        before, self.mid = self._levels(), mid
        after = self._levels()
        changes = {
            side: [{"price": price, "qty": after[side].get(price, 0.0)} for price in {**before[side], **after[side]}]
            for side in ("bids", "asks")
        }
        self._send("book", {**changes, "checksum": 1, "timestamp": _iso(self.now_ms())})

    def _levels(self) -> dict[str, dict[float, float]]:
        steps = [0.25 * i for i in range(4, 304)]
        return {"bids": {self.mid - step: 2.0 for step in steps}, "asks": {self.mid + step: 1.0 for step in steps}}

    def _send(self, channel: str, data: dict[str, Any]) -> None:
        if not self._mute:
            message = {"channel": channel, "type": "update", "data": [{"symbol": self.symbol, **data}]}
            self._call(self._broadcast(channel, json.dumps(message)))

    # what it answers

    async def _pairs(self, _: web.Request) -> web.Response:
        base, quote = self.symbol.split("/")
        one = {
            "altname": base + quote, "wsname": self.symbol, "aclass_base": "currency", "base": f"X{base}",
            "aclass_quote": "currency", "quote": "ZUSD" if quote == "USD" else quote,
            "lot": "unit", "pair_decimals": 2, "lot_decimals": 8, "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [],
            "fees": [[0, 0.26], [50000, 0.24]], "fees_maker": [[0, 0.16]], "ordermin": "0.01", "status": "online",
        }  # fmt: skip
        return _result({NAMES[self.symbol]: one})

    async def _time(self, _: web.Request) -> web.Response:
        return _result({"unixtime": self.now_ms() // 1000, "rfc1123": "whenever"})

    async def _depth(self, request: web.Request) -> web.Response:
        count, seconds = int(request.query.get("count", 100)), self.now_ms() // 1000
        book = {
            side: [[f"{price:.5f}", f"{amount:.3f}", seconds] for price, amount in list(levels.items())[:count]]
            for side, levels in self._levels().items()
        }
        return _result({request.query["pair"]: book})

    async def _trades(self, request: web.Request) -> web.Response:
        since = float(request.query.get("since", 0))
        found = [one for one in self.trades if one[2] > since]
        found = found[: self.page] if "since" in request.query else found[-self.page :]
        last = str(round(found[-1][2] * 1e9)) if found else str(round(since * 1e9))
        return _result({request.query["pair"]: [list(one) for one in found], "last": last})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[socket] = set()
        try:
            await socket.send_json({"channel": "status", "type": "update", "data": [{"system": "online", "api_version": "v2"}]})
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._asked(socket, json.loads(message.data))
        finally:
            self._sockets.pop(socket, None)
        return socket

    async def _asked(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        if asked.get("method") == "ping":
            await socket.send_json({"method": "pong", "req_id": asked.get("req_id")})
        if asked.get("method") != "subscribe":
            return
        wanted = asked["params"]
        if socket in self._sockets:
            self._sockets[socket].add(wanted["channel"])
        await socket.send_json({"method": "subscribe", "success": True, "req_id": asked.get("req_id"), "result": wanted})
        if wanted["channel"] == "book":
            depth = wanted.get("depth", 10)
            book = {side: [{"price": p, "qty": q} for p, q in list(levels.items())[:depth]] for side, levels in self._levels().items()}
            data = [{"symbol": self.symbol, **book, "checksum": 1}]
            await socket.send_json({"channel": "book", "type": "snapshot", "data": data})


def _result(result: dict[str, Any]) -> web.Response:
    return web.json_response({"error": [], "result": result})


def _iso(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
