"""Servers that answer and servers that misbehave, on real sockets, and both clients behind one face."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import uvicorn

from arbml.bot.async_client import AsyncServiceClient
from arbml.bot.client import ServiceClient
from arbml.bot.enhanced import EnhancedOpportunity
from arbml.config import ClientConfig, CostsConfig
from arbml.market import Execution, Opportunity, Pool, Prediction, Result, Tick, find_opportunities
from bentos.door import Door
from bentos.http import build_app
from tests.serving.kit import NOW_MS

Answer = Callable[[socket.socket, str, bytes], None]


def config(url: str, **changes: Any) -> ClientConfig:
    return ClientConfig.model_validate({"url": url, "timeout_ms": 250, "breaker_pause_ms": 300, **changes})


class BlockingAsyncClient:
    """`AsyncServiceClient` on a loop of its own in another thread, called like the blocking one."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.inner = self._run(self._made(*args, **more))

    async def _made(self, *args: Any, **more: Any) -> AsyncServiceClient:
        return AsyncServiceClient(*args, **more)

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def initialize(self) -> None:
        self._run(self.inner.initialize())

    def observe(self, ticks: Sequence[Tick]) -> None:
        self._run(self.inner.observe(ticks))

    def enhance_opportunity(self, opportunity: Opportunity, request_id: str | None = None) -> EnhancedOpportunity:
        return self._run(self.inner.enhance_opportunity(opportunity, request_id))

    def enhance_opportunities(self, opportunities: Sequence[Opportunity], request_ids: Sequence[str]) -> list[Prediction]:
        return self._run(self.inner.enhance_opportunities(opportunities, request_ids))

    def record_outcome(self, execution: Execution) -> None:
        self._run(self.inner.record_outcome(execution))

    def get_stats(self) -> dict[str, Any]:
        return self.inner.get_stats()

    def service_stats(self) -> dict[str, Any]:
        return self._run(self.inner.service_stats())

    def close(self) -> None:
        self._run(self.inner.close())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


AnyClient = ServiceClient | BlockingAsyncClient


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """Reads requests as HTTP/1.1 with keep-alive, notes them, and answers as told; `answer` may be changed at any time."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self.answer = answer
        self.seen: list[tuple[str, Any]] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]

    def close(self) -> None:
        """Gone: nobody listens, and all connections are cut."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            cut(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        with contextlib.suppress(OSError):
            while True:
                while b"\r\n\r\n" not in received:
                    if not (data := connection.recv(65536)):
                        return
                    received += data
                head, _, received = received.partition(b"\r\n\r\n")
                lines = head.decode().lower().split("\r\n")
                length = int(next(line.partition(":")[2] for line in lines if line.startswith("content-length:")))
                while len(received) < length:
                    received += connection.recv(65536)
                body, received = received[:length], received[length:]
                path = head.decode().split(" ")[1]
                self.seen.append((path, orjson.loads(body)))
                self.answer(connection, path, body)


def cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def http(status: int, body: bytes, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


def says(status: int, body: Any) -> Answer:
    """Answers everything alike."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return lambda connection, path, _: connection.sendall(http(status, content))


def silence(connection: socket.socket, path: str, _: bytes) -> None:
    """Takes the request and never answers."""


def hang_up(connection: socket.socket, path: str, _: bytes) -> None:
    cut(connection)


def half(connection: socket.socket, path: str, body: bytes) -> None:
    whole = http(200, orjson.dumps(told(path, body)))
    connection.sendall(whole[: len(whole) - 20])
    cut(connection)


def drip(connection: socket.socket, path: str, body: bytes) -> None:
    """A byte each 20 ms: no single wait is long, the whole takes half a minute."""
    for byte in http(200, orjson.dumps(told(path, body))):
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def good(connection: socket.socket, path: str, body: bytes) -> None:
    connection.sendall(http(200, orjson.dumps(told(path, body))))


def once_per_connection(connection: socket.socket, path: str, body: bytes) -> None:
    """Answers, promises keep-alive, and closes."""
    good(connection, path, body)
    cut(connection)


def told(path: str, body: bytes) -> dict[str, Any]:
    """What a sound service answers."""
    asked = orjson.loads(body)
    if path == "/predict":
        return prediction(asked)
    if path == "/predict_many":
        return {"predictions": [prediction(one) for one in asked["opportunities"]]}
    if path == "/observe":
        return {"accepted": len(asked["ticks"]), "late": 0, "streams": {}}
    if path == "/outcome":
        return {"request_id": asked["request_id"], "joined": True, "duplicate": False}
    return {"status": "ok", "models": {}, "path": path}


def prediction(asked: dict[str, Any], **changes: Any) -> dict[str, Any]:
    base, _, quote = asked["pair"].partition("/")
    price = {"horizon_s": 5, "log_return": 0.0, "price": 2.0, "lower": 1.0, "upper": 3.0, "coverage": 0.9, "source": "model"}
    return {
        "request_id": asked["request_id"], "ts_ms": asked["ts_ms"], "pair": asked["pair"], "success_probability": 0.9,
        "expected_profit": 7.5, "profit_token": quote if asked["legs"][0]["side"] == "buy" else base, "confidence": 0.9,
        "recommendation": "EXECUTE", "reasons": ["profitable: so it is"],
        "price_forecasts": [price],
        "volatility_forecast": [{"horizon_s": 5, "volatility": 0.1, "lower": 0.05, "upper": 0.2, "source": "model"}],
        "patterns": [], "variant": "champion", "model_versions": {"scorer": "7"}, "feature_set_id": "abc", "latency_ms": 0.5,
        "cached": False, "opportunity": {}, **changes,
    }  # fmt: skip


def opportunity(n: int = 0, ts_ms: int = NOW_MS, amount_in: float = 1000.0) -> Opportunity:
    """Buy on "cheap", sell on "dear"; another amount for each n."""
    pools = [Pool("cheap", "WETH/USDC", 2000.0, 5.0, ts_ms, ts_ms), Pool("dear", "WETH/USDC", 2030.0, 5.0, ts_ms, ts_ms)]
    return find_opportunities(pools, CostsConfig(), ts_ms, amount_in + n)[0]


def execution(request_id: str = "r0", **changes: Any) -> Execution:
    fields: dict[str, Any] = {"ts_ms": NOW_MS, "ts_known_ms": NOW_MS + 9, "result": Result.SUCCESS, "profit": 3.0, "profit_token": "USDC"}
    return Execution(request_id=request_id, **{**fields, **changes})


@contextlib.contextmanager
def serving(door: Door, port: int = 0) -> Iterator[str]:
    """The real app on a real socket."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(build_app(door), log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        listener.close()


def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.005)
