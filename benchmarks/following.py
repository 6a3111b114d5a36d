"""Blocks of a local chain into a store: from the head that is announced to the commit that others see, beside the bare floor."""

import contextlib
import functools
import http.client
import random
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.backfill import Backfill
from arbml.collectors.evm.block import BlockReader
from arbml.collectors.evm.collector import EvmCollector, Plan
from arbml.collectors.evm.head import Follower
from arbml.collectors.evm.heads import Heads
from arbml.collectors.evm.rpc import Request, encoded
from arbml.collectors.evm.transport import HttpRpc
from arbml.config import StoreConfig
from arbml.store import Store
from benchmarks.figures import Figure, at

POOLS, BLOCKS, SWAPS, POLL_S = 50, 100, 5, 0.25
_FILE = "arbml.db"
# what a block brings, by the column that names it
_TABLES = {"blocks": "number", **dict.fromkeys(("pool_events", "pool_states", "ticks", "gas_prices"), "block_number")}


def run() -> list[Figure]:
    """Read and store blocks of a chain with `POOLS` pools, `SWAPS` swaps in each; nothing where the chain is not installed."""
    from tests.evm.chain import missing

    if missing():
        return []
    from tests.evm.collecting import reader
    from tests.evm.world import started_world

    with started_world() as world, tempfile.TemporaryDirectory() as folder:
        home, rng = Path(folder), random.Random(2)
        world.more_pools(30, POOLS - 30 - len(world.pools))
        rpc = Noting(HttpRpc(world.url))
        found = reader(world, home, rpc)

        @contextlib.contextmanager
        def block() -> Iterator[Callable[[], None]]:
            """Send swaps; give what mines them into one block."""
            world.chain.ask("evm_setAutomine", False)
            for _ in range(SWAPS):
                world.move(rng.choice(world.pools), rng.uniform(-50, 50))
            yield lambda: world.chain.ask("evm_mine")
            world.chain.ask("evm_setAutomine", True)

        first = world.tip
        note = f"{len(world.pools)} pools, {SWAPS} swaps a block, local node on the same machine, SQLite"
        figures = _at_the_head(found, rpc, block, home / "head", note)
        figures += _backfilled(found, first, world.tip, home / "ranges", note)
        with contextlib.closing(Heads([world.ws_url]).start()) as heads:
            announced = _seen(found, block, home / "announced", heads.wait, 1.0)
        polled = _seen(found, block, home / "polled", time.sleep, POLL_S)
    what, waiting = "from the block to its commit", f"polled {POLL_S:g} s after the last answer: half of that is waiting"
    return [
        *figures,
        *_percentiles(f"{what}, head announced by websocket", announced, f"{note}; as another connection sees it"),
        *_percentiles(f"{what}, node polled", polled, f"{note}; {waiting}"),
    ]


class Noting:
    """Asks a node, and keeps what was asked."""

    def __init__(self, rpc: HttpRpc) -> None:
        self._rpc = rpc
        self.asked: list[list[Request]] = []

    def call(self, method: str, params: Sequence[Any]) -> Any:
        """As `Rpc.call`."""
        self.asked.append([(method, list(params))])
        return self._rpc.call(method, params)

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """As `Rpc.batch`."""
        self.asked.append(list(requests))
        return self._rpc.batch(requests)

    def again(self, connection: http.client.HTTPConnection) -> None:
        """Ask all that was kept over a bare connection, and read the answers as bytes."""
        for requests in self.asked:
            connection.request("POST", "/", encoded(requests), {"Content-Type": "application/json"})
            connection.getresponse().read()

    @property
    def node(self) -> http.client.HTTPConnection:
        """A connection of its own to the node."""
        return http.client.HTTPConnection(self._rpc.endpoint.host, self._rpc.endpoint.port)


def _at_the_head(reader: BlockReader, rpc: Noting, block: Any, home: Path, note: str) -> list[Figure]:
    """Time a poll that finds one new block, and then its questions and its rows bare."""
    ours, asking, writing = [], [], []
    Store.open(StoreConfig(), home / "bare").close()
    with (
        Store.open(StoreConfig(), home) as store,
        contextlib.closing(sqlite3.connect(home / _FILE)) as rows,
        contextlib.closing(sqlite3.connect(home / "bare" / _FILE, isolation_level=None)) as bare,
        contextlib.closing(rpc.node) as node,
    ):
        bare.execute("PRAGMA synchronous=NORMAL")
        follower = Follower(reader, store.chain, SystemClock())
        follower.poll()
        for _ in range(BLOCKS):
            with block() as mine:
                mine()
            rpc.asked.clear()
            ours.append(_taken(follower.poll))
            assert follower.tip is not None
            asking.append(_taken(lambda: rpc.again(node)))
            found = _rows_of(rows, follower.tip[0])
            writing.append(_taken(functools.partial(_write, bare, found)))
    floor = [one + other for one, other in zip(asking, writing, strict=True)]
    peer = "the same questions over a bare connection, answers left as bytes, and the same rows by executemany in one transaction"
    return [
        Figure("a block at the head, asked for, read and committed", _median_ms(ours), "ms", peer, _median_ms(floor), note),
        Figure("of which bare SQL, commit included", _median_ms(writing), "ms", note="bare sqlite3, the floor of every commit"),
    ]


def _rows_of(connection: sqlite3.Connection, number: int) -> dict[str, list[tuple[Any, ...]]]:
    return {table: connection.execute(f"SELECT * FROM {table} WHERE {key} = ?", (number,)).fetchall() for table, key in _TABLES.items()}


def _write(connection: sqlite3.Connection, found: dict[str, list[tuple[Any, ...]]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table, rows in found.items():
        if rows:
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))}) ON CONFLICT DO NOTHING", rows)
    connection.execute("INSERT OR REPLACE INTO checkpoints (source, position, ts_ms, ts_known_ms) VALUES ('bare', '1', 1, 1)")
    connection.execute("COMMIT")


def _backfilled(reader: BlockReader, first: int, last: int, home: Path, note: str) -> list[Figure]:
    with Store.open(StoreConfig(), home) as store:
        follower = Follower(reader, store.chain, SystemClock())
        seconds = _taken(lambda: Backfill(reader, stopwatch_s).run(follower, first, last, lambda units, done: True))
    return [Figure("a block of a backfill, read and committed", 1e3 * seconds / (last - first + 1), "ms", note=note)]


def _seen(reader: BlockReader, block: Any, home: Path, wait: Callable[[float], object], poll_s: float) -> list[float]:
    """Return the times from a mined block to the moment another connection sees it, s, with a collector that runs as it does."""
    stop, told = threading.Event(), [0.0]
    rng = random.Random(3)

    def rest(seconds: float) -> bool:
        if seconds > 0:
            wait(seconds)
            told[0] = time.perf_counter()
        return stop.is_set()

    with Store.open(StoreConfig(), home) as store:
        collector = EvmCollector(reader, Plan(poll_s=poll_s), SystemClock(), stopwatch_s, rest, rng)
        thread = threading.Thread(target=collector.collect_into, args=(store.chain,), daemon=True)
        thread.start()
        taken = []
        with contextlib.closing(sqlite3.connect(home / _FILE)) as other:
            for n in range(BLOCKS // 2):
                with block() as mine:
                    time.sleep(rng.uniform(0.05, 0.05 + POLL_S))  # the chain is quiet, and the collector waits
                    asked, before = time.perf_counter(), _newest(other)
                    mine()
                    mined = time.perf_counter()
                    while _newest(other) == before:
                        time.sleep(0.0005)
                    seen = time.perf_counter()
                    # a head may be announced before the answer to who had it mined is there
                    start = min(mined, told[0]) if told[0] > asked else mined
                    if n:
                        taken.append(seen - start)
        stop.set()
        thread.join(10)
    return taken


def _newest(connection: sqlite3.Connection) -> int | None:
    found: int | None = connection.execute("SELECT max(number) FROM blocks").fetchone()[0]
    return found


def _taken(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _median_ms(seconds: Sequence[float]) -> float:
    return at(np.array(seconds) * 1e3, 50)


def _percentiles(name: str, seconds: Sequence[float], note: str) -> list[Figure]:
    times = np.array(seconds) * 1e3
    return [Figure(f"{name}, p{percent}", at(times, percent), "ms", note=note) for percent in (50, 95)]
