"""Which patterns a live opportunity meets. Numpy and plain Python: this is what the service runs, in microseconds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arbml.features.spec import FEATURE_NAMES, SCORER_FEATURE_NAMES
from arbml.market import Opportunity
from arbml.models.patterns.balls import Balls
from arbml.models.patterns.conditions import (
    SIGNALS,
    Follows,
    Hours,
    Near,
    OnChain,
    OnRoute,
    OnVenues,
    Weekday,
    hour_of,
    weekday_of,
)
from arbml.models.patterns.memory import Event, Memory, watches
from arbml.models.patterns.pattern import Pattern

MOST_SAID = 5  # patterns in one answer


@dataclass(frozen=True, slots=True)
class Case:
    """A live opportunity, as patterns look at it.

    Attributes:
        ts_ms: when it is judged, UTC ms.
        route, venues, pair: names, as `Route` gives them, and the pair of the first leg.
        chain_id: of the entry venue, None if no tick said it.
        pays: whether it promises a profit after its costs.
        x: (f,) inputs of the scorer; None where nothing was observed of the entry stream.
    """

    ts_ms: int
    route: str
    venues: str
    pair: str
    chain_id: int | None
    pays: bool
    x: NDArray[np.float64] | None

    @classmethod
    def of(cls, opportunity: Opportunity, chain_id: int | None, x: NDArray[np.float64] | None) -> "Case":
        """Return an opportunity as patterns look at it."""
        route = opportunity.route
        return cls(opportunity.ts_ms, route.name, route.venues, opportunity.pair, chain_id, opportunity.net_profit > 0, x)


class PatternMatcher:
    """Remembers what its patterns need of the past, and tells which of them an opportunity meets. One caller at a time.

    Args:
        patterns: active ones; those of the same key count once.
        names: columns of the inputs `Case.x`. market_names: columns of the feature vectors that `observe` gets.
    """

    def __init__(
        self, patterns: Iterable[Pattern], names: Sequence[str] = SCORER_FEATURE_NAMES, market_names: Sequence[str] = FEATURE_NAMES
    ) -> None:
        self.patterns = tuple(sorted({one.key: one for one in patterns}.values(), key=lambda p: p.order))
        self._said = tuple(pattern.text for pattern in self.patterns)
        self._facts: dict[tuple[str, object], list[int]] = {}
        self._follows: dict[str, list[tuple[int, Follows, Event | None]]] = {}
        balls: list[tuple[int, Near]] = []
        for rank, pattern in enumerate(self.patterns):
            if isinstance(pattern.condition, Follows):
                self._follows.setdefault(pattern.condition.route, []).append((rank, pattern.condition, _own_event(pattern.condition)))
            elif isinstance(pattern.condition, Near):
                balls.append((rank, pattern.condition))
            else:
                for fact in _facts(pattern.condition):
                    self._facts.setdefault(fact, []).append(rank)
        self._ball_ranks = np.array([rank for rank, _ in balls], dtype=np.int64)
        self._balls = Balls([near for _, near in balls], names)
        self._memory = _memory(self._sequences(), market_names)

    @property
    def wants_outcomes(self) -> bool:
        """True if a pattern begins with what became of an attempt."""
        return any(follows.event in ("success", "loss") for follows in self._sequences())

    def observe(self, pair: str, values: NDArray[np.float64], known_ms: int) -> None:
        """Take in the features of one tick of a pair, (n_features,), when they became known, UTC ms."""
        if self._memory.watches_market:
            self._memory.market(pair, values, known_ms)

    def outcome(self, route: str, success: bool, known_ms: int) -> None:
        """Take in what became of an attempt on a route, when it became known, UTC ms."""
        self._memory.outcome(route, success, known_ms)

    def judged(self, case: Case) -> None:
        """Take in an opportunity that was judged, for those that follow; after `match`."""
        if case.pays:
            self._memory.opportunity(case.route, case.ts_ms)

    def match(self, case: Case) -> tuple[Pattern, ...]:
        """Return every pattern that an opportunity meets, best first."""
        return tuple(self.patterns[rank] for rank in self._ranks(case))

    def say(self, case: Case) -> tuple[str, ...]:
        """Return the best of the patterns that an opportunity meets in words, at most MOST_SAID."""
        return tuple(self._said[rank] for rank in self._ranks(case)[:MOST_SAID]) if self.patterns else ()

    def _ranks(self, case: Case) -> list[int]:
        met: list[int] = []
        for fact in (
            ("hour", hour_of(case.ts_ms)), ("weekday", weekday_of(case.ts_ms)), ("route", case.route), ("venues", case.venues),
            ("chain", case.chain_id),
        ):  # fmt: skip
            met += self._facts.get(fact, ())
        for route in (case.route, ""):
            for rank, follows, own in self._follows.get(route, ()):
                event = own or Event(follows.event, case.pair, follows.threshold)
                if self._memory.holds(event, case.ts_ms, follows.memory_ms):
                    met.append(rank)
        if case.x is not None and len(self._ball_ranks):
            met += self._ball_ranks[self._balls.inside(case.x)].tolist()
        return sorted(met)

    def _sequences(self) -> list[Follows]:
        return [pattern.condition for pattern in self.patterns if isinstance(pattern.condition, Follows)]


def _facts(condition: Hours | Weekday | OnRoute | OnVenues | OnChain) -> list[tuple[str, object]]:
    """Return the plain facts any one of which meets a condition."""
    if isinstance(condition, Hours):
        return [("hour", hour) for hour in condition.hours]
    if isinstance(condition, Weekday):
        return [("weekday", condition.day)]
    if isinstance(condition, OnRoute):
        return [("route", condition.route)]
    return [("venues", condition.venues)] if isinstance(condition, OnVenues) else [("chain", condition.chain_id)]


def _own_event(follows: Follows) -> Event | None:
    """Return what a sequence begins with; None for a market event, which is one of the opportunity's pair."""
    return None if follows.event in SIGNALS else Event(follows.event, follows.after)


def _memory(follows: Sequence[Follows], market_names: Sequence[str]) -> Memory:
    """Return a memory of just what the sequences begin with."""
    market = {(one.event, one.threshold) for one in follows if one.event in SIGNALS and one.threshold is not None}
    routes = {Event(one.event, one.after) for one in follows if one.event not in SIGNALS}
    return Memory(watches(market, market_names), routes)
