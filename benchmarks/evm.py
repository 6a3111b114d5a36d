"""The EVM collector: logs into integers beside an ABI library, and blocks of a local chain with 50 pools into SQLite."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import eth_abi

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.backfill import Backfill
from arbml.collectors.evm.decoding import SWAP, SWAP3, SYNC, decode_all
from arbml.collectors.evm.head import Follower
from arbml.config import StoreConfig
from arbml.store import Store
from benchmarks.figures import Figure, median_seconds

LOGS, POOLS, BLOCKS, SWAPS = 20_000, 50, 60, 5
_TYPES = {
    SYNC: ["uint112", "uint112"],
    SWAP: ["uint256"] * 4,
    SWAP3: ["int256", "int256", "uint160", "uint128", "int24"],
}


def run() -> list[Figure]:
    """Return the figures; those of blocks only where the local chain of the tests is installed."""
    return [decoding(), *blocks()]


def decoding() -> Figure:
    """Decode the logs of a busy range, already parsed from JSON."""
    logs = [_log(n, topic) for n, topic in enumerate(random.Random(1).choices([SYNC, SWAP, SWAP3], [4, 4, 2], k=LOGS))]
    ours, theirs = median_seconds(5, lambda: decode_all(logs), lambda: [_by_library(log) for log in logs])
    note = f"{LOGS} Sync, Swap v2 and v3 logs in memory, without network; ours also addresses, places and hashes"
    return Figure("decoding of events", LOGS / ours, "events/s", "eth_abi.decode", LOGS / theirs, note)


def blocks() -> list[Figure]:
    """Read and store blocks of a chain with `POOLS` pools, `SWAPS` swaps in each."""
    from tests.evm.chain import missing

    if missing():
        return []
    from tests.evm.collecting import reader
    from tests.evm.world import started_world

    with started_world() as world, tempfile.TemporaryDirectory() as folder:
        home, rng = Path(folder), random.Random(2)
        world.more_pools(30, POOLS - 30 - len(world.pools))
        found = reader(world, home)

        def act() -> None:
            with world.one_block():
                for _ in range(SWAPS):
                    world.move(rng.choice(world.pools), rng.uniform(-50, 50))

        first = world.tip
        with Store.open(StoreConfig(), home / "head") as store:
            delays = _delays(Follower(found, store.chain, SystemClock()), act, lambda: world.tip)
        last = world.tip
        with Store.open(StoreConfig(), home / "ranges") as store:
            start = time.perf_counter()
            Backfill(found, stopwatch_s).run(Follower(found, store.chain, SystemClock()), first, last, lambda units, done: True)
            each = (time.perf_counter() - start) / (last - first + 1)
    note = f"{len(world.pools)} pools, {SWAPS} swaps a block, local node on the same machine, SQLite"
    return [
        Figure("a block at the head, asked for, read and committed", 1e3 * delays, "ms", note=note),
        Figure("a block of a backfill, read and committed", 1e3 * each, "ms", note=note),
    ]


def _delays(follower: Follower, act: Callable[[], None], tip: Callable[[], int]) -> float:
    """Return the median time from asking for the head to the commit of one new block, s."""
    follower.poll()
    taken = []
    for _ in range(BLOCKS):
        before = tip()
        act()
        while tip() == before:
            time.sleep(0.001)
        start = time.perf_counter()
        units = follower.poll().units
        taken.append((time.perf_counter() - start) / max(1, len(units)))
    return statistics.median(taken)


def _log(n: int, topic: str) -> dict[str, Any]:
    values = [(pow(7, n, 2**100) + i) for i in range(len(_TYPES[topic]))]
    values[-1] %= 800_000
    address = "0x" + f"{n % 50:040x}"
    return {
        "address": address, "topics": [topic] if topic == SYNC else [topic, "0x" + "0" * 24 + address[2:], "0x" + "1" * 64],
        "data": "0x" + eth_abi.encode(_TYPES[topic], values).hex(), "blockHash": "0x" + "a" * 64, "blockNumber": hex(n // 100),
        "transactionHash": f"0x{n:064x}", "transactionIndex": hex(n % 100), "logIndex": hex(n % 100),
    }  # fmt: skip


def _by_library(log: dict[str, Any]) -> tuple[Any, ...]:
    found: tuple[Any, ...] = eth_abi.decode(_TYPES[log["topics"][0]], bytes.fromhex(log["data"][2:]))
    return found
