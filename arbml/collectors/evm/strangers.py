"""Streams that hold ticks of something else: a stream is venue and pair, and says nothing of chain and contract."""

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from arbml.collectors.evm.pools import EvmPool
from arbml.errors import ConfigError
from arbml.frames import TickFrame


class Stretch(Protocol):
    """One stored stream and when its last event was, UTC ms."""

    @property
    def venue(self) -> str: ...

    @property
    def pair(self) -> str: ...

    @property
    def end_ms(self) -> int: ...


class Stretches(Protocol):
    """All stored streams."""

    @property
    def by_stream(self) -> Sequence[Stretch]: ...


class StoredTicks(Protocol):
    """Ticks that can be read; `arbml.store.Store.ticks` is one."""

    def stats(self) -> Stretches: ...

    def read(
        self, venues: Sequence[str] | None = None, pairs: Sequence[str] | None = None,
        start_ms: int | None = None, end_ms: int | None = None,
    ) -> TickFrame: ...


def refuse_strangers(pools: Iterable[EvmPool], chain_id: int, ticks: StoredTicks) -> None:
    """Refuse pools whose venue and pair name a stream in which the last tick is of another chain, another pool or no chain at all.

    Raises:
        ConfigError: naming the pool, what the stream holds, and a venue that is free. StoreError: the store cannot be read.
    """
    stored = {(one.venue, one.pair): one.end_ms for one in ticks.stats().by_stream}
    for pool in pools:
        end_ms = stored.get((pool.venue, pool.pair))
        if end_ms is None:
            continue
        last = ticks.read([pool.venue], [pool.pair], end_ms, end_ms + 1).iloc[-1]
        its_chain = None if last["chain_id"] is None or math.isnan(last["chain_id"]) else int(last["chain_id"])
        its_pool = last["pool"] if isinstance(last["pool"], str) else None
        if (its_chain, (its_pool or "").lower()) == (chain_id, pool.address):
            continue
        whose = "no chain" if its_chain is None else f"chain {its_chain}" if its_chain != chain_id else f"pool {its_pool}"
        raise ConfigError(
            f"the store's ticks of {pool.pair} at {pool.venue} are of {whose}; those of pool {pool.address} of chain {chain_id} would "
            f"mix with them: name its venue otherwise in the pool file, e.g. \"{_free(pool, chain_id, stored)}\", or use another ML_HOME"
        )


def _free(pool: EvmPool, chain_id: int, stored: Iterable[tuple[str, str]]) -> str:
    """Return a venue that has no such pair yet."""
    taken = set(stored)
    for name in (f"{pool.venue}_{chain_id}", f"{pool.venue}_{pool.fee_bps:g}bps", f"{pool.venue}_{chain_id}_{pool.fee_bps:g}bps"):
        if (name, pool.pair) not in taken:
            return name
    return f"{pool.venue}_{pool.address[:8]}"
