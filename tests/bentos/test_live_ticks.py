"""Ticks that are published reach every worker; Redis may go and come, the service stays."""


import pytest

from arbml.config import RedisConfig
from arbml.fanout import TickPublisher
from arbml.fanout.stream import FIELD, STREAM, connect
from arbml.market import Tick
from bentos.door import Door
from bentos.live_ticks import live_ticks
from tests.bentos.conftest import Client
from tests.fanout.server import Server, server
from tests.serving.conftest import kit, trained
from tests.serving.kit import NOW_MS, Kit, opportunity, tick
from tests.waiting import until

__all__ = ["kit", "server", "trained"]


def published(kit: Kit, n: int) -> list[Tick]:
    """Ticks that every worker takes: of two venues, five seconds apart, up to now."""
    return [tick(NOW_MS - (n - i) * 5000, venue, 2000.0 + i) for i in range(n) for venue in ("uniswap", "sushiswap")]


def test_every_worker_sees_what_is_published_and_answers_alike(kit: Kit, server: Server) -> None:
    ticks = published(kit, 150)
    workers = [kit.predictor() for _ in range(2)]
    for worker in workers:
        worker._state = type(worker._state)(256, worker.panel.listeners())  # nothing is known of the market yet
    feeds = [live_ticks(server.config, worker) for worker in workers[:1]]
    publisher = TickPublisher(connect(server.config))
    publisher.put(ticks[:200])
    feeds.append(live_ticks(server.config, workers[1]))  # joins late
    publisher.put(ticks[200:])
    until(lambda: all(worker.stats.ticks_accepted == 300 for worker in workers))
    publisher.close()
    for feed in feeds:
        assert feed is not None
        feed.stop()
    streams = [sorted(worker._state.streams) for worker in workers]
    assert streams[0] == streams[1] == ["sushiswap|WETH/USDC", "uniswap|WETH/USDC"]
    for stream in streams[0]:
        one, other = (worker._state.latest(stream) for worker in workers)
        assert one is not None
        assert other is not None
        assert one.to_dict() == pytest.approx(other.to_dict(), nan_ok=True)


def test_the_service_stays_when_redis_goes_and_says_so(kit: Kit, server: Server) -> None:
    predictor, door = kit.predictor(), Door()
    feed = live_ticks(server.config, predictor)
    assert feed is not None
    door.open(predictor, kit.journals[0], None, feed)
    client = Client(door)
    server.stop()
    until(lambda: feed.problem)
    health = client.post("/health").json()
    assert health["status"] == "degraded"
    assert any(problem.startswith("redis_unavailable: ") for problem in health["problems"])
    assert client.post("/predict", json=opportunity()).status_code == 200
    server.start()
    until(lambda: not feed.problem)
    assert not any("redis" in problem for problem in client.post("/health").json()["problems"])
    feed.stop()


def test_a_tick_that_a_request_may_not_have_is_refused_here_too(kit: Kit, server: Server) -> None:
    predictor = kit.predictor()
    feed = live_ticks(server.config, predictor)
    assert feed is not None
    client = connect(server.config)
    publisher = TickPublisher(client)
    publisher.put([Tick(NOW_MS + 10**9, "uniswap", "WETH/USDC", 1.0, NOW_MS + 10**9)])
    until(lambda: feed.errors == 1)
    client.xadd(STREAM, {FIELD: b'[[1,"a","X/Y",-5.0,2]]'})
    until(lambda: feed.errors == 2)
    publisher.close()
    feed.stop()
    assert predictor.stats.ticks_accepted == 0


def test_without_a_host_there_is_no_feed(kit: Kit) -> None:
    assert live_ticks(RedisConfig(), kit.predictor()) is None
