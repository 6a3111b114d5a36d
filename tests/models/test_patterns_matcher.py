"""Live matching and detection see the same; nothing is matched by what was not known yet."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.dataset import Dataset
from arbml.features import FEATURE_NAMES, SCORER_FEATURE_NAMES
from arbml.frames import FeatureFrame
from arbml.market import Leg, Opportunity, Route
from arbml.models.patterns import Case, Pattern, PatternMatcher, Sample
from arbml.models.patterns.balls import Balls, standardised
from arbml.models.patterns.cases import Cases
from arbml.models.patterns.conditions import Condition, Follows, Hours, Near, OnChain, OnRoute, OnVenues, Weekday
from arbml.models.patterns.matcher import MOST_SAID
from arbml.models.patterns.memory import Event, Memory
from tests.models.worlds import MARKET, NAMES, PAIR, ROUTES, START_MS, case, lived, ticks_of, world

SAMPLE = Sample(0, 1, 100, 70, 400, 200, 0.6, 0.79, 40, 0.001)
MEMORY_MS = 300_000


def pattern(condition: Condition, low: float = 0.6) -> Pattern:
    sample = replace(SAMPLE, low=low)
    return Pattern(condition.key, condition, sample, sample, 0.01, "USDC", "fs-1", "hash")


def every_kind(threshold: float) -> list[Condition]:
    sequences = [Follows(event, after, route, MEMORY_MS) for event in ("success", "loss", "opportunity") for after in ROUTES[:3]
                 for route in ("", ROUTES[1])]
    market = [Follows("gas_spike", "", route, MEMORY_MS, threshold) for route in ("", ROUTES[2])]
    near = [Near(NAMES[:3], (0.0, 0.1, 0.0), (1.0, 1.2, 0.9), centre, 1.4) for centre in ((0.0, 0.0, 0.0), (1.0, -1.0, 0.5))]
    plain = [Hours(22, 3), Hours(9, 9), Weekday(0), Weekday(5), OnRoute(ROUTES[0]), OnVenues("buy:b>sell:c"), OnChain(1), OnChain(9)]
    return [*sequences, *market, *near, *plain]


def replayed(ds: Dataset, features: FeatureFrame, conditions: Sequence[Condition]) -> list[set[str]]:
    """Match row by row, everything in the order in which it became known, as the service does."""
    assert ds.routes is not None
    matcher = PatternMatcher([pattern(one) for one in conditions], NAMES, MARKET)
    values, known_ms = features[list(MARKET)].to_numpy(), features["ts_known_ms"].tolist()
    pairs, route = features["pair"].tolist(), ds.routes["route"].tolist()
    steps = [(t, 0, i) for i, t in enumerate(known_ms)] + [(int(t), 1, i) for i, t in enumerate(ds.label_end_ms)]
    steps += [(int(t), 2, i) for i, t in enumerate(ds.ts_ms)]
    met: list[set[str]] = [set() for _ in route]
    for ts_ms, kind, i in sorted(steps):
        if kind == 0:
            matcher.observe(pairs[i], values[i], ts_ms)
        elif kind == 1:
            matcher.outcome(route[i], bool(ds.y[i, 0]), ts_ms)
        else:
            met[i] = {one.key for one in matcher.match(case(ds, i))}
            matcher.judged(case(ds, i))
    return met


def test_row_by_row_gives_the_matches_of_the_batch() -> None:
    made = world(1_200, every_s=90)
    made.X[::7, 0], made.X[::11, 2] = np.nan, np.inf
    ts_ms = made.ts_ms.copy()
    ts_ms[100:400:3] = ts_ms[101:401:3]  # several in one moment
    ds = lived(replace(made, ts_ms=ts_ms), label_s=45)
    ticks = ticks_of(made, made.ts_ms[5:1100:40] - 50_000)
    cases = Cases.of(ds, ticks, MEMORY_MS, learn_until_ms=int(made.ts_ms[700]))
    conditions = every_kind(cases.thresholds["gas_spike"])
    live = replayed(ds, ticks, conditions)
    seen = 0
    for condition in conditions:
        batch = cases.meets(condition)
        assert batch.tolist() == [condition.key in met for met in live], condition
        seen += bool(batch.any() and not batch.all())
    assert seen >= len(conditions) - 2, "hardly any condition was put to the test"


def test_the_future_changes_no_match() -> None:
    made = world(600, every_s=90)
    ds = lived(made, label_s=45)
    ticks = ticks_of(made, made.ts_ms[5:500:40] - 50_000)
    cut = 300
    y = ds.y.copy()
    y[cut:] = 1 - y[cut:]
    changed = replace(ds, y=y, routes=ds.routes.assign(route=[*made.route[:cut], *made.route[cut:][::-1]]))  # type: ignore[union-attr]
    later = ticks["ts_known_ms"] > ds.ts_ms[cut]
    other = ticks.assign(mempool_congestion=ticks["mempool_congestion"].where(~later, 0.9))
    learn_ms = int(ds.ts_ms[cut - 50])
    before, after = (Cases.of(*one, MEMORY_MS, learn_ms) for one in ((ds, ticks), (changed, other)))
    assert before.thresholds == after.thresholds
    for condition in every_kind(before.thresholds["gas_spike"]):
        assert before.meets(condition)[:cut].tolist() == after.meets(condition)[:cut].tolist()


def test_an_outcome_known_at_once_says_nothing_of_its_own_opportunity() -> None:
    ds = lived(world(200, every_s=900), label_s=0)
    cases = Cases.of(ds, None, MEMORY_MS, int(ds.ts_ms[-1]))
    known = cases.meets(Follows("success", ROUTES[0], ROUTES[0], MEMORY_MS))
    same = np.array([i > 0 and ds.ts_ms[i] - ds.ts_ms[i - 1] <= MEMORY_MS for i in range(len(ds))])
    assert known.sum() <= (same & (ds.routes["route"] == ROUTES[0])).sum()  # type: ignore[index]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=30), st.integers(0, 500), st.integers(1, 100))
def test_memory_in_order_is_the_last_time_before(notes: list[tuple[int, bool]], now: int, memory: int) -> None:
    notes = sorted(notes)
    for name, latest in (("success", now), ("opportunity", now - 1)):
        kept = Memory()
        for time, ours in notes:
            if time <= now:
                kept.note(Event(name, "r" if ours else "other"), time)
        times = [time for time, ours in notes if ours and time <= latest]
        assert kept.holds(Event(name, "r"), now, memory) == (bool(times) and now - times[-1] <= memory)
        expected = {Event(name, "r")} if kept.holds(Event(name, "r"), now, memory) else set()
        assert {event for event in kept.recent(now, memory) if event.subject == "r"} == expected


def test_one_row_and_many_are_in_the_same_balls_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_t(2, (500, 37)) * np.geomspace(1e-6, 1e6, 37)
    X[rng.random(X.shape) < 0.05] = np.nan
    names = tuple(f"f{i}" for i in range(37))
    scale = tuple(np.geomspace(1e-6, 1e6, 30).tolist())
    centres = rng.normal(size=(5, 30))
    z = standardised(X[:, :30], np.zeros(30), np.array(scale))
    radii = np.median(np.sqrt(((z[None] - centres[:, None]) ** 2).sum(axis=2)), axis=1)
    balls = [Near(names[:30], (0.0,) * 30, scale, tuple(c), r) for c, r in zip(centres.tolist(), radii.tolist(), strict=True)]
    together = Balls(balls, names)
    one_by_one = np.array([together.inside(row) for row in X])
    for number, ball in enumerate(balls):
        alone = Balls([ball], names).rows_inside(X, 0)
        assert alone.tolist() == together.rows_inside(X, number).tolist() == one_by_one[:, number].tolist()
        assert 0 < alone.sum() < len(X)


def test_a_row_that_hardly_knows_anything_is_in_no_cluster() -> None:
    near = Near(("a", "b", "c", "d"), (0.0,) * 4, (1.0,) * 4, (0.0,) * 4, 3.0)
    balls = Balls([near], ("a", "b", "c", "d", "e"))
    assert balls.inside(np.array([0.0, 0.0, 0.0, np.nan, np.nan])).tolist() == [True]
    assert balls.inside(np.array([0.0, 0.0, np.nan, np.nan, 0.0])).tolist() == [False]
    assert balls.inside(np.full(5, 1e308)).tolist() == [False]
    assert Balls([near], ("a", "b", "c")).inside(np.zeros(3)).tolist() == [False], "an input that there is not"
    assert Balls([], ("a",)).inside(np.zeros(1)).tolist() == []


def opportunity(ts_ms: int = START_MS, net_profit: float = 5.0) -> Opportunity:
    legs = tuple(Leg(venue, PAIR, side, 5.0, 1.0, 1.0, 2000.0) for venue, side in (("a", "buy"), ("b", "sell")))
    return Opportunity(ts_ms, PAIR, Route(legs), "USDC", 1000.0, 8.0, 1.0, 1.0, 1.0, net_profit, 0.7, 10.0, 240_000, 60.0)


def test_a_live_opportunity_is_told_the_best_patterns_first_and_not_too_many() -> None:
    route = opportunity().route
    conditions: list[Condition] = [Hours(0, 5), Weekday(0), OnRoute(route.name), OnVenues(route.venues), OnChain(1), OnChain(2),
                                   Near(SCORER_FEATURE_NAMES[:1], (0.0,), (1.0,), (0.0,), 9.0)]
    lows = [0.51, 0.55, 0.60, 0.59, 0.52, 0.9, 0.58]
    several = [pattern(one, low) for one, low in zip(conditions, lows, strict=True)]
    matcher = PatternMatcher([*several, several[0]])
    x = np.zeros(len(SCORER_FEATURE_NAMES))
    met = matcher.match(Case.of(opportunity(), 1, x))
    assert [one.key for one in met] == [several[i].key for i in (2, 3, 6, 1, 4, 0)]
    said = matcher.say(Case.of(opportunity(), 1, x))
    assert said == tuple(one.text for one in met[:MOST_SAID])
    assert said[0] == "venue:buy a > sell b WETH/USDC: hit rate 0.70 (0.60-0.79) against 0.50, n 100"
    assert PatternMatcher(reversed(several)).say(Case.of(opportunity(), 1, x)) == said
    blind = [one.kind for one in matcher.match(Case.of(opportunity(), None, None))]
    assert blind == ["venue", "venue", "time", "time"]
    assert PatternMatcher([]).say(Case.of(opportunity(), 1, x)) == ()


def test_only_what_patterns_begin_with_is_remembered() -> None:
    success = pattern(Follows("success", "r", "", 60_000))
    matcher = PatternMatcher([success, pattern(Hours(0, 1))])
    assert matcher.wants_outcomes
    assert not PatternMatcher([pattern(Hours(0, 1))]).wants_outcomes
    for i in range(1_000):
        matcher.outcome(f"route {i}", True, START_MS)
        matcher.observe(PAIR, np.full(len(FEATURE_NAMES), 1e9), START_MS)
        matcher.judged(Case.of(opportunity(START_MS - i), None, None))
    assert len(matcher._memory._times) == 0
    matcher.outcome("r", True, START_MS)
    assert success in matcher.match(Case.of(opportunity(START_MS + 60_000), None, None))
    assert success not in matcher.match(Case.of(opportunity(START_MS + 60_001), None, None))
    assert success not in matcher.match(Case.of(opportunity(START_MS - 1), None, None))


@pytest.mark.parametrize("band", [Hours(22, 1), Hours(0, 0), Hours(5, 16)])
def test_a_band_covers_its_hours_and_no_other(band: Hours) -> None:
    matcher = PatternMatcher([pattern(band)])
    met = [bool(matcher.match(Case.of(opportunity(START_MS + 3_600_000 * hour + 1), None, None))) for hour in range(24)]
    assert [hour for hour, yes in enumerate(met) if yes] == sorted(band.hours)
