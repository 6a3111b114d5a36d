"""Record, subscribe, read: on a real SQLite, and on stores that fail as told."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arbml.clock import FixedClock
from arbml.collectors.data_collector import BufferFull, DataCollector, GasPrice, Record
from arbml.config import CollectionConfig, StoreConfig
from arbml.errors import CollectError, SchemaError, StoreError
from arbml.market import Execution, Result, Tick
from arbml.store import Store
from tests.waiting import until

NOW_MS = 1_704_412_800_000
SLOW = CollectionConfig(interval_ms=60_000)  # only full batches and flushes


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(StoreConfig(), tmp_path / "home") as opened:
        yield opened


class Failing:
    """A store that is gone as long as `problem` is set, and may lose the answer of a write that it did."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.problem: Exception | None = None
        self.lost_answers = 0
        self.tries = 0
        self.ticks = self
        self.executions, self.gas = inner.executions, inner.gas

    def append(self, ticks: object) -> object:
        self.tries += 1
        if self.problem:
            raise self.problem
        done = self.inner.ticks.append(ticks)  # type: ignore[arg-type]
        if self.lost_answers:
            self.lost_answers -= 1
            raise StoreError("connection lost after the commit")
        return done

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner.ticks, name)


def test_what_is_recorded_is_read_back(store: Store) -> None:
    clock = FixedClock(NOW_MS)
    with DataCollector(store, SLOW, clock) as collector:
        first = collector.record_price("uniswap", "WETH/USDC", 2000.5, volume=12.0, liquidity=1e6, gas_price_gwei=20.0, fee_bps=5)
        second = collector.record_price("uniswap", "WETH/USDC", 2001.0)
        early = collector.record_price("sushiswap", "WETH/USDC", 2002.0, ts_ms=NOW_MS - 50, chain_id=1, block_number=7, log_index=9)
        sent = collector.record_arbitrage_execution("success", profit=12.5, latency_ms=400.0, route="buy:a>sell:b WETH/USDC")
        gas = collector.record_gas_price(1, 21.5, block_number=7)
        assert (first.ts_ms, first.ts_known_ms, first.log_index, second.log_index) == (NOW_MS, NOW_MS, 0, 1)
        assert (sent.ts_ms, sent.ts_known_ms, sent.result) == (NOW_MS - 400, NOW_MS, Result.SUCCESS)
        collector.flush()
        assert collector.prices()["price"].tolist() == [2002.0, 2000.5, 2001.0]
        assert collector.prices("uniswap", start_ms=NOW_MS, end_ms=NOW_MS + 1)["log_index"].tolist() == [0, 1]
        assert len(collector.prices(end_ms=NOW_MS)) == 1
        assert len(collector.prices(pair="WBTC/USDC")) == 0
        assert collector.executions()[["request_id", "profit"]].values.tolist() == [[sent.request_id, 12.5]]
        assert collector.gas_prices(chain_id=1)["gas_price_gwei"].tolist() == [gas.gas_price_gwei]
        assert (early.block_number, early.log_index) == (7, 9)
        stats = collector.get_stats()
    assert (stats.recorded, stats.stored, stats.waiting, stats.problem, stats.running) == (5, 5, 0, "", True)
    assert not collector.get_stats().running


def test_a_row_recorded_again_under_its_number_is_one_row(store: Store) -> None:
    with DataCollector(store, SLOW, FixedClock(NOW_MS)) as collector:
        for _ in range(2):
            collector.record_price("uniswap", "WETH/USDC", 2000.5, log_index=3)
            collector.flush()
        collector.record_price("uniswap", "WETH/USDC", 2001.0, log_index=3)
        collector.flush()
        stats = collector.get_stats()
    assert (stats.stored, stats.known, stats.conflicting) == (1, 1, 1)
    assert collector.prices()["price"].tolist() == [2000.5]


def test_an_event_from_the_future_is_put_at_our_time_and_counted(store: Store) -> None:
    with DataCollector(store, SLOW, FixedClock(NOW_MS)) as collector:
        assert collector.record_price("a", "X/Y", 1.0, ts_ms=NOW_MS + 5000).ts_ms == NOW_MS
        assert collector.record_gas_price(1, 5.0, ts_ms=NOW_MS - 1).ts_ms == NOW_MS - 1
        assert collector.get_stats().clamped == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.record_price("a", "X/Y", float("nan")), "price nan is not finite"),
        (lambda c: c.record_price("a", "X/Y", 0.0), "price 0.0 must be positive"),
        (lambda c: c.record_price("a", "X/Y", "12"), "price '12' is not a number"),
        (lambda c: c.record_price("a", "XY", 1.0), "pair 'XY' is not BASE/QUOTE"),
        (lambda c: c.record_price("a|b", "X/Y", 1.0), "may not contain"),
        (lambda c: c.record_price("a\0", "X/Y", 1.0), "a character that a database cannot keep"),
        (lambda c: c.record_price("a", "X/Y", 1.0, volume=-1.0), "volume -1.0 must not be negative"),
        (lambda c: c.record_price("a", "X/Y", 1.0, block_number=2**63), "whole number of at most 64 bits"),
        (lambda c: c.record_price("a", "X/Y", 1.0, ts_ms=1.5), "ts_ms 1.5 must be a whole number"),
        (lambda c: c.record_price("a", "X/Y", 1.0, reserve_base=1.0), "one reserve without the other"),
        (lambda c: c.record_arbitrage_execution("won"), "'won' must be one of success, failed, reverted"),
        (lambda c: c.record_arbitrage_execution("failed", latency_ms=-5.0), "latency_ms -5.0 must not be negative"),
        (lambda c: c.record_gas_price(None, 5.0), "chain_id is missing"),
        (lambda c: c.record(Tick(NOW_MS, "a", "X/Y", 1.0, NOW_MS - 1)), "nothing is known before it happens"),
    ],
)
def test_what_a_store_would_refuse_is_refused_at_the_door(store: Store, call: Callable[[DataCollector], object], message: str) -> None:
    with DataCollector(store, SLOW, FixedClock(NOW_MS)) as collector:
        with pytest.raises(SchemaError, match=message):
            call(collector)
        assert collector.get_stats().recorded == 0


def test_rows_go_at_a_hundred_or_after_the_interval(store: Store) -> None:
    with DataCollector(store, CollectionConfig(interval_ms=60_000), FixedClock(NOW_MS)) as collector:
        for _ in range(99):
            collector.record_price("a", "X/Y", 1.0)
        time.sleep(0.2)
        assert collector.get_stats().stored == 0
        collector.record_price("a", "X/Y", 1.0)
        until(lambda: collector.get_stats().stored == 100, 20)
    with DataCollector(store, CollectionConfig(interval_ms=1000)) as collector:
        began = time.perf_counter()
        collector.record_price("b", "X/Y", 1.0)
        until(lambda: collector.get_stats().stored == 1, 20)
        assert 0.9 < time.perf_counter() - began < 5


def test_while_the_store_is_gone_rows_wait_and_it_is_said_once(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing(store)
    failing.problem = StoreError("postgresql://db: cannot connect")
    caplog.set_level(logging.WARNING)
    with DataCollector(failing, CollectionConfig(batch_size=10, buffer_rows=30), FixedClock(NOW_MS), block_s=0.05) as collector:
        for i in range(30):
            collector.record_price("a", "X/Y", 1.0 + i)
        until(lambda: failing.tries >= 3, 20)
        with pytest.raises(BufferFull, match="30 rows wait"):
            collector.record_price("a", "X/Y", 99.0)
        stats = collector.get_stats()
        assert (stats.waiting, stats.stored, stats.turned_away, stats.outages) == (30, 0, 1, 1)
        assert stats.problem == "postgresql://db: cannot connect"
        assert stats.failed_writes >= 3
        assert stats.outage_s > 0
        with pytest.raises(StoreError, match=r"30 rows are not stored after 0\.05 s: postgresql"):
            collector.flush(timeout_s=0.05)
        failing.problem = None
        until(lambda: collector.get_stats().waiting == 0, 20)
        collector.record_price("a", "X/Y", 100.0)
    assert collector.prices()["price"].tolist() == [*(1.0 + i for i in range(30)), 100.0]
    stats = collector.get_stats()
    assert (stats.stored, stats.problem, stats.outage_s, stats.outages) == (31, "", 0.0, 1)
    said = [record.message for record in caplog.records]
    assert sum("takes nothing, up to 30 rows wait" in line for line in said) == 1
    assert sum("takes rows again" in line for line in said) == 1


def test_an_answer_that_is_lost_after_the_commit_stores_nothing_twice(store: Store) -> None:
    failing = Failing(store)
    failing.lost_answers = 2
    with DataCollector(failing, SLOW, FixedClock(NOW_MS)) as collector:
        for i in range(250):
            collector.record_price("a", "X/Y", 1.0 + i)
            if i == 120:
                collector.flush()
    assert collector.prices()["price"].tolist() == [1.0 + i for i in range(250)]
    stats = collector.get_stats()
    assert (stats.stored + stats.known, stats.conflicting, stats.failed_writes) == (250, 0, 2)
    assert stats.known > 0


def test_one_row_that_the_store_never_takes_does_not_hold_up_the_others(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    class Picky(Failing):
        def append(self, ticks: object) -> object:
            if 7.0 in ticks["price"].tolist():  # type: ignore[index]
                raise SchemaError("7 is right out")
            return super().append(ticks)

    with DataCollector(Picky(store), SLOW, FixedClock(NOW_MS)) as collector:
        for i in range(20):
            collector.record_price("a", "X/Y", 1.0 + i)
    assert collector.prices()["price"].tolist() == [1.0 + i for i in range(20) if i != 6]
    assert (collector.get_stats().stored, collector.get_stats().refused) == (19, 1)
    assert "a row that cannot be stored is left out: 7 is right out" in caplog.text


def test_the_thread_outlives_errors_of_other_kinds(store: Store) -> None:
    failing = Failing(store)
    failing.problem = RuntimeError("driver went mad")
    with DataCollector(failing, SLOW, FixedClock(NOW_MS)) as collector:
        collector.record_price("a", "X/Y", 1.0)
        with pytest.raises(StoreError, match="driver went mad"):
            collector.flush(timeout_s=0.3)
        failing.problem = None
    assert len(collector.prices()) == 1


def test_stopping_without_a_store_says_what_is_left_and_a_later_start_stores_it(store: Store) -> None:
    failing = Failing(store)
    failing.problem = StoreError("gone")
    collector = DataCollector(failing, SLOW, FixedClock(NOW_MS)).start()
    for _ in range(3):
        collector.record_price("a", "X/Y", 1.0)
    with pytest.raises(StoreError, match="3 rows could not be stored before stopping: gone"):
        collector.stop(timeout_s=0.3)
    with pytest.raises(CollectError, match="is stopped"):
        collector.record_price("a", "X/Y", 1.0)
    failing.problem = None
    with collector:
        collector.record_price("a", "X/Y", 2.0)
    assert collector.prices()["price"].tolist() == [1.0, 1.0, 1.0, 2.0]


def test_threads_record_at_once_and_nothing_is_lost(store: Store) -> None:
    def record(who: int) -> None:
        for i in range(400):
            collector.record_price("a", "X/Y", 1.0 + who * 1000 + i)

    with DataCollector(store, SLOW, FixedClock(NOW_MS)) as collector:
        threads = [threading.Thread(target=record, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(collector.prices()["price"].tolist()) == [1.0 + who * 1000 + i for who in range(4) for i in range(400)]
    assert collector.get_stats().conflicting == 0


def test_subscribers_see_each_record_and_none_holds_up_collection(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Record] = []
    never = threading.Event()

    def rude(record: Record) -> None:
        raise ValueError("no")

    with DataCollector(store, SLOW, FixedClock(NOW_MS)) as collector:
        unsubscribe = collector.subscribe(seen.append)
        collector.subscribe(rude)
        collector.subscribe(lambda record: never.wait(60))  # hangs
        began = time.perf_counter()
        ticks = [collector.record_price("a", "X/Y", 1.0 + i) for i in range(11_000)]
        gas = collector.record_gas_price(1, 3.0)
        assert time.perf_counter() - began < 30
        until(lambda: len(seen) == 11_001, 20)
        unsubscribe()
        unsubscribe()
        collector.record_price("a", "X/Y", 5.0)
        until(lambda: collector.get_stats().subscriber_errors == 11_002, 20)
        stats = collector.get_stats()
        never.set()
    assert seen == [*ticks, gas]
    assert isinstance(gas, GasPrice)
    assert stats.subscribers == 2
    assert 900 < stats.passed_over < 1100, "the one that hangs keeps the last 10 000"
    assert caplog.text.count("raised; it is called on") == 1
    assert len(collector.prices()) == 11_001


def test_an_execution_given_whole_keeps_its_id(store: Store) -> None:
    execution = Execution(NOW_MS - 9, NOW_MS, "r-1", Result.REVERTED, profit=-3.0)
    with DataCollector(store, SLOW, FixedClock(NOW_MS)) as collector:
        assert collector.record(execution) is execution
        collector.record(execution)
    assert collector.executions()["request_id"].tolist() == ["r-1"]
