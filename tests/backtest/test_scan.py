"""The compiled loop against a slow reference, and what it keeps in common with uncompiled code."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.backtest import Backtester, Order, View, Wake, buffers, scan, strategy, tape, view
from arbml.frames import TickFrame, frame_to_ticks, in_order
from arbml.labels import STALE_MS
from arbml.market import UNKNOWN_FEE_BPS, Pool, PoolBook, spot_price
from tests.backtest.markets import COSTS, START_MS, Scripted, two_venues
from tests.backtest.markets import settings as plain
from tests.features.series import random_ticks


def test_constants_that_stand_in_two_files() -> None:
    assert (buffers.HISTORY, buffers.N_VALUES) == (scan.HISTORY, scan.N_VALUES)
    assert scan.HISTORY & (scan.HISTORY - 1) == 0
    assert scan.DEFAULT_FEE_BPS == UNKNOWN_FEE_BPS
    assert scan.MAX_AGE_MS == strategy.MAX_AGE_MS == STALE_MS
    names = ("PRICE", "FEE", "VOLUME", "LIQUIDITY", "GAS", "RESERVE_BASE", "RESERVE_QUOTE", "CHAIN")
    assert [getattr(scan, name) for name in names] == [getattr(view, name) for name in names] == list(range(scan.N_VALUES))
    assert len(tape.VALUES) == scan.N_VALUES


def reference(ticks: TickFrame, step_ms: int) -> list[tuple[int, dict[str, list[Pool]], int]]:
    """Moments, the states at each, and the pairs with an edge: with pool books, tick by tick."""
    book, out = PoolBook(), []
    every = frame_to_ticks(in_order(ticks))
    moment_of = [math.ceil(tick.ts_known_ms / step_ms) * step_ms if step_ms else tick.ts_known_ms for tick in every]
    for now in sorted(set(moment_of)):
        touched = set()
        for tick in (tick for tick, moment in zip(every, moment_of, strict=True) if moment == now):
            before = {pool.venue: pool for pool in book.pools(tick.pair, now)}.get(tick.venue)
            if book.update(tick) is not before:
                touched.add(tick.pair)
        edges = 0
        for pair in touched:
            quotes = [(spot_price(pool), 1 - pool.fee_bps / 1e4) for pool in book.pools(pair, now, STALE_MS)]
            edges += max(price * keep for price, keep in quotes) > min(price / keep for price, keep in quotes) if quotes else False
        out.append((now, {pair: book.pools(pair, now) for pair in book.pairs()}, edges))
    return out


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from([0, 1_000, 7_000]))
def test_states_moments_and_edges_equal_the_reference(seed: int, step_ms: int) -> None:
    ticks = random_ticks(seed, rows=200)
    seen: list[tuple[int, dict[str, list[Pool]]]] = []

    def look(market: View, now_ms: int) -> list[Order]:
        seen.append((now_ms, {pair: market.pools(pair) for pair in market.pairs}))
        return []

    watcher = Scripted(look)
    result = Backtester(COSTS, plain(step_ms=step_ms)).run(ticks, watcher)
    expected = reference(ticks, step_ms)
    assert seen == [(now, pools) for now, pools, _ in expected]
    assert result.n_opportunities == sum(edges for *_, edges in expected)
    assert watcher.ticks == frame_to_ticks(in_order(ticks))
    woken = Scripted(lambda market, now_ms: [], wakes=Wake.EDGE)
    Backtester(COSTS, plain(step_ms=step_ms)).run(ticks, woken)
    assert [when for what, when in woken.log if what == "decide"] == [now for now, _, edges in expected if edges]


def test_histories_longer_than_what_is_kept() -> None:
    ticks = two_venues(*((float(k), 2000.0 + k, 1.0) for k in range(1500)))
    last: list[Any] = []

    def look(market: View, now_ms: int) -> list[Order]:
        history = market.history("a|WETH/USDC", 1024)
        last[:] = [history.price, history.ts_ms]
        return []

    Backtester(COSTS, plain()).run(ticks, Scripted(look))
    assert last[0].tolist() == [2000.0 + k for k in range(476, 1500)]
    assert last[1].tolist() == [START_MS + 1_000 * k for k in range(476, 1500)]


def test_many_streams() -> None:
    ticks = random_ticks(5, rows=600, venues=12, pairs=9)
    counts = set()

    def look(market: View, now_ms: int) -> list[Order]:
        counts.add(len(market.streams))
        return []

    result = Backtester(COSTS, plain(token="USD")).run(ticks, Scripted(look))
    assert max(counts) == len(set(ticks["venue"] + ticks["pair"]))
    assert len(counts) > 10
    assert result.n_ticks == 600


@pytest.mark.parametrize("log_price", [-0.7, 1e-9, 0.3])
def test_a_displaced_pool_stays_on_its_curve(log_price: float) -> None:
    price, base, quote = scan.displaced(2000.0, 500.0, 1e6, log_price)
    assert price == pytest.approx(2000.0 * math.exp(log_price))
    assert quote / base == pytest.approx(price)
    assert base * quote == pytest.approx(5e8)
    assert np.isnan(scan.displaced(2000.0, math.nan, math.nan, log_price)[1])
