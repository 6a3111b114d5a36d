"""What a block brings, whole: the unit that is read pinned to one block hash and written in one transaction."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from arbml.frames import TICKS, ExecutionFrame, TickFrame

Columns = dict[str, list[Any]]  # plain values by column, None where one is missing

# events of one block stand in order within its ticks; no block so far had that many logs
LOGS_PER_BLOCK = 65_536
PERCENTILES = (10, 25, 50, 75, 90)


class PoolEvent(NamedTuple):
    """One log of a pool, all of it.

    Attributes:
        block_hash, tx_hash: 0x and 64 lower-case digits. pool: address, lower-case.
        log_index, tx_index: places in the block.
        kind: "sync", "swap", "mint", "burn" of v2; "swap3", "mint3", "burn3", "initialize" of v3.
        args: by the names of the contract, exact; addresses are integers too.
    """

    block_hash: str
    log_index: int
    tx_hash: str
    tx_index: int
    pool: str
    kind: str
    args: dict[str, int]


class PoolState(NamedTuple):
    """A pool at the end of a block, in the contract's integers; what its kind does not have is None.

    Attributes:
        pool: address, lower-case. kind: "v2" or "v3".
        reserve0, reserve1: v2. sqrt_price_x96, liquidity, tick: v3.
    """

    pool: str
    kind: str
    reserve0: int | None = None
    reserve1: int | None = None
    sqrt_price_x96: int | None = None
    liquidity: int | None = None
    tick: int | None = None


@dataclass(frozen=True)
class BlockUnit:
    """Everything that is stored of one block.

    Attributes:
        ts_ms: the block's time, UTC ms; several blocks may share one. ts_known_ms: when it was read, also of old blocks:
            what a backfill brings was not known before.
        base_fee_wei: None on chains without one.
        priority_fee_percentiles: `PERCENTILES` of the priority fees, weighted by gas, wei; empty without transactions.
        events: of the watched pools, by log index.
        states: of the pools whose state changed; of all in the first block of a collection.
        tick_columns: one row for each of `states` that has a price, columns of `TICKS`; a frame for each block would take
            longer than reading it.
        gas_columns: ts_known_ms, ts_ms, chain_id, gas_price_gwei, block_number; one row, none where the block says no price.
        executions: cyclic arbitrage that landed, and reverted attempts of watched addresses.
    """

    chain_id: int
    number: int
    hash: str
    parent_hash: str
    ts_ms: int
    ts_known_ms: int
    base_fee_wei: int | None
    gas_used: int
    gas_limit: int
    priority_fee_percentiles: tuple[int, ...]
    events: list[PoolEvent]
    states: list[PoolState]
    tick_columns: Columns
    gas_columns: Columns
    executions: ExecutionFrame

    @cached_property
    def ticks(self) -> TickFrame:
        """`tick_columns` as a checked frame, made when first asked for."""
        return TICKS.check(pd.DataFrame(self.tick_columns))

    @cached_property
    def gas(self) -> pd.DataFrame:
        """`gas_columns` as a frame, made when first asked for."""
        types = {"ts_known_ms": "int64", "ts_ms": "int64", "chain_id": "int64", "gas_price_gwei": "float64", "block_number": "float64"}
        return pd.DataFrame(self.gas_columns).astype(types)

    @property
    def fullness(self) -> float:
        """Gas used as part of the limit, 0..1."""
        return self.gas_used / self.gas_limit if self.gas_limit else 0.0


def event_order(number: int, log_index: int) -> int:
    """Return the `log_index` of a tick: unique and ascending over blocks that share a second.

    >>> event_order(2, 7)
    131079
    """
    return number * LOGS_PER_BLOCK + min(log_index, LOGS_PER_BLOCK - 1)
