"""What the period of discovery suggests: conditions that were met often enough and paid more often than usual."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from arbml.config import PatternsConfig
from arbml.errors import NotEnoughData
from arbml.models.patterns.balls import standardised
from arbml.models.patterns.cases import Cases
from arbml.models.patterns.conditions import Condition, Follows, Hours, Near, OnChain, OnRoute, OnVenues, Weekday
from arbml.models.patterns.pattern import Sample
from arbml.models.patterns.significance import By, Period
from arbml.models.scaler import InputScaler

WARM = 0.25            # p-value up to which an hour may be part of a band
PROMISING = 0.1        # p-value up to which a condition is a candidate
LONGEST_BAND = 12      # hours; more is no time of day
SAME = 0.8             # of two candidates of one kind that share so much (Jaccard), the less clear one is left out
FIT_ROWS = 5_000       # of a k-means, spread evenly
INSIDE = 0.8           # part of a cluster's rows that its ball holds: outliers would make it reach into others
CALENDAR = ("hour_of_day", "day_of_week")  # inputs that are patterns of time, not of the market


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A condition, the rows of the period of discovery that meet it, and what it came to there."""

    condition: Condition
    meets: NDArray[np.bool_]
    found: Sample


def tested_by(condition: Condition) -> By:
    """Return what the independent units of a condition's test are."""
    return "days" if isinstance(condition, Hours) else "weekdays" if isinstance(condition, Weekday) else "blocks"


def pays(sample: Sample | None) -> bool:
    """Return whether the hit rate is above the base rate, and the mean profit, where known, above zero."""
    return sample is not None and sample.hit_rate > sample.base_rate and (sample.profit is None or sample.profit > 0)


def candidates(cases: Cases, period: Period, config: PatternsConfig, seed: int) -> tuple[list[Candidate], int, list[str]]:
    """Return the candidates of each kind, how many conditions were looked at, and notes.

    Args:
        cases: of the period of discovery. period: the same rows.
    """
    found: list[Candidate] = []
    looked_at, notes = 0, list[str]()
    for conditions in (_times(cases, period), _venues(cases), _sequences(cases, config), _clusters(cases, config, seed, notes)):
        kind: list[Candidate] = []
        for condition in conditions:
            meets, among = cases.meets(condition), cases.among(condition)
            if min(meets.sum(), (among & ~meets).sum()) < config.min_support:
                continue
            looked_at += 1
            sample = period.measure(meets, among, tested_by(condition))
            if sample is not None and sample.p_value <= PROMISING and pays(sample):
                kind.append(Candidate(condition, meets, sample))
        found += _distinct(kind)
    return found, looked_at, notes


def _distinct(kind: list[Candidate]) -> list[Candidate]:
    """Leave out what is nearly the same as a clearer one: it would only be the same finding under a second name."""
    kept: list[Candidate] = []
    for one in sorted(kind, key=lambda c: (c.found.p_value, -c.found.support, c.condition.key)):
        if all(overlap(one.meets, other.meets) < SAME for other in kept):
            kept.append(one)
    return kept


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the Jaccard index of two sets of rows: what they share over what either has; 0 for two empty ones."""
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 0.0


def _times(cases: Cases, period: Period) -> Iterator[Condition]:
    """Yield bands of warm hours and the days of the week.

    An hour is warm if its hit rate lies above the base rate with a p-value of at most WARM. Warm hours that follow each other,
    also over midnight, are one band.
    """
    warm = np.zeros(24, dtype=bool)
    for hour in range(24):
        sample = period.measure(cases.hour == hour, by="days")
        warm[hour] = sample is not None and sample.p_value <= WARM and sample.hit_rate > sample.base_rate
    for first in np.flatnonzero(warm & ~np.roll(warm, 1)).tolist():
        length = int(np.argmin(np.roll(warm, -first)))
        if length <= LONGEST_BAND:
            yield Hours(first, (first + length - 1) % 24)
    yield from (Weekday(day) for day in range(7))


def _venues(cases: Cases) -> Iterator[Condition]:
    """Yield every route, every order of venues that has several routes, and every chain."""
    named = cases.routes[["route", "venues"]].drop_duplicates()
    yield from (OnRoute(route) for route in sorted(named["route"]))
    several = named["venues"].value_counts()
    yield from (OnVenues(venues) for venues in sorted(several[several > 1].index))
    yield from (OnChain(int(chain)) for chain in sorted(cases.routes["chain_id"].dropna().unique()))


def _sequences(cases: Cases, config: PatternsConfig) -> Iterator[Condition]:
    """Yield each event before any route, and before each route that it was known before often enough."""
    route = cases.routes["route"].to_numpy(dtype=object)
    memory_ms = config.memory_s * 1000
    for (event, after), rows in sorted(cases.before.items()):
        follows = Follows(event, after, "", memory_ms, cases.thresholds.get(event))
        yield follows
        routes, counts = np.unique(route[rows], return_counts=True)
        for name in routes[counts >= config.min_support].tolist():
            yield dataclasses.replace(follows, route=name)


def _clusters(cases: Cases, config: PatternsConfig, seed: int, notes: list[str]) -> Iterator[Condition]:
    """Yield a ball around each centre of k-means on the scaled market and route inputs, without the calendar."""
    from arbml.models.patterns.clustering import centres

    X, names = cases.ds.X, cases.ds.feature_names
    clusters = min(config.clusters, len(X) // config.min_support)
    try:
        scaler = InputScaler.fit(X, names)
    except NotEnoughData:
        notes.append("no clusters: no input varies")
        return
    kept = tuple(name for name in scaler.kept if not name.startswith(CALENDAR))
    if clusters < 2 or not kept:
        notes.append(f"no clusters: {len(X)} opportunities, {config.min_support} needed in each of two")
        return
    median, scale = (np.array([getattr(scaler.columns[name], what) for name in kept]) for what in ("median", "scale"))
    z = standardised(X[:, [names.index(name) for name in kept]], median, scale)
    found = centres(z[:: -(-len(z) // FIT_ROWS)], clusters, seed)
    distance = np.sqrt(np.stack([((z - centre) ** 2).sum(axis=1) for centre in found]))
    nearest = distance.argmin(axis=0)
    for number, centre in enumerate(found):
        own = distance[number, nearest == number]
        if len(own):
            radius = float(np.quantile(own, INSIDE))
            yield Near(kept, tuple(median.tolist()), tuple(scale.tolist()), tuple(centre.tolist()), radius)
