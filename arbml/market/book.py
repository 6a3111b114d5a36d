"""The latest known state of every venue."""

from arbml.market.types import Pool, Tick

UNKNOWN_FEE_BPS = 30.0  # what most pools charge; assuming nothing would invent profit


class PoolBook:
    """Latest state by venue and pair.

    A tick that is not after the one held (event time, then log index) is late, or the same again: it is ignored, as it is
    in features and labels.

    Args:
        default_fee_bps: fee assumed where a tick states none.

    >>> book = PoolBook()
    >>> book.update(Tick(ts_ms=2_000, venue="a", pair="WETH/USDC", price=2500.0, ts_known_ms=2_000)).price
    2500.0
    >>> book.update(Tick(ts_ms=1_000, venue="a", pair="WETH/USDC", price=9999.0, ts_known_ms=3_000)).price
    2500.0
    >>> [pool.venue for pool in book.pools("WETH/USDC", now_ms=70_000, max_age_ms=60_000)]
    []
    """

    def __init__(self, default_fee_bps: float = UNKNOWN_FEE_BPS) -> None:
        self._default_fee_bps = default_fee_bps
        self._pools: dict[str, dict[str, Pool]] = {}
        self._newest: dict[tuple[str, str], tuple[int, int]] = {}

    def update(self, tick: Tick) -> Pool:
        """Take in one tick, in the order of knowing; return the state now held for its venue and pair."""
        venues = self._pools.setdefault(tick.pair, {})
        newest = self._newest.get((tick.venue, tick.pair))
        if newest is not None and (tick.ts_ms, tick.log_index) <= newest:
            return venues[tick.venue]
        self._newest[tick.venue, tick.pair] = (tick.ts_ms, tick.log_index)
        venues[tick.venue] = pool_of(tick, self._default_fee_bps)
        return venues[tick.venue]

    def pools(self, pair: str, now_ms: int, max_age_ms: int | None = None) -> list[Pool]:
        """Return the states of `pair` by venue name, without those that happened more than `max_age_ms` before `now_ms`."""
        venues = self._pools.get(pair, {})
        oldest = None if max_age_ms is None else now_ms - max_age_ms
        return [venues[venue] for venue in sorted(venues) if oldest is None or venues[venue].ts_ms >= oldest]

    def pairs(self) -> list[str]:
        """Return the pairs seen, sorted."""
        return sorted(self._pools)


def pool_of(tick: Tick, default_fee_bps: float = UNKNOWN_FEE_BPS) -> Pool:
    """Return the state that a tick shows."""
    return Pool(
        venue=tick.venue,
        pair=tick.pair,
        price=tick.price,
        fee_bps=default_fee_bps if tick.fee_bps is None else tick.fee_bps,
        ts_ms=tick.ts_ms,
        ts_known_ms=tick.ts_known_ms,
        reserve_base=tick.reserve_base,
        reserve_quote=tick.reserve_quote,
        liquidity=tick.liquidity,
        gas_price_gwei=tick.gas_price_gwei,
        chain_id=tick.chain_id,
    )
