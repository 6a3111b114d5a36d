"""Two service processes, a publisher and a Redis server that is killed."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from arbml.clock import SystemClock
from arbml.collectors.data_collector import DataCollector
from arbml.config import StoreConfig
from arbml.fanout import TickPublisher
from arbml.fanout.stream import connect
from arbml.market import Tick
from arbml.store import Store
from bentos.serving_process import ServiceProcess
from tests.bentos.test_served import AGED, Built, built
from tests.fanout.server import Server, server
from tests.serving.conftest import trained
from tests.serving.kit import market, opportunity, tick
from tests.waiting import until

__all__ = ["built", "server", "trained"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ITS_OWN = ("request_id", "ts_ms", "latency_ms", "worker", "instance", "cached")


class Workers:
    """Two services and what they say of the same market."""

    def __init__(self, built: Built, folder: Path, server: Server) -> None:
        environment = {**AGED, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port)}
        self.all = [ServiceProcess(built.bento, folder / f"home{i}", environment=environment) for i in range(2)]

    def ask(self, number: int, path: str, json: Any = None) -> dict[str, Any]:
        return dict(httpx.post(f"{self.all[number].url}{path}", json=json, timeout=10).json())

    def predictions(self, name: str) -> list[dict[str, Any]]:
        asked = [self.ask(number, "/predict", opportunity(request_id=f"{name}-{number}")) for number in range(2)]
        for answer in asked:
            answer["reasons"] = [reason.partition(":")[0] for reason in answer["reasons"]]  # their texts say how many seconds
        return [{field: value for field, value in answer.items() if field not in ITS_OWN} for answer in asked]

    def accepted(self) -> list[int]:
        return [self.ask(number, "/stats")["ticks"]["accepted"] for number in range(2)]


def test_two_workers_know_the_same_market_whatever_happens_to_redis_or_to_them(built: Built, server: Server, tmp_path: Path) -> None:
    workers = Workers(built, tmp_path, server)
    publisher = TickPublisher(connect(server.config))
    try:
        for one in workers.all:
            one.start()
        known = workers.accepted()
        with Store.open(StoreConfig(), tmp_path / "collected") as store, DataCollector(store) as collector:
            collector.subscribe(publisher.record)
            ticks = market(SystemClock().now_ms(), n=150)
            _recorded(collector, ticks)
            until(lambda: [now - then for now, then in zip(workers.accepted(), known, strict=True)] == [300, 300], 20)
            first = _same(workers, "first")

            server.stop(kill=True)
            until(lambda: all(_redis_is_missed(workers, number) for number in range(2)), 20)
            _recorded(collector, _later(ticks, 1.001))  # waits in the publisher
            assert _same(workers, "meanwhile") == first, "both go on with what they have"
            server.start()
            until(lambda: [now - then for now, then in zip(workers.accepted(), known, strict=True)] == [302, 302], 30)
            until(lambda: not any(_redis_is_missed(workers, number) for number in range(2)), 20)
            second = _same(workers, "second")
            assert second != first, "fresh ticks change the answer"

            workers.all[1].stop()
            _recorded(collector, _later(ticks, 1.002))
            workers.all[1].start()
            # 304 from the backlog, but those that the bundle already has
            until(lambda: workers.ask(1, "/health")["newest_tick_age_ms"] == pytest.approx(_age(workers, 0), abs=3000), 20)
            time.sleep(1)
            third = _same(workers, "third")
            assert third not in (first, second)
            print(f"success probability {[one['success_probability'] for one in (first, second, third)]}, the same from both each time")
            assert len(store.ticks.read()) >= 300
    finally:
        publisher.close()
        for one in workers.all:
            one.stop()


def _recorded(collector: DataCollector, ticks: list[Tick]) -> None:
    for one in ticks:
        collector.record(one)


def _later(ticks: list[Tick], move: float) -> list[Tick]:
    """A tick of each venue, now, at another price than its last one: the second venue's moves more."""
    now_ms = SystemClock().now_ms()
    return [tick(now_ms, one.venue, one.price * move ** (i + 1)) for i, one in enumerate(ticks[-2:])]


def _same(workers: Workers, name: str) -> dict[str, Any]:
    one, other = workers.predictions(name)
    assert one == other
    return one


def _redis_is_missed(workers: Workers, number: int) -> bool:
    return any(problem.startswith("redis_unavailable") for problem in workers.ask(number, "/health")["problems"])


def _age(workers: Workers, number: int) -> float:
    return float(workers.ask(number, "/health")["newest_tick_age_ms"])
