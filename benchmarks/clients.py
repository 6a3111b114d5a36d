"""What the bot's clients cost on top of a bare request to the same server, and while there is no server."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from arbml.bot import AsyncServiceClient, ServiceClient
from arbml.clock import stopwatch_s
from arbml.config import ClientConfig, CostsConfig
from arbml.market import Opportunity, Pool, find_opportunities
from benchmarks.figures import Figure, at, times_us

TS_MS = 1_704_412_800_000
# answers at once what a service answers, so that only the clients differ
SERVER = """
import sys, orjson, uvicorn
TOLD = {"ts_ms": 1704412800000, "pair": "WETH/USDC", "success_probability": 0.9, "expected_profit": 7.5, "profit_token": "USDC",
    "confidence": 0.9, "recommendation": "EXECUTE", "reasons": ["profitable: yes"], "patterns": [], "variant": "champion",
    "price_forecasts": [{"horizon_s": h, "log_return": 0.0, "price": 2.0, "lower": 1.0, "upper": 3.0, "coverage": 0.9, "source": "model"}
                        for h in (5, 10, 15, 30)],
    "volatility_forecast": [{"horizon_s": h, "volatility": 0.1, "lower": 0.05, "upper": 0.2, "source": "model"} for h in (5, 10, 15, 30)],
    "model_versions": {"scorer": "1", "lstm": "1"}, "feature_set_id": "abc", "latency_ms": 0.5, "cached": False, "opportunity": {}}
async def app(scope, receive, send):
    if scope["type"] == "http":
        body = (await receive())["body"]
        told = {**TOLD, "request_id": orjson.loads(body).get("request_id"), "status": "ok"}
        content = orjson.dumps(told)
        length = str(len(content)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": content})
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def run(answers: int = 2000) -> list[Figure]:
    """Measure with one request at a time; takes some seconds."""
    with _server() as url:
        config = ClientConfig(url=url, timeout_ms=2000)
        ours_us, bare_us = _blocking(config, answers)
        async_us, bare_async_us = asyncio.run(_async(config, answers))
    gone_us = _gone(answers)
    note = "question built, answer checked and made a Prediction; the peer sends the same JSON and reads it"
    return [
        Figure("one answer, p50", at(ours_us, 50), "us", "httpx.Client.post", at(bare_us, 50), note),
        Figure("one answer, p99", at(ours_us, 99), "us", "httpx.Client.post", at(bare_us, 99)),
        Figure("one answer, asynchronous, p50", at(async_us, 50), "us", "httpx.AsyncClient.post", at(bare_async_us, 50)),
        Figure("one answer, asynchronous, p99", at(async_us, 99), "us", "httpx.AsyncClient.post", at(bare_async_us, 99)),
        Figure("one baseline while the service is left alone, p50", at(gone_us, 50), "us", note="the circuit breaker is open"),
        Figure("one baseline while the service is left alone, p99", at(gone_us, 99), "us"),
    ]


def _blocking(config: ClientConfig, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ours and a bare one in turns, so that whatever else the machine does falls on both."""
    opportunity = _opportunity()
    with ServiceClient(config) as client, httpx.Client(base_url=config.url) as bare:
        ours_us, bare_us = np.empty(n), np.empty(n)
        for i in range(-n // 10, n):
            start_s = stopwatch_s()
            client.enhance_opportunities([opportunity], [f"r{i}".replace("-", "w")])
            middle_s = stopwatch_s()
            bare.post("/predict", json=_body(i)).json()
            if i >= 0:
                ours_us[i], bare_us[i] = (middle_s - start_s) * 1e6, (stopwatch_s() - middle_s) * 1e6
        if client.get_stats()["absent"]:
            raise RuntimeError(f"not answered: {client.get_stats()['absent']}")
    return ours_us, bare_us


async def _async(config: ClientConfig, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    opportunity = _opportunity()
    async with AsyncServiceClient(config) as client, httpx.AsyncClient(base_url=config.url) as bare:
        ours_us, bare_us = np.empty(n), np.empty(n)
        for i in range(-n // 10, n):
            start_s = stopwatch_s()
            await client.enhance_opportunities([opportunity], [f"a{i}".replace("-", "w")])
            middle_s = stopwatch_s()
            (await bare.post("/predict", json=_body(i))).json()
            if i >= 0:
                ours_us[i], bare_us[i] = (middle_s - start_s) * 1e6, (stopwatch_s() - middle_s) * 1e6
    return ours_us, bare_us


def _gone(n: int) -> NDArray[np.float64]:
    with ServiceClient(ClientConfig(url=f"http://127.0.0.1:{_free_port()}", breaker_pause_ms=600_000, drain_ms=0)) as client:
        opportunity = _opportunity()
        for _ in range(5):
            client.enhance_opportunities([opportunity], ["r"])
        return times_us(lambda: client.enhance_opportunities([opportunity], ["r"]), n)


def _opportunity() -> Opportunity:
    pools = [Pool(venue, "WETH/USDC", price, 5.0, TS_MS, TS_MS) for venue, price in (("cheap", 2000.0), ("dear", 2030.0))]
    return find_opportunities(pools, CostsConfig(), TS_MS, 1000.0)[0]


def _body(i: int) -> dict[str, Any]:
    legs = [{"venue": "cheap", "side": "buy", "pair": "WETH/USDC"}, {"venue": "dear", "side": "sell", "pair": "WETH/USDC"}]
    return {"request_id": f"b{i}", "ts_ms": TS_MS, "pair": "WETH/USDC", "legs": legs, "amount_in": 1000.0}


@contextmanager
def _server() -> Iterator[str]:
    port = _free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
