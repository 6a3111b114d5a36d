"""The threshold a careful person would find: on the past, and only where it earns more."""

from dataclasses import dataclass

import pytest

from arbml.backtest import Backtester, RuleStrategy, make_tape
from arbml.backtest.tuning import best_floor
from arbml.market import Opportunity, Result
from tests.backtest.markets import COSTS, START_MS, settings, two_venues

PERIOD_MS = 600_000
# every minute an edge, small and large in turn, gone ten seconds later
MARKET = two_venues(
    *((60.0 * i + s, 2000.0, (2024.0 if i % 2 else 2060.0) if s == 0 else 2000.0) for i in range(20) for s in (0, 10)), depth=1e6
)


@dataclass
class World:
    """In which attempts on less than `least` revert, until `changes_ms`; afterwards on more."""

    least: float
    changes_ms: int = 1 << 60

    def outcome(self, opportunity: Opportunity, request_id: str, now_ms: int, landed_ms: int) -> tuple[Result, float]:
        good = (opportunity.net_profit >= self.least) == (now_ms < self.changes_ms)
        return (Result.SUCCESS, opportunity.net_profit) if good else (Result.REVERTED, -3.0)


def floor_of(world: World, start_ms: int = START_MS, end_ms: int = START_MS + PERIOD_MS) -> float:
    tester = Backtester(COSTS, settings(impact_half_life_s=0.0), world)
    return best_floor(tester, make_tape(MARKET), lambda floor: RuleStrategy(COSTS, floor), start_ms, end_ms)


def thought() -> tuple[float, float]:
    done = Backtester(COSTS, settings(impact_half_life_s=0.0), World(0.0)).run(MARKET, RuleStrategy(COSTS))
    small, large = sorted({round(value, 6) for value in done.trades["expected_net"]})
    return small, large


def test_a_floor_is_found_where_small_edges_lose_and_none_where_they_pay() -> None:
    small, large = thought()
    assert 0 < small < large
    assert small - 1e-6 <= floor_of(World(least=large - 1e-3)) < large
    assert floor_of(World(least=0.0)) == 0.0


def test_what_comes_after_the_period_changes_nothing() -> None:
    _, large = thought()
    assert floor_of(World(large - 1e-3, changes_ms=START_MS + PERIOD_MS)) == floor_of(World(large - 1e-3))
    assert floor_of(World(large - 1e-3, changes_ms=START_MS)) != pytest.approx(floor_of(World(large - 1e-3)))


def test_without_an_attempt_there_is_no_floor() -> None:
    assert floor_of(World(0.0), START_MS + 10 * PERIOD_MS, START_MS + 11 * PERIOD_MS) == 0.0
