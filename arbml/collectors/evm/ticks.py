"""From the integers of a pool to a tick in whole tokens.

Prices and reserves are quotients of exact integers, rounded once: the float nearest to what the contract says.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from arbml.collectors.evm.pools import EvmPool
from arbml.collectors.evm.unit import PoolEvent, PoolState, event_order
from arbml.frames import TICKS, TickFrame

Q96 = 1 << 96


class Quoted(NamedTuple):
    """A pool's state in whole tokens: quote per base, and reserves (v3: the virtual ones of the active range)."""

    price: float
    reserve_base: float
    reserve_quote: float


def quoted(pool: EvmPool, state: PoolState) -> Quoted | None:
    """Return price and reserves, or None where there is no price: an empty pool, or one beyond all floats."""
    shift0, shift1 = 10**pool.token0.decimals, 10**pool.token1.decimals
    try:
        if state.kind == "v2":
            raw0, raw1 = state.reserve0 or 0, state.reserve1 or 0
            price = _ratio(raw0 * shift1, raw1 * shift0, pool.base_is_0)
            reserve0, reserve1 = raw0 / shift0, raw1 / shift1
        else:
            root, liquidity = state.sqrt_price_x96 or 0, state.liquidity or 0
            price = _ratio(Q96 * Q96 * shift1, root * root * shift0, pool.base_is_0)
            reserve0, reserve1 = (liquidity * Q96) / (root * shift0), (liquidity * root) / (Q96 * shift1)
    except (ZeroDivisionError, OverflowError):
        return None
    if price <= 0.0:
        return None
    return Quoted(price, reserve0, reserve1) if pool.base_is_0 else Quoted(price, reserve1, reserve0)


def _ratio(of_0: int, of_1: int, base_is_0: bool) -> float:
    return of_1 / of_0 if base_is_0 else of_0 / of_1


def traded(pool: EvmPool, events: Iterable[PoolEvent]) -> float:
    """Return the quote that swaps moved, in or out, whole tokens; a flash swap counts by what it left or took."""
    which = "1" if pool.base_is_0 else "0"
    raw = 0
    for event in events:
        if event.kind == "swap":
            raw += abs(event.args[f"amount{which}In"] - event.args[f"amount{which}Out"])
        elif event.kind == "swap3":
            raw += abs(event.args[f"amount{which}"])
    return raw / 10**pool.quote.decimals


def block_ticks(
    pools: Mapping[str, EvmPool],
    states: Iterable[PoolState],
    events: Iterable[PoolEvent],
    *,
    chain_id: int,
    number: int,
    ts_ms: int,
    ts_known_ms: int,
    gas_price_gwei: float | None,
) -> TickFrame:
    """Return one tick for each state that has a price, in the order of their last events.

    Args:
        pools: by address. states: at the end of the block. events: of the block.
        chain_id, number: of the block. ts_ms: its time. ts_known_ms: when it was read, UTC ms.
    """
    by_pool: dict[str, list[PoolEvent]] = {}
    for event in events:
        by_pool.setdefault(event.pool, []).append(event)
    rows = []
    for state in states:
        pool = pools[state.pool]
        now = quoted(pool, state)
        if now is not None:
            mine = by_pool.get(state.pool, [])
            order = event_order(number, mine[-1].log_index if mine else 0)
            rows.append((order, pool.venue, pool.pair, now, pool.address, pool.fee_bps, traded(pool, mine)))
    if not rows:
        return TICKS.empty()
    rows.sort()
    orders, venues, pairs, states_, addresses, fees, volumes = zip(*rows, strict=True)
    n = len(rows)
    return pd.DataFrame(
        {
            "ts_known_ms": np.full(n, ts_known_ms, np.int64),
            "ts_ms": np.full(n, ts_ms, np.int64),
            "venue": _texts(venues),
            "pair": _texts(pairs),
            "price": np.array([one.price for one in states_]),
            "chain_id": np.full(n, float(chain_id)),
            "pool": _texts(addresses),
            "fee_bps": np.array(fees, np.float64),
            "volume": np.array(volumes, np.float64),
            "liquidity": np.array([one.reserve_quote for one in states_]),
            "gas_price_gwei": np.full(n, np.nan if gas_price_gwei is None else gas_price_gwei),
            "reserve_base": np.array([one.reserve_base for one in states_]),
            "reserve_quote": np.array([one.reserve_quote for one in states_]),
            "block_number": np.full(n, float(number)),
            "log_index": np.array(orders, np.int64),
        }
    )


def _texts(values: Iterable[str]) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    return np.array(list(values), dtype=object)
