"""The opportunities of a dataset as the detector looks at them, each with what had happened before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arbml.dataset import Dataset
from arbml.errors import DataError
from arbml.frames import FeatureFrame
from arbml.models.patterns.balls import Balls
from arbml.models.patterns.conditions import (
    SIGNALS,
    Condition,
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
from arbml.models.patterns.memory import Event, Memory, Watch, watches

Bools: TypeAlias = NDArray[np.bool_]

REACHED = 0.8  # a market event is a value that the highest of one stretch of `memory_ms` in five reaches


@dataclass(frozen=True, eq=False)
class Cases:
    """n opportunities in the order of knowing.

    Attributes:
        ds: where they come from.
        hour, weekday: (n,) UTC. routes: n rows of `Dataset.routes`.
        before: event as a condition names it (name, route of the event or "") -> rows that it was known before.
        thresholds: of the market events.
    """

    ds: Dataset
    hour: NDArray[np.int64]
    weekday: NDArray[np.int64]
    routes: pd.DataFrame
    before: dict[tuple[str, str], NDArray[np.int64]]
    thresholds: dict[str, float]

    @classmethod
    def of(cls, ds: Dataset, features: FeatureFrame | None, memory_ms: int, learn_until_ms: int) -> "Cases":
        """Gather what the rows of a dataset were like.

        Args:
            ds: kind "scorer", with routes.
            features: the rows of every stream, for market events; None for none.
            learn_until_ms: thresholds are learnt from what was known before.

        Raises:
            DataError: if the dataset has no routes.
        """
        if ds.routes is None or ds.economics is None:
            raise DataError(f"the {ds.kind} data set names no routes; patterns are found in that of opportunity_dataset")
        thresholds = {} if features is None else _thresholds(features, memory_ms, learn_until_ms)
        before = _before(ds, features, thresholds, memory_ms)
        return cls(ds, hour_of(ds.ts_ms), weekday_of(ds.ts_ms), ds.routes, before, thresholds)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.ds)

    def meets(self, condition: Condition) -> Bools:
        """Return which rows meet a condition, (n,)."""
        if isinstance(condition, Hours):
            return np.isin(self.hour, condition.hours)
        if isinstance(condition, Weekday):
            return self.weekday == condition.day
        if isinstance(condition, OnRoute):
            return self._is("route", condition.route)
        if isinstance(condition, OnVenues):
            return self._is("venues", condition.venues)
        if isinstance(condition, OnChain):
            return self._is("chain_id", condition.chain_id)
        if isinstance(condition, Near):
            return Balls([condition], self.ds.feature_names).rows_inside(self.ds.X, 0)
        met = np.zeros(len(self), dtype=bool)
        met[self.before.get((condition.event, condition.after), np.empty(0, np.int64))] = True
        return met & self._is("route", condition.route) if condition.route else met

    def among(self, condition: Condition) -> Bools:
        """Return which rows a condition is compared with: all, or for a sequence into a route those on that route."""
        if isinstance(condition, Follows) and condition.route:
            return self._is("route", condition.route)
        return np.ones(len(self), dtype=bool)

    def _is(self, column: str, value: object) -> Bools:
        met: Bools = (self.routes[column] == value).to_numpy(dtype=bool)
        return met


def _thresholds(features: FeatureFrame, memory_ms: int, until_ms: int) -> dict[str, float]:
    """Return for each market event the value (times its sign) that one stretch in five of a pair reaches.

    A plain quantile of the ticks would not do: events cluster, and the memory is many ticks long.
    """
    known_ms = features["ts_known_ms"].to_numpy()
    part = features[known_ms < until_ms]
    if part.empty:
        return {}
    stretch = pd.factorize(part["pair"])[0].astype(np.int64) << 40 | known_ms[known_ms < until_ms] // memory_ms
    groups = np.unique(stretch, return_inverse=True)[1]
    found = {}
    for name, (feature, sign, _) in SIGNALS.items():
        if feature not in part:
            continue
        highest = np.full(groups.max() + 1, -np.inf)
        values = sign * part[feature].to_numpy()
        np.maximum.at(highest, groups[np.isfinite(values)], values[np.isfinite(values)])
        highest = highest[np.isfinite(highest)]
        if len(highest) and highest.min() < highest.max():  # a constant is no event
            found[name] = float(np.quantile(highest, REACHED))
    return found


def _before(
    ds: Dataset, features: FeatureFrame | None, thresholds: dict[str, float], memory_ms: int
) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Let everything become known in its order, and ask at each opportunity what is remembered."""
    assert ds.routes is not None
    assert ds.economics is not None
    names = [] if features is None else [SIGNALS[name].feature for name in thresholds]
    looked_for = watches(list(thresholds.items()), names)
    memory = Memory(looked_for)
    rows: dict[tuple[str, str], list[int]] = {}
    route, pair, success = ds.routes["route"].tolist(), ds.routes["pair"].tolist(), (ds.y[:, 0] > 0.5).tolist()
    pays = (ds.economics["net_profit"].to_numpy() > 0).tolist()
    for ts_ms, kind, number, values in _stream(ds, features, looked_for, names):
        if kind == 0:
            memory.market(values[0], values[1], ts_ms)
        elif kind == 1:
            memory.outcome(route[number], success[number], ts_ms)
        else:
            for event in memory.recent(ts_ms, memory_ms):
                if (named := _as_named(event, pair[number])) is not None:
                    rows.setdefault(named, []).append(number)
            if pays[number]:
                memory.opportunity(route[number], ts_ms)
    return {event: np.array(found, dtype=np.int64) for event, found in rows.items()}


def _as_named(event: Event, pair: str) -> tuple[str, str] | None:
    """Return the event as a condition names it; None for a market event on another pair than the opportunity's."""
    if event.name not in SIGNALS:
        return event.name, event.subject
    return (event.name, "") if event.subject == pair else None


def _stream(
    ds: Dataset, features: FeatureFrame | None, looked_for: Sequence[Watch], names: Sequence[str]
) -> list[tuple[int, int, int, Any]]:
    """Return what became known, in order: ticks that are market events (0), outcomes (1), opportunities (2)."""
    items: list[tuple[int, int, int, Any]] = []
    if features is not None and looked_for:
        values = features[list(names)].to_numpy(dtype=np.float64)
        reached = np.zeros(len(values), dtype=bool)
        for _, column, sign, threshold in looked_for:
            reached |= sign * values[:, column] >= threshold
        at = np.flatnonzero(reached)
        times, pairs = features["ts_known_ms"].to_numpy()[at].tolist(), features["pair"].to_numpy()[at].tolist()
        items += [(t, 0, i, (pair, v)) for t, i, pair, v in zip(times, at.tolist(), pairs, values[at], strict=True)]
    known_ms = np.maximum(ds.label_end_ms, ds.ts_ms + 1)  # an outcome known at once is still none that the decision knew
    items += [(t, 1, i, None) for i, t in enumerate(known_ms.tolist())]
    items += [(t, 2, i, None) for i, t in enumerate(ds.ts_ms.tolist())]
    items.sort(key=lambda item: item[:3])
    return items
