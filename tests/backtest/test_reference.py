"""Every outcome of random runs against a slow reference: pool books tick by tick, impacts summed one by one."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.backtest import Backtester, Order, View
from arbml.backtest.impact import swapped
from arbml.frames import TickFrame, frame_to_ticks, in_order
from arbml.labels import stream_series
from arbml.market import Opportunity, Pool, PoolBook, Tick, find_opportunities, gas_price_gwei, reprice, spot_price
from tests.backtest.markets import Scripted
from tests.backtest.markets import settings as plain
from tests.dataset.markets import CHEAP_GAS, pools

HALF_LIFE_S = 20.0


def moved(pool: Pool, by: float) -> Pool:
    """A pool somewhere else on its curve."""
    root = math.exp(by / 2)
    base = None if pool.reserve_base is None else pool.reserve_base / root
    quote = None if pool.reserve_quote is None else pool.reserve_quote * root
    return replace(pool, price=pool.price * root * root, reserve_base=base, reserve_quote=quote)


def jump(pool: Pool, side: str, amount_in: float) -> float:
    """By how much a swap moves the log-price of a constant-product pool."""
    if not pool.has_reserves:
        return 0.0
    into = pool.reserve_quote if side == "buy" else pool.reserve_base
    assert into is not None
    grown = math.log1p(amount_in * (1 - pool.fee_bps / 1e4) / into)
    return 2 * grown if side == "buy" else -2 * grown


def reference(every: list[Tick], sent: list[tuple[int, Opportunity]], trades: Any) -> list[tuple[str, float]]:
    """Results and profits of the trades, by landing."""
    impacts: list[tuple[int, tuple[str, str], float]] = []
    out = []
    for number in np.lexsort((trades["request_id"].astype(int), trades["landed_ms"])).tolist():
        trade = trades.iloc[number]
        opportunity = dict(sent)[int(trade["request_id"])]
        landed = int(trade["landed_ms"])
        book = PoolBook()
        for tick in every:
            if tick.ts_ms <= landed:
                book.update(tick)
        met = []
        for leg in opportunity.route.legs:
            pool = next(pool for pool in book.pools(leg.pair, landed) if pool.venue == leg.venue)
            by = sum(size * 0.5 ** ((landed - at) / 1000 / HALF_LIFE_S) for at, key, size in impacts if key == (leg.venue, leg.pair))
            met.append(moved(pool, by) if by else pool)
        paid = gas_price_gwei(met, CHEAP_GAS)
        then = reprice(opportunity, [replace(pool, gas_price_gwei=paid) for pool in met], CHEAP_GAS, landed)
        assert then is not None
        success = then.net_profit > 0
        out.append((trade["request_id"], then.net_profit if success else -then.revert_cost))
        if success:
            impacts += [(landed, (leg.venue, leg.pair), jump(pool, leg.side, leg.amount_in))
                        for leg, pool in zip(then.route.legs, met, strict=True)]
    return out


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31), st.sampled_from([1_000, 0]), st.sampled_from([1, 4, 1_000]))
def test_outcomes_equal_the_reference(seed: int, step_ms: int, max_open: int) -> None:
    ticks: TickFrame = pools(seed, rows=220, pairs=1, spacing_ms=2_000.0)
    sent: list[tuple[int, Opportunity]] = []
    rng = np.random.default_rng(seed)

    def send(view: View, now_ms: int) -> list[Order]:
        found = find_opportunities(view.pools("BASE0/USD", 600_000), CHEAP_GAS, now_ms, float(rng.choice([0.5, 5.0, 50.0])))
        orders = []
        for one in found:
            sent.append((len(sent), one))
            orders.append(Order(str(len(sent) - 1), one, bid_gwei=1e9))
        return orders

    config = plain(step_ms=step_ms, max_open=max_open, capital=1e9, impact_half_life_s=HALF_LIFE_S)
    result = Backtester(CHEAP_GAS, config).run(ticks, Scripted(send))
    ordered = in_order(ticks)
    kept = sorted(row for one in stream_series(ordered).values() for row in one.row.tolist())
    expected = dict(reference(frame_to_ticks(ordered.iloc[kept]), sent, result.trades))
    got = dict(zip(result.trades["request_id"], result.trades["net_profit"], strict=True))
    assert got == pytest.approx(expected, abs=1e-8)


def test_the_jump_is_that_of_the_swap() -> None:
    pool = Pool("a", "WETH/USDC", 2000.0, 30.0, 0, 0, reserve_base=500.0, reserve_quote=1e6)
    for side, amount in (("buy", 5_000.0), ("sell", 3.0)):
        assert jump(pool, side, amount) == pytest.approx(math.log(spot_price(swapped(pool, side, amount)) / 2000.0))
