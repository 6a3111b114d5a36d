"""Ticks through a real Redis server that goes and comes."""

import time
from pathlib import Path

import pytest

from arbml.clock import SystemClock
from arbml.collectors.data_collector import DataCollector
from arbml.config import RedisConfig, StoreConfig
from arbml.errors import ConfigError
from arbml.fanout import TickFeed, TickPublisher
from arbml.fanout.stream import FIELD, STREAM, connect
from arbml.market import Tick
from arbml.store import Store
from tests.fanout.server import Server, server
from tests.waiting import until

__all__ = ["server"]


def ticks(start: int, n: int) -> list[Tick]:
    return [Tick(i, "a", "X/Y", 0.1 + i, i + 5, chain_id=1, volume=None if i % 2 else 1.5, log_index=i) for i in range(start, start + n)]


def test_every_reader_gets_every_tick_in_order_also_one_that_joins_late(server: Server) -> None:
    first: list[Tick] = []
    late: list[Tick] = []
    publisher = TickPublisher(connect(server.config))
    feeds = [TickFeed(connect(server.config), first.extend).start()]
    publisher.put(ticks(0, 450))
    until(lambda: len(first) == 450)
    feeds.append(TickFeed(connect(server.config), late.extend).start())
    publisher.put(ticks(450, 50))
    until(lambda: len(first) == len(late) == 500)
    assert publisher.close() == 0
    for feed in feeds:
        feed.stop()
    assert first == late == ticks(0, 500)
    assert (publisher.published, publisher.passed_over, publisher.problem) == (500, 0, "")


@pytest.mark.parametrize("forget", [False, True])
def test_redis_goes_and_comes_and_both_sides_go_on(server: Server, forget: bool) -> None:
    seen: list[Tick] = []
    publisher = TickPublisher(connect(server.config))
    feed = TickFeed(connect(server.config), seen.extend).start()
    publisher.put(ticks(0, 10))
    until(lambda: len(seen) == 10)
    server.stop(forget)
    publisher.put(ticks(10, 300))
    until(lambda: publisher.problem and feed.problem)
    server.start()
    publisher.put(ticks(310, 10))
    until(lambda: len(seen) >= 320)
    assert publisher.close() == 0
    feed.stop()
    assert seen == ticks(0, 320)
    assert (publisher.problem, feed.problem, feed.errors) == ("", "", 0)


def test_without_redis_the_oldest_are_passed_over_and_nobody_waits() -> None:
    publisher = TickPublisher(connect(RedisConfig(host="127.0.0.1", port=9)), waiting=1000)
    began = time.perf_counter()
    publisher.put(ticks(0, 5000))
    assert time.perf_counter() - began < 2
    until(lambda: publisher.problem)
    assert publisher.passed_over >= 3900
    assert 900 <= publisher.close(timeout_s=10) <= 1000


def test_the_stream_is_bounded(server: Server) -> None:
    client = connect(server.config)
    publisher = TickPublisher(connect(server.config), kept=5)
    for i in range(300):
        publisher.put(ticks(i, 1))
        if i % 50 == 0:
            time.sleep(0.02)
    assert publisher.close() == 0
    # Redis cuts whole nodes of up to a hundred entries
    assert client.xlen(STREAM) <= 5 + 100
    client.close()


def test_a_bad_entry_and_a_callback_that_raises_do_not_end_the_feed(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Tick] = []

    def take(found: list[Tick]) -> None:
        if found[0].ts_ms == 7:
            raise RuntimeError("not this one")
        seen.extend(found)

    client = connect(server.config)
    feed = TickFeed(connect(server.config), take).start()  # type: ignore[arg-type]
    client.xadd(STREAM, {FIELD: b"[[1,2"})
    client.xadd(STREAM, {b"other": b"x"})
    client.xadd(STREAM, {FIELD: b"[[1]]"})
    publisher = TickPublisher(client)
    publisher.put(ticks(7, 1))
    until(lambda: feed.errors == 4)
    publisher.put(ticks(8, 1))
    until(lambda: seen)
    feed.stop()
    publisher.close()
    assert seen == ticks(8, 1)
    assert caplog.text.count("could not be taken") == 1


def test_what_lies_before_the_lookback_is_not_read(server: Server) -> None:
    client = connect(server.config)
    old_ms = SystemClock().now_ms() - 3_600_000
    from arbml.fanout.stream import pack

    client.xadd(STREAM, {FIELD: pack(ticks(1, 1))}, id=f"{old_ms}-0")
    seen: list[Tick] = []
    feed = TickFeed(connect(server.config), seen.extend).start()
    client.xadd(STREAM, {FIELD: pack(ticks(2, 1))})
    until(lambda: seen)
    feed.stop()
    client.close()
    assert seen == ticks(2, 1)


def test_a_data_collector_publishes_what_it_takes_in(server: Server, tmp_path: Path) -> None:
    seen: list[Tick] = []
    publisher = TickPublisher(connect(server.config))
    feed = TickFeed(connect(server.config), seen.extend).start()
    with Store.open(StoreConfig(), tmp_path / "home") as store, DataCollector(store) as collector:
        collector.subscribe(publisher.record)
        told = [collector.record_price("a", "X/Y", 1.0 + i) for i in range(20)]
        collector.record_gas_price(1, 2.0)
        until(lambda: len(seen) == 20)
    publisher.close()
    feed.stop()
    assert seen == told


def test_without_a_host_the_mend_is_said() -> None:
    with pytest.raises(ConfigError, match="set REDIS_HOST"):
        connect(RedisConfig())


def test_a_live_collection_publishes_what_it_stores(server: Server) -> None:
    from flows.collect import _published

    seen: list[Tick] = []
    feed = TickFeed(connect(server.config), seen.extend).start()
    with _published(server.config) as tell:
        assert tell is not None
        for one in ticks(0, 3):
            tell(one)
    until(lambda: len(seen) == 3)
    feed.stop()
    with _published(RedisConfig()) as tell:
        assert tell is None
