"""A PostgreSQL server that is stopped under load, and processes that are killed."""

import os
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest

from arbml.collectors.data_collector import BufferFull, DataCollector
from arbml.config import CollectionConfig, StoreConfig
from arbml.store import Store
from tests.collectors.steady import Steady
from tests.mortal_postgres import MortalPostgres

pytestmark = pytest.mark.slow
RECORDER = Path(__file__).parent / "recorder.py"
OUTAGE_S = float(os.environ.get("ARBML_TEST_OUTAGE_S", "3"))  # the long one, by hand: 30
PER_SECOND = int(os.environ.get("ARBML_TEST_EVENTS_PER_S", "1000"))


@pytest.mark.parametrize("how", ["stopped", "crashed"])
def test_postgresql_gone_under_load_loses_nothing_and_stores_nothing_twice(
    mortal_postgres: MortalPostgres, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    capacity = int(PER_SECOND * (OUTAGE_S + 30))
    with Store.open(mortal_postgres.database(how), tmp_path) as store:
        with DataCollector(store, CollectionConfig(interval_ms=1000, buffer_rows=capacity)) as collector:
            load = Steady(PER_SECOND, lambda n: collector.record_price("ab"[n % 2], "WETH/USDC", 1.0 + n, volume=1.0))
            load.start()
            time.sleep(1)
            (mortal_postgres.stop if how == "stopped" else mortal_postgres.crash)()
            before = load.count
            time.sleep(OUTAGE_S)
            during = collector.get_stats()
            mortal_postgres.start()
            deadline = time.monotonic() + 60
            while collector.get_stats().problem or collector.get_stats().waiting > PER_SECOND:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            time.sleep(0.5)
            load.end()
            assert before > 0.5 * PER_SECOND, "there was load before"
            assert load.count - before > 0.5 * PER_SECOND * OUTAGE_S, "recording went on meanwhile"
            assert "cannot connect" in during.problem or "server" in during.problem
            assert 0 < during.waiting <= capacity
            assert during.outage_s > 0.5 * OUTAGE_S
        stats = collector.get_stats()
        assert (stats.waiting, stats.turned_away, stats.refused, stats.conflicting, stats.outages) == (0, 0, 0, 0, 1)
        assert stats.stored + stats.known == load.count
        assert sorted(collector.prices()["price"].tolist()) == [1.0 + i for i in range(load.count)]
    assert caplog.text.count("the store takes nothing, up to") == caplog.text.count("the store takes rows again") == 1
    print(f"{how}: {OUTAGE_S:g} s at {PER_SECOND}/s; at its end {during.waiting} of {capacity} rows waited, {load.count} stored once")


def test_a_full_buffer_turns_rows_away_and_keeps_those_that_it_took(mortal_postgres: MortalPostgres, tmp_path: Path) -> None:
    taken: list[float] = []
    with Store.open(mortal_postgres.database("bounded"), tmp_path) as store:
        with DataCollector(store, CollectionConfig(interval_ms=1000, buffer_rows=500), block_s=0) as collector:
            mortal_postgres.stop()
            for number in range(2_000):
                with suppress(BufferFull):
                    taken.append(collector.record_price("a", "WETH/USDC", 1.0 + number).price)
            full = collector.get_stats()
            mortal_postgres.start()
            deadline = time.monotonic() + 60
            while collector.get_stats().waiting:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            taken.append(collector.record_price("a", "WETH/USDC", 9999.0).price)
        assert (full.waiting, full.turned_away) == (500, 1_500)
        assert collector.prices()["price"].tolist() == taken == [*(1.0 + i for i in range(500)), 9999.0]


@pytest.mark.parametrize("after_s", [0.35, 0.9, 1.7])
def test_a_killed_recorder_leaves_all_but_its_last_moments(tmp_path: Path, after_s: float) -> None:
    interval_ms = 1000
    command = [sys.executable, str(RECORDER), str(tmp_path), str(interval_ms), "60"]  # so few that only the interval flushes
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline()]
        threading.Timer(after_s, process.kill).start()
        said += process.stdout.read().splitlines()
    whole = [line for line in said if len(line.split()) == 2]
    killed_ns = int(whole[-1].split()[1])
    with Store.open(StoreConfig(), tmp_path) as store:
        stored = store.ticks.read()["price"].tolist()
    assert stored == [1.0 + i for i in range(len(stored))], "a beginning without a hole"
    # what was recorded longer ago than the interval is there; a busy machine may take a moment for the write itself
    due = [line for line in whole if int(line.split()[1]) < killed_ns - (interval_ms + 600) * 1_000_000]
    assert len(stored) >= len(due)


def test_memory_is_flat_under_load(tmp_path: Path) -> None:
    def record(n: int) -> None:
        for i in range(n):
            collector.record_price("a", "X/Y", 1.0 + i % 7, ts_ms=1_704_412_800_000 + collector.get_stats().recorded)
        collector.flush()

    with Store.open(StoreConfig(), tmp_path) as store, DataCollector(store, CollectionConfig()) as collector:
        collector.subscribe(lambda record: None)
        tracemalloc.start()
        record(6_000)  # more than the 5 000 milliseconds that the numbering of rows remembers
        before, _ = tracemalloc.get_traced_memory()
        record(4_000)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert after - before < 400_000, "4 000 rows kept would be 2 MB"
