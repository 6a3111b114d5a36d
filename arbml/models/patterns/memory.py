"""What happened lately, as far as it was known: the events that a sequence begins with. The same for detection and live."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arbml.models.patterns.conditions import ROUTE_EVENTS, SIGNALS


class Event(NamedTuple):
    """Something that happened: a name of SIGNALS on a pair, crossing `threshold`, or one of ROUTE_EVENTS on a route."""

    name: str
    subject: str
    threshold: float | None = None


class Watch(NamedTuple):
    """A market event to look out for: a column of the features, times `sign`, at or above `threshold`."""

    name: str
    column: int
    sign: int
    threshold: float


def watches(thresholds: Collection[tuple[str, float]], feature_names: Sequence[str]) -> tuple[Watch, ...]:
    """Return what to look out for in feature vectors with these names.

    Args:
        thresholds: (name of SIGNALS, threshold), the latter on sign x value; an event whose feature is not there is left out.
    """
    places = {name: i for i, name in enumerate(feature_names)}
    known = [(name, SIGNALS[name], limit) for name, limit in sorted(thresholds) if SIGNALS[name].feature in places]
    return tuple(Watch(name, places[signal.feature], signal.sign, limit) for name, signal, limit in known)


class Memory:
    """The last two times of each event. Bounded: by the events asked for, or by the routes and pairs that there are.

    Two times, not one: an opportunity does not count for another of the same moment, and the one before must not be lost.

    Args:
        market: market events to look out for.
        only: keep no other route events than these; None keeps all.

    >>> memory = Memory()
    >>> memory.note(Event("success", "r"), 1_000)
    >>> memory.holds(Event("success", "r"), 31_000, 30_000), memory.holds(Event("success", "r"), 31_001, 30_000)
    (True, False)
    """

    def __init__(self, market: Sequence[Watch] = (), only: Collection[Event] | None = None) -> None:
        self._market = tuple(market)
        self._only = None if only is None else frozenset(only)
        self._times: dict[Event, tuple[int, int]] = {}

    @property
    def watches_market(self) -> bool:
        """False where no market event is looked out for."""
        return bool(self._market)

    def market(self, pair: str, values: NDArray[np.float64], known_ms: int) -> None:
        """Take in the features of one tick, when they became known, UTC ms."""
        for name, column, sign, threshold in self._market:
            if sign * values[column] >= threshold:  # NaN is not
                self.note(Event(name, pair, threshold), known_ms)

    def opportunity(self, route: str, ts_ms: int) -> None:
        """Take in an opportunity that promised to pay its costs, when it was judged."""
        self._note_route(Event("opportunity", route), ts_ms)

    def outcome(self, route: str, success: bool, known_ms: int) -> None:
        """Take in what became of an attempt, when it was known."""
        self._note_route(Event("success" if success else "loss", route), known_ms)

    def note(self, event: Event, ts_ms: int) -> None:
        """Remember when an event became known."""
        last, before = self._times.pop(event, (-1, -1))
        self._times[event] = (ts_ms, last) if ts_ms > last else (last, max(before, ts_ms) if ts_ms < last else before)

    def holds(self, event: Event, ts_ms: int, memory_ms: int) -> bool:
        """Return whether an event was known at `ts_ms` and at most `memory_ms` old."""
        held = self._times.get(event)
        if held is None:
            return False
        latest = ts_ms - 1 if event.name == "opportunity" else ts_ms
        time = held[0] if held[0] <= latest else held[1]
        return 0 <= time <= latest and ts_ms - time <= memory_ms

    def recent(self, ts_ms: int, memory_ms: int) -> Iterator[Event]:
        """Yield every event that holds; for events noted in the order of time, as detection does."""
        for event in reversed(self._times):
            if ts_ms - self._times[event][0] > memory_ms:
                break  # all others were noted before
            if self.holds(event, ts_ms, memory_ms):
                yield event

    def _note_route(self, event: Event, ts_ms: int) -> None:
        assert event.name in ROUTE_EVENTS
        if self._only is None or event in self._only:
            self.note(event, ts_ms)
