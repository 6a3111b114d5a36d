"""A chain as a source: which nodes, which pools, from where and how long."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, SecretStr

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.block import BlockReader, Watching
from arbml.collectors.evm.collector import EvmCollector, Plan
from arbml.collectors.evm.discovery import discover
from arbml.collectors.evm.heads import Heads
from arbml.collectors.evm.pools import read_pool_file, read_watch
from arbml.collectors.evm.providers import Providers
from arbml.config import Config
from arbml.errors import ConfigError

Wait = Callable[[float], bool]


class EvmSource(BaseModel, frozen=True):
    """Pools of a chain.

    Attributes:
        rpc: URLs of nodes, preferred first; they may hold keys, so that nothing shows them. Those of websockets only
            announce new blocks.
        pools: the pool file.
        from_block, days, to_block, for_s: as in `arbml.collectors.evm.collector.Plan`.
        confirmations: of the configuration without it.
        watch: addresses whose reverted transactions are attempts.
    """

    kind: Literal["evm"] = "evm"
    rpc: tuple[SecretStr, ...]
    pools: Path
    from_block: int | None = None
    days: float | None = None
    to_block: int | None = None
    for_s: float | None = None
    confirmations: int | None = None
    watch: tuple[str, ...] = ()


def open_evm(source: EvmSource, config: Config, stop: threading.Event | None = None) -> EvmCollector:
    """Ask the nodes what they are and what the pools are; nothing is stored yet.

    Args:
        stop: ends the collection after the block at hand.

    Raises:
        ConfigError: a URL, an address or the pool file is wrong. SourceError: a pool is none, or a node refuses.
        TransientError: no node answers.
    """
    entries = read_pool_file(source.pools)
    watch = read_watch(source.watch)
    urls = [url.get_secret_value() for url in source.rpc]
    sockets = [url for url in urls if url.startswith(("ws://", "wss://"))]
    if len(sockets) == len(urls):
        raise ConfigError("--rpc needs at least one http or https URL; websockets only announce new blocks")
    stop = stop or threading.Event()
    rpc = Providers([url for url in urls if url not in sockets], sleep=stop.wait)
    chain_id = int(rpc.call("eth_chainId", []), 16)
    pools = discover(rpc, entries, config.home_path)
    native = frozenset(config.costs.native_symbols)
    reader = BlockReader(rpc, chain_id, Watching({pool.address: pool for pool in pools}, watch, native), SystemClock())
    plan = Plan(
        source.from_block, source.days, source.to_block, source.for_s,
        config.collection.confirmations if source.confirmations is None else source.confirmations,
        poll_s=config.collection.interval_ms / 1000,
    )  # fmt: skip
    waiting = _waiting(sockets, chain_id, stop)
    return EvmCollector(reader, plan, SystemClock(), stopwatch_s, waiting, random.Random())


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
