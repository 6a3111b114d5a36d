"""From the integers of a pool to a tick in whole tokens.

Prices and reserves are quotients of exact integers, rounded once: the float nearest to what the contract says.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from arbml.collectors.evm.pools import EvmPool
from arbml.collectors.evm.unit import Columns, PoolEvent, PoolState, event_order
from arbml.frames import TICKS

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
) -> Columns:
    """Return one tick for each state that has a price, in the order of their last events; as columns of `TICKS`.

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
            rows.append((order, pool.venue, pool.pair, now, pool.address, float(pool.fee_bps), traded(pool, mine)))
    if not rows:
        return {name: [] for name in TICKS.names}
    rows.sort()
    orders, venues, pairs, states_, addresses, fees, volumes = map(list, zip(*rows, strict=True))
    prices, bases, quotes = map(list, zip(*states_, strict=True))
    n = len(rows)
    return {
        "ts_known_ms": [ts_known_ms] * n,
        "ts_ms": [ts_ms] * n,
        "venue": venues,
        "pair": pairs,
        "price": prices,
        "chain_id": [chain_id] * n,
        "pool": addresses,
        "fee_bps": fees,
        "volume": volumes,
        "liquidity": list(quotes),
        "gas_price_gwei": [gas_price_gwei] * n,
        "reserve_base": bases,
        "reserve_quote": quotes,
        "block_number": [number] * n,
        "log_index": orders,
    }
