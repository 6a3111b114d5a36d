"""Opportunities as the bot's own finder prices them on the market of the service's kit."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from arbml.bot.advisor import absent
from arbml.config import CostsConfig
from arbml.market import (
    Execution,
    Opportunity,
    Pool,
    PoolBook,
    Prediction,
    Recommendation,
    Result,
    Tick,
    Variant,
    find_opportunities,
)
from tests.serving.kit import CONFIG, NOW_MS, PAIR, market


def best(ticks: Sequence[Tick] | None = None, now_ms: int = NOW_MS, amount_in: float | None = None) -> Opportunity:
    """The best opportunity in the last state that the ticks show."""
    book = PoolBook()
    for tick in market() if ticks is None else ticks:
        book.update(tick)
    return find_opportunities(book.pools(PAIR, now_ms), CONFIG.costs, now_ms, amount_in)[0]


def outcome(request_id: str, result: Result = Result.SUCCESS, **changes: Any) -> Execution:
    """What became of a request."""
    return replace(Execution(NOW_MS, NOW_MS + 5000, request_id, result, profit=1.5, profit_token="USDC"), **changes)


def numbered(prefix: str = "r") -> Callable[[], str]:
    """Request ids r1, r2, ..."""
    count = itertools.count(1)
    return lambda: f"{prefix}{next(count)}"


class FakeAdvisor:
    """Says what it is told to, and remembers what it was shown and asked."""

    def __init__(self, recommendation: Recommendation = Recommendation.EXECUTE) -> None:
        self.recommendation = recommendation
        self.variant = Variant.CHAMPION
        self.seen: list[Tick] = []
        self.asked: list[tuple[str, int]] = []  # request id, and how many ticks had been seen
        self.outcomes: list[Execution] = []
        self.initialized = self.closed = 0
        self.before: Callable[[], None] = lambda: None  # runs in each call, e.g. to wait or to raise

    def initialize(self) -> None:
        self.before()
        self.initialized += 1

    def observe(self, ticks: Sequence[Tick]) -> None:
        self.before()
        self.seen += ticks

    def enhance_opportunities(self, opportunities: Sequence[Opportunity], request_ids: Sequence[str]) -> list[Prediction]:
        self.before()
        self.asked += [(request_id, len(self.seen)) for request_id in request_ids]
        return [self.answer(one, request_id) for one, request_id in zip(opportunities, request_ids, strict=True)]

    def answer(self, opportunity: Opportunity, request_id: str) -> Prediction:
        return replace(
            absent(opportunity, request_id, "profitable: says the test"),
            success_probability=0.9,
            expected_profit=opportunity.net_profit / 2,
            recommendation=self.recommendation,
            variant=self.variant,
        )

    def record_outcome(self, execution: Execution) -> None:
        self.before()
        self.outcomes.append(execution)

    def get_stats(self) -> dict[str, Any]:
        return {"ready": True, "problems": []}

    def close(self) -> None:
        self.closed += 1


class TwoVenueFinder:
    """The finder of one pair over two venues, with the interface of the cycle finder."""

    def __init__(self, costs: CostsConfig = CONFIG.costs) -> None:
        self._costs = costs
        self.pools: dict[tuple[str, str], Pool] = {}

    def update(self, pool: Pool) -> None:
        self.pools[pool.venue, pool.pair] = pool

    def find(
        self, tokens: Sequence[str], ts_ms: int, start_amount: float | None = None, limit: int = 10, max_age_ms: int | None = None
    ) -> list[Opportunity]:
        fresh = [pool for pool in self.pools.values() if max_age_ms is None or pool.ts_ms >= ts_ms - max_age_ms]
        found = find_opportunities(fresh, self._costs, ts_ms, start_amount)
        return [one for one in found if one.token in tokens][:limit]
