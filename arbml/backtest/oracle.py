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

    No model can know the odds better. But it is greedy: what is worth it now is sent, though a larger edge may come while it is
    busy, or later on the pools that it moved. With a `floor` it is choosy; what bidding and sizing could gain it does not try.

    Args:
        costs: of the finder.
        truth: of the world in which the attempts are made.
        max_age_ms: states that happened longer ago are not traded on.
        floor: the true expectation must be above it, token.
    """

    name = "oracle"
    wakes = Wake.EDGE  # without an edge after fees nothing pays
    listens = False

    def __init__(self, costs: CostsConfig, truth: Truth, max_age_ms: int = MAX_AGE_MS, floor: float = 0.0) -> None:
        self._costs, self._truth, self._max_age_ms, self._floor = costs, truth, max_age_ms, floor
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
            best += sorted(((value, one) for value, one in worth if value > self._floor), key=lambda pair: -pair[0])[:1]
        return [Order(one.id, one) for _, one in sorted(best, key=lambda pair: (-pair[0], pair[1].pair))]

    def settle(self, execution: Execution) -> None:
        """Learns nothing: it knows."""
