"""Latest state by venue and pair."""

from dataclasses import replace

from arbml.market import PoolBook, Tick
from arbml.market.book import UNKNOWN_FEE_BPS


def tick(venue: str, ts_ms: int, price: float, known_ms: int | None = None, fee_bps: float | None = 5.0) -> Tick:
    return Tick(ts_ms, venue, "WETH/USDC", price, ts_ms if known_ms is None else known_ms, fee_bps=fee_bps, reserve_base=10.0,
                reserve_quote=10.0 * price, liquidity=3.0, gas_price_gwei=12.0, chain_id=1)


def test_a_newer_tick_replaces_and_a_late_one_does_not() -> None:
    book = PoolBook()
    book.update(tick("a", 1_000, 100.0))
    assert book.update(tick("a", 2_000, 101.0)).price == 101.0
    assert book.update(tick("a", 1_500, 999.0, known_ms=3_000)).price == 101.0
    assert book.update(tick("a", 2_000, 102.0, known_ms=4_000)).price == 101.0  # the same tick collected again
    assert book.update(replace(tick("a", 2_000, 103.0), log_index=1)).price == 103.0  # later in the same millisecond


def test_a_state_carries_all_that_the_tick_shows() -> None:
    pool = PoolBook().update(tick("a", 1_000, 100.0, known_ms=1_200))
    assert (pool.venue, pool.pair, pool.ts_ms, pool.ts_known_ms, pool.fee_bps) == ("a", "WETH/USDC", 1_000, 1_200, 5.0)
    assert (pool.reserve_base, pool.reserve_quote, pool.liquidity) == (10.0, 1000.0, 3.0)
    assert (pool.gas_price_gwei, pool.chain_id) == (12.0, 1)


def test_an_unstated_fee_is_not_taken_for_zero() -> None:
    assert PoolBook().update(tick("a", 1, 1.0, fee_bps=None)).fee_bps == UNKNOWN_FEE_BPS
    assert PoolBook(default_fee_bps=7.0).update(tick("a", 1, 1.0, fee_bps=None)).fee_bps == 7.0
    assert PoolBook().update(tick("a", 1, 1.0, fee_bps=0.0)).fee_bps == 0.0


def test_pools_are_sorted_by_venue_and_not_older_than_asked() -> None:
    book = PoolBook()
    for venue, ts_ms in (("c", 5_000), ("a", 9_000), ("b", 4_999)):
        book.update(tick(venue, ts_ms, 100.0))
    assert [pool.venue for pool in book.pools("WETH/USDC", now_ms=10_000)] == ["a", "b", "c"]
    assert [pool.venue for pool in book.pools("WETH/USDC", now_ms=10_000, max_age_ms=5_000)] == ["a", "c"]
    assert book.pools("WBTC/USDC", now_ms=10_000) == []
    assert book.pairs() == ["WETH/USDC"]
