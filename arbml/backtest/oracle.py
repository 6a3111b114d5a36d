"""Who knows the truth: an upper mark for all others, where a simulated world can be asked."""

from collections.abc import Sequence
from typing import Protocol

from arbml.backtest.strategy import MAX_AGE_MS, Order, View, Wake
from arbml.config import CostsConfig
from arbml.market import Execution, Opportunity, Tick, find_opportunities


class Truth(Protocol):
    """A world that knows its own odds, such as `arbml.collectors.simulator.SimulatedFate`."""

    def expected_profit(self, opportunity: Opportunity, now_ms: int) -> float:
        """Return the true expectation of what sending `opportunity` at `now_ms` (UTC ms) gains, in its token."""
        ...


class OracleStrategy:
    """Sends what has a positive true expectation, the best route of each pair first. It sees no more of the market than others.

    No model can know the odds better, so what it gains over the rule is what there is to attain by judging opportunities;
    what bidding, timing and sizing could gain beyond that it does not try.

    Args:
        costs: of the finder.
        truth: of the world in which the attempts are made.
        max_age_ms: states that happened longer ago are not traded on.
    """

    name = "oracle"
    wakes = Wake.EDGE  # without an edge after fees nothing pays
    listens = False

    def __init__(self, costs: CostsConfig, truth: Truth, max_age_ms: int = MAX_AGE_MS) -> None:
        self._costs, self._truth, self._max_age_ms = costs, truth, max_age_ms
        self._view: View | None = None

    def start(self, view: View) -> None:
        self._view = view

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Not called: the view is enough."""

    def decide(self, now_ms: int) -> list[Order]:
        assert self._view is not None, "start comes first"
        view, best = self._view, []
        for pair in view.pairs:
            pools = view.pools(pair, self._max_age_ms)
            if len(pools) < 2 or pair.partition("/")[2] != view.token:
                continue
            worth = [(self._truth.expected_profit(one, now_ms), one) for one in find_opportunities(pools, self._costs, now_ms)]
            best += sorted(((value, one) for value, one in worth if value > 0.0), key=lambda pair: -pair[0])[:1]
        return [Order(one.id, one) for _, one in sorted(best, key=lambda pair: (-pair[0], pair[1].pair))]

    def settle(self, execution: Execution) -> None:
        """Learns nothing: it knows."""
