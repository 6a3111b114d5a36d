"""What a strategy is, and two simple real ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from arbml.config import CostsConfig
from arbml.market import Execution, Opportunity, Pool, Prediction, Tick, best_opportunity, find_opportunities

MAX_AGE_MS = 600_000  # as in the labels: what happened longer ago says nothing of now


class Wake(StrEnum):
    """At which moments a strategy is asked to decide. A moment is the end of a step in which something became known."""

    ALL = "all"
    EDGE = "edge"  # where a pair with a tick in the step has an edge after fees between two venues, neither older than 10 minutes
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Order:
    """What a strategy wants sent.

    Attributes:
        request_id: its own, never used before in the run.
        opportunity: route and amount; the rest is what the strategy believed.
        prediction: what it acted on, for the record.
        bid_gwei: the most it pays for a unit of gas (gas model "dynamic"); without it the configured percentile and tip.
    """

    request_id: str
    opportunity: Opportunity
    prediction: Prediction | None = None
    bid_gwei: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The last ticks of one stream that were not late, oldest first, as the strategy saw them; every array is its own copy."""

    ts_ms: npt.NDArray[np.int64]
    ts_known_ms: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]
    gas_price_gwei: npt.NDArray[np.float64]
    reserve_base: npt.NDArray[np.float64]
    reserve_quote: npt.NDArray[np.float64]


class View(Protocol):
    """What is known now, and nothing else."""

    @property
    def now_ms(self) -> int:
        """The moment of the decision, UTC ms."""
        ...

    @property
    def token(self) -> str:
        """What routes start and end in."""
        ...

    @property
    def free_capital(self) -> float:
        """What is not in flight, token."""
        ...

    @property
    def in_flight(self) -> int:
        """Orders sent whose outcome is not known yet."""
        ...

    @property
    def pairs(self) -> tuple[str, ...]:
        """Pairs seen so far, sorted."""
        ...

    @property
    def streams(self) -> tuple[str, ...]:
        """Names "venue|PAIR" of the streams seen so far, sorted."""
        ...

    def pools(self, pair: str, max_age_ms: int | None = None) -> list[Pool]:
        """Return the states of a pair by venue name, without those that happened more than `max_age_ms` ago."""
        ...

    def history(self, stream: str, n: int) -> History:
        """Return the last `n` ticks of a stream, fewer if there were fewer."""
        ...


class Strategy(Protocol):
    """Decides.

    At each moment that it wakes at, in this order: `observe` what became known since the last call, `settle` for each
    outcome that became known, `decide`. Outcomes also come at other moments, after what was known by then.

    Attributes:
        name: for tables.
        wakes: at which moments it is asked.
        listens: whether it wants the ticks themselves; if not, `observe` is never called, and the view is all it has (faster).
    """

    name: str
    wakes: Wake
    listens: bool

    def start(self, view: View) -> None:
        """Begin; the view stays the same object and always shows the present."""
        ...

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Take in ticks in the order of knowing, late ones too."""
        ...

    def decide(self, now_ms: int) -> Sequence[Order]:
        """Return what to send now, most wanted first: limits are met in this order."""
        ...

    def settle(self, execution: Execution) -> None:
        """Learn what became of an order."""
        ...


class GrossStrategy:
    """Sends every spread that is positive before any cost: what a bot without judgement loses.

    Args:
        costs: of the finder.
        amount_in: put into each, token; without it the finder's.
        max_age_ms: states that happened longer ago are not traded on.
    """

    name = "gross"
    wakes = Wake.ALL
    listens = False

    def __init__(self, costs: CostsConfig, amount_in: float | None = None, max_age_ms: int = MAX_AGE_MS) -> None:
        self._costs, self._amount_in, self._max_age_ms = costs, amount_in, max_age_ms
        self._view: View | None = None

    def start(self, view: View) -> None:
        self._view = view

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Not called: the view is enough."""

    def decide(self, now_ms: int) -> list[Order]:
        found = (find_opportunities(pools, self._costs, now_ms, self._amount_in) for pools in _markets(self._view, self._max_age_ms))
        return [Order(one.id, one) for several in found for one in several]

    def settle(self, execution: Execution) -> None:
        """Learns nothing."""


class RuleStrategy:
    """Sends the best route of each pair if it pays after fees, price impact and gas on what is known: the baseline's rule.

    Args:
        costs: of the finder.
        min_profit: net profit must be above it, token.
        amount_in: put into each, token; without it the finder's.
        max_age_ms: states that happened longer ago are not traded on.
    """

    name = "rule"
    wakes = Wake.EDGE  # without an edge after fees nothing pays
    listens = False

    def __init__(
        self, costs: CostsConfig, min_profit: float = 0.0, amount_in: float | None = None, max_age_ms: int = MAX_AGE_MS
    ) -> None:
        self._costs, self._min_profit, self._amount_in, self._max_age_ms = costs, min_profit, amount_in, max_age_ms
        self._view: View | None = None

    def start(self, view: View) -> None:
        self._view = view

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Not called: the view is enough."""

    def decide(self, now_ms: int) -> list[Order]:
        markets = _markets(self._view, self._max_age_ms)
        found = [best for pools in markets if (best := best_opportunity(pools, self._costs, now_ms, self._amount_in)) is not None]
        paying = sorted((one for one in found if one.net_profit > self._min_profit), key=lambda one: (-one.net_profit, one.pair))
        return [Order(one.id, one) for one in paying]

    def settle(self, execution: Execution) -> None:
        """Learns nothing."""


def _markets(view: View | None, max_age_ms: int) -> list[list[Pool]]:
    """Return the fresh states of each pair quoted in the token of the routes, of those with two venues or more."""
    assert view is not None, "start comes first"
    quoted = (view.pools(pair, max_age_ms) for pair in view.pairs if pair.partition("/")[2] == view.token)
    return [pools for pools in quoted if len(pools) > 1]
