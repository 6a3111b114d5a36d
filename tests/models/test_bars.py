"""Irregular ticks to bars, against the obvious way; and the counting of bars in datasets with holes."""

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.dataset.volatility import GAP_BARS
from arbml.labels import STALE_MS
from arbml.models.bars import SILENCE_BARS, SILENCE_MS, RegularBars, series_of

tick = st.tuples(st.one_of(st.integers(0, 3), st.integers(0, 30_000), st.sampled_from([5000, 700_000])), st.floats(0.5, 2.0))
ticks = st.lists(tick, min_size=1, max_size=40)


def test_silence_is_what_the_dataset_calls_a_gap() -> None:
    assert (SILENCE_MS, SILENCE_BARS) == (STALE_MS, GAP_BARS)


def by_definition(moments: list[tuple[int, float]], step_ms: int) -> list[tuple[float, int]]:
    """All bars known after the last tick: price as of each end, none in a gap."""
    start, last = moments[0][0], moments[-1][0]
    prices = []
    for end in range(start, last + 1, step_ms):
        ts, price = [m for m in moments if m[0] <= end][-1]
        prices.append(price if end - ts <= max(STALE_MS, GAP_BARS * step_ms) else math.nan)
    out, since = [], 0
    for before, after in itertools.pairwise(prices):
        since += 1
        if not math.isnan(before) and not math.isnan(after):
            out.append((math.log(after / before), since))
            since = 0
    return out


@given(ticks, st.sampled_from([1, 5, 60]))
@settings(max_examples=300, deadline=None)
def test_equals_the_definition_also_after_dump_and_load(steps: list[tuple[int, float]], step_s: int) -> None:
    bars, ts_ms, found = RegularBars(step_s), 1_000_003, []
    moments: list[tuple[int, float]] = []
    for number, (gap, price) in enumerate(steps):
        ts_ms += gap
        moments.append((ts_ms, price))
        if number == len(steps) // 2:
            again = RegularBars(step_s)
            again.load(json.loads(json.dumps(bars.dump(), allow_nan=False)))
            bars = again
        revised = bars.revise(ts_ms, price)
        if revised is not None:
            found[-1] = tuple(revised)
        found += [tuple(bar) for bar in bars.update(ts_ms, price)]
    assert found == by_definition(moments, step_s * 1000)


def test_late_and_impossible_ticks_change_nothing() -> None:
    bars = RegularBars(5)
    bars.update(0, 1.0)
    bars.update(12_000, 2.0)
    before = bars.dump()
    for ts_ms, price in ((11_999, 9.0), (10_000, 9.0), (13_000, 0.0), (13_000, -1.0), (13_000, math.nan), (13_000, math.inf)):
        assert bars.revise(ts_ms, price) is None
        assert bars.update(ts_ms, price) == []
    assert bars.dump() == before


def test_a_year_of_silence_costs_little() -> None:
    bars = RegularBars(1)
    bars.update(0, 1.0)
    year_ms = 365 * 86_400_000
    assert len(bars.update(year_ms, 2.0)) == SILENCE_MS // 1000
    (bar,) = bars.update(year_ms + 1000, 2.0)
    assert bar.step == year_ms // 1000 + 1 - SILENCE_MS // 1000


def test_holes_between_rows_are_counted_and_jitter_is_not(make: Any) -> None:
    ds = make.bars(200, streams=1)
    steps = next(series_of(ds.take(np.r_[0:50, 110:200]))).steps
    assert steps[50] == 61
    assert np.delete(steps, 50).tolist() == [1] * 139
    jittered = make.replace(ds, ts_ms=ds.ts_ms + np.random.default_rng(0).integers(0, 5000, 200).cumsum() % 5000)
    assert next(series_of(jittered)).steps.tolist() == [1] * 200
    burst = ds.ts_ms.copy()
    burst[10:20] = burst[19]  # ten bars that became known with one tick
    assert next(series_of(make.replace(ds, ts_ms=burst))).steps.tolist() == [1] * 200


def test_streams_are_kept_apart(make: Any) -> None:
    ds = make.bars(50, streams=3)
    for number, series in enumerate(series_of(ds)):
        assert series.stream == f"v{number}|W/U"
        assert series.log_returns == pytest.approx(ds.X[number::3, 0])
