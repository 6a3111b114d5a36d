"""Others who see the same opportunity."""

import math

import numpy as np
import pytest

from arbml.backtest import Backtester, Order, RuleStrategy, View
from arbml.backtest.competition import drawn, outrun
from arbml.backtest.impact import swapped
from arbml.config import changed
from arbml.market import Pool, optimal_two_pool
from tests.backtest.markets import COSTS, START_MS, Scripted, found, once, settings, two_venues, walk

CHEAP = Pool("a", "WETH/USDC", 2000.0, 0.0, 0, 0, reserve_base=500.0, reserve_quote=1e6)
DEAR = Pool("b", "WETH/USDC", 2040.0, 0.0, 0, 0, reserve_base=1e6 / 2040, reserve_quote=1e6)
MARKET = two_venues((0, 2000.0, 2040.0), (6, 2000.0, 2040.0), (12, 2000.0, 2000.0), depth=1e6)


def test_the_rate_is_that_of_a_poisson_process() -> None:
    draws = [drawn(3, "buy:a>sell:b WETH/USDC", 6_000 * k) for k in range(20_000)]
    assert np.mean(draws) == pytest.approx(0.5, abs=0.01)
    assert np.std(draws) == pytest.approx(math.sqrt(1 / 12), abs=0.01)
    for rate, delay_ms in ((2.0, 5_000), (0.5, 60_000)):
        share = np.mean([outrun(rate, delay_ms, draw) for draw in draws])
        assert share == pytest.approx(1 - math.exp(-rate * delay_ms / 60_000), abs=0.01)
    assert not any(outrun(0.0, 60_000, draw) for draw in draws)
    assert not any(outrun(5.0, 0, draw) for draw in draws)


def test_whoever_is_outrun_finds_what_is_left() -> None:
    """The competitor takes the best amount; ours meets pools that it has brought together."""
    result = Backtester(COSTS, settings(competitors_per_minute=1e9)).run(MARKET, once(amount_in=2_000.0))
    got = result.trades.iloc[0]
    assert got["competed"]
    assert got["result"] == "reverted"
    assert got["net_profit"] == pytest.approx(-0.7 * 4.8)
    best = optimal_two_pool(CHEAP, DEAR)
    after = swapped(CHEAP, "buy", best), swapped(DEAR, "sell", 500.0 - 5e8 / (1e6 + best))
    assert after[0].price == pytest.approx(after[1].price)


def test_a_competitor_who_may_put_in_little_leaves_something() -> None:
    small = changed(COSTS, max_amount_quote=2_000.0)
    alone = Backtester(small, settings()).run(MARKET, once(amount_in=2_000.0)).trades.iloc[0]
    second = Backtester(small, settings(competitors_per_minute=1e9)).run(MARKET, once(amount_in=2_000.0)).trades.iloc[0]
    assert (second["result"], second["competed"]) == ("success", True)
    first = swapped(CHEAP, "buy", 2_000.0), swapped(DEAR, "sell", 500.0 - 5e8 / 1_002_000.0)
    bought = 2_000.0 * first[0].reserve_base / (first[0].reserve_quote + 2_000.0)
    out = bought * first[1].reserve_quote / (first[1].reserve_base + bought)
    assert second["net_profit"] == pytest.approx(out - 2_000.0 - 4.8)
    assert second["net_profit"] < alone["net_profit"]


def test_without_depth_nothing_is_left() -> None:
    ticks = two_venues((0, 2000.0, 2040.0), (6, 2000.0, 2040.0))
    got = Backtester(COSTS, settings(competitors_per_minute=1e9)).run(ticks, once()).trades.iloc[0]
    assert (got["result"], got["competed"]) == ("reverted", True)


def test_nobody_takes_what_does_not_pay() -> None:
    ticks = two_venues((0, 2000.0, 2040.0), (6, 2000.0, 2002.0), depth=1e6)
    got = Backtester(COSTS, settings(competitors_per_minute=1e9)).run(ticks, once(amount_in=2_000.0)).trades.iloc[0]
    assert (got["result"], got["competed"]) == ("reverted", False)


def test_two_strategies_meet_the_same_competitor() -> None:
    """However much more one of them sends: the draw belongs to the opportunity."""
    ticks, config = walk(steps=1_500), settings(competitors_per_minute=5.0, max_open=10_000, capital=1e9)

    def send(view: View, now_ms: int) -> list[Order]:
        best = found(view)
        return [] if best is None or best.net_profit <= 10.0 else [Order(best.id, best)]

    rule, few = (Backtester(COSTS, config).run(ticks, one).trades.set_index("request_id") for one in (RuleStrategy(COSTS), Scripted(send)))
    both = few.index.intersection(rule.index)
    assert 20 < len(both) < len(rule)
    assert rule.loc[both, "competed"].any()
    assert rule.loc[both, ["competed", "result", "net_profit"]].equals(few.loc[both, ["competed", "result", "net_profit"]])


def test_the_draw_depends_on_seed_route_and_landing_alone() -> None:
    draws = {drawn(*key) for key in ((1, "r", 5), (1, "r", 6), (1, "s", 5), (2, "r", 5))}
    assert len(draws) == 4
    assert drawn(1, "r", START_MS) == drawn(1, "r", START_MS)
