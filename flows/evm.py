"""A chain as a source: which nodes, which pools, from where and how long; and its collection, which signals can end."""

import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr

from arbml.clock import SystemClock, iso, stopwatch_s
from arbml.collectors.evm.backfill import Progress
from arbml.collectors.evm.block import BlockReader, Watching
from arbml.collectors.evm.collector import ChainReport, EvmCollector, Plan
from arbml.collectors.evm.discovery import discover
from arbml.collectors.evm.head import Polled
from arbml.collectors.evm.heads import Heads
from arbml.collectors.evm.pace import Limits
from arbml.collectors.evm.pools import read_pool_file, read_watch
from arbml.collectors.evm.providers import Providers
from arbml.collectors.evm.reorg import ChainStore
from arbml.config import Config
from arbml.errors import ConfigError
from flows.progress import report

Wait = Callable[[float], bool]


class EvmSource(BaseModel, frozen=True):
    """Pools of a chain.

    Attributes:
        rpc: URLs of nodes, preferred first; they may hold keys, so that nothing shows them. Those of websockets only
            announce new blocks. Without any those of the setting ETH_RPC_URL: what a schedule keeps has none.
        pools: the pool file.
        from_block, days, to_block, for_s, catch_up: as in `arbml.collectors.evm.collector.Plan`.
        confirmations: of the configuration without it.
        watch: addresses whose reverted transactions are attempts.
        rate, concurrency: requests in a second to each node, and at the same time; as in `Limits` without them.
    """

    kind: Literal["evm"] = "evm"
    rpc: tuple[SecretStr, ...] = ()
    pools: Path
    from_block: int | None = None
    days: float | None = None
    to_block: int | None = None
    for_s: float | None = None
    catch_up: bool = False
    confirmations: int | None = None
    watch: tuple[str, ...] = ()
    rate: float | None = None
    concurrency: int | None = None


def open_evm(source: EvmSource, config: Config) -> EvmCollector:
    """Ask the nodes what they are and what the pools are; nothing is stored yet.

    Raises:
        ConfigError: a URL, an address or the pool file is wrong. SourceError: a pool is none, or a node refuses.
        TransientError: no node answers.
    """
    entries = read_pool_file(source.pools)
    watch = read_watch(source.watch)
    urls = _urls(source, config)
    sockets = [url for url in urls if url.startswith(("ws://", "wss://"))]
    if len(sockets) == len(urls):
        raise ConfigError("--rpc or ETH_RPC_URL needs at least one http or https URL; websockets only announce new blocks")
    stop = threading.Event()
    usual = Limits()
    limits = Limits(requests_per_s=source.rate, concurrency=source.concurrency or usual.concurrency)
    rpc = Providers([url for url in urls if url not in sockets], limits=limits, sleep=stop.wait)
    chain_id = int(rpc.call("eth_chainId", []), 16)
    pools = discover(rpc, entries, config.home_path)
    native = frozenset(config.costs.native_symbols)
    reader = BlockReader(rpc, chain_id, Watching({pool.address: pool for pool in pools}, watch, native), SystemClock())
    plan = Plan(
        source.from_block, source.days, source.to_block, source.for_s, source.catch_up,
        config.collection.confirmations if source.confirmations is None else source.confirmations,
        poll_s=config.collection.interval_ms / 1000,
    )  # fmt: skip
    waiting = _waiting(sockets, chain_id, stop)
    return EvmCollector(reader, plan, SystemClock(), stopwatch_s, waiting, random.Random(), stop.set)


def collect_chain(
    collector: EvmCollector, chain: ChainStore, stage: str, tell: Callable[[object], object] | None = None
) -> ChainReport:
    """Collect a chain; Ctrl-C and SIGTERM end it after the block at hand, which counts as done.

    Args:
        stage: what progress is called. tell: gets each new tick after it was stored.

    Raises:
        What `EvmCollector.collect_into` raises.
    """
    with _ended_by_signals(collector.stop):
        return collector.collect_into(chain, _Shown(stage).show, tell)


@contextmanager
def _ended_by_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Let the first signal ask for an end; the second one ends at once, as ever. Threads hear no signals."""
    before: dict[Any, Any] = {}

    def ask(number: Any, _: object) -> None:
        stop()
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Shown:
    """How far a collection is: a part of a backfill; at the head, which has no end, in words."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._blocks = self._orphaned = 0

    def show(self, news: Progress | Polled) -> None:
        if isinstance(news, Progress):
            text = f"{news.done} of {news.total} old blocks, {news.blocks_per_s:.0f} blocks/s"
            text += f", {_time(news.left_s)} left" if news.left_s else ""
            report(self._stage, 0.99 * news.done / news.total, text)
            return
        self._blocks += len(news.units)
        self._orphaned += sum(reorg.blocks for reorg in news.reorgs)
        if news.units:
            text = f"block {news.units[-1].number} at {iso(news.units[-1].ts_ms)}, {self._blocks} blocks"
            text += f", {self._orphaned} orphaned" if self._orphaned else ""
            report(self._stage, 0.99, text + (f", {news.left} behind the head" if news.left else ""))


def _time(seconds: float) -> str:
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def _urls(source: EvmSource, config: Config) -> list[str]:
    if source.rpc:
        return [url.get_secret_value() for url in source.rpc]
    given = config.collection.rpc.get_secret_value() if config.collection.rpc else ""
    urls = [url.strip() for url in given.split(",") if url.strip()]
    if not urls:
        raise ConfigError("no node to ask; give --rpc URL, or set ETH_RPC_URL")
    return urls


def _waiting(sockets: list[str], chain_id: int, stop: threading.Event) -> Wait:
    """Return what sleeps until the next look: shorter where a block is announced; listening begins with the first wait."""
    if not sockets:
        return stop.wait
    heads = Heads(sockets, chain_id)
    started = threading.Event()

    def wait(seconds: float) -> bool:
        if not started.is_set():
            started.set()
            heads.start()
        if stop.is_set():
            heads.close()
            return True
        heads.wait(seconds)
        return stop.is_set()

    return wait
