"""The tests of the patterns keep their level, on rows that share their fate too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import binomtest, false_discovery_control

from arbml.models.patterns.conditions import DAY_MS
from arbml.models.patterns.significance import Period, block_bins, hit_rate_interval, mean_interval, q_values

HOUR_MS = 3_600_000


def period(success: np.ndarray, every_ms: int, seed: int = 0) -> Period:
    ts_ms = np.arange(len(success), dtype=np.int64) * every_ms
    return Period(ts_ms, success.astype(np.float64), np.full(len(success), np.nan), 5_000, 2_000, seed)


def persistent(n: int, rng: np.random.Generator, half_life: float) -> np.ndarray:
    keep = 0.5 ** (1 / half_life)
    path: np.ndarray = lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.normal(size=n))
    return path


@pytest.mark.parametrize("half_life", [0.1, 30.0])
def test_the_level_holds_when_success_and_condition_come_in_regimes(half_life: float) -> None:
    rng = np.random.default_rng(1)
    p_values, naive = [], []
    for i in range(200):
        y = rng.random(1_500) < 1 / (1 + np.exp(-1.5 * persistent(1_500, rng, half_life)))
        m = persistent(1_500, rng, half_life) > 0.7
        found = period(y, 60_000, i).measure(m)
        assert found is not None
        p_values.append(found.p_value)
        naive.append(binomtest(int(y[m].sum()), int(m.sum()), y.mean(), "greater").pvalue)
    assert np.mean(np.array(p_values) < 0.05) < 0.1
    assert np.mean(np.array(p_values) < 0.5) == pytest.approx(0.5, abs=0.12)
    if half_life > 1:
        assert np.mean(np.array(naive) < 0.05) > 0.2, "independent rows would have been believed"


def test_a_time_of_day_is_judged_by_days() -> None:
    rng = np.random.default_rng(0)
    p_values = []
    for i in range(150):
        days = np.repeat(rng.normal(0, 1.5, 12), 96)  # a fate for each day
        hours = np.repeat(rng.normal(0, 1.0, 12 * 24), 4)  # and for each hour of it
        y = rng.random(12 * 96) < 1 / (1 + np.exp(-days - hours))
        one = period(y, DAY_MS // 96, i)
        found = one.measure(one.ts_ms // HOUR_MS % 24 == 9, by="days")
        assert found is not None
        assert found.blocks == 12
        p_values.append(found.p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.1


def test_a_day_of_the_week_is_judged_by_permuting_days() -> None:
    rng = np.random.default_rng(0)
    p_values = []
    for i in range(150):
        y = rng.random(36 * 24) < 1 / (1 + np.exp(-np.repeat(rng.normal(0, 1.5, 36), 24)))
        one = period(y, HOUR_MS, i)
        found = one.measure(one.ts_ms // DAY_MS % 7 == 2, by="weekdays")
        assert found is not None
        p_values.append(found.p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.1
    short = period(rng.random(10 * 24) < 0.5, HOUR_MS)
    assert short.measure(short.ts_ms // DAY_MS % 7 == 2, by="weekdays") is None


def test_what_a_period_cannot_tell_it_does_not() -> None:
    y = np.random.default_rng(0).random(400) < 0.5
    one = period(y, 60_000)
    assert one.measure(np.zeros(400, dtype=bool)) is None
    assert one.measure(np.ones(400, dtype=bool)) is None
    assert period(np.ones(400), 60_000).measure(y) is None
    assert period(y, 100).measure(y[::-1]) is None, "eight labels of 5 s are no sixteen blocks"
    assert one.measure(y, by="days") is None


def test_tests_do_not_depend_on_those_before_them() -> None:
    rng = np.random.default_rng(0)
    y, several = persistent(2_000, rng, 80) > 0, [persistent(2_000, rng, h) > 1 for h in (0.1, 5, 80)]
    alone = [period(y, 60_000).measure(m) for m in several]
    shared = period(y, 60_000)
    assert [shared.measure(m) for m in reversed(several)] == alone[::-1]
    assert len({found.blocks for found in alone if found is not None}) > 1


def test_blocks_grow_with_persistence_and_leave_enough_of_them() -> None:
    rng = np.random.default_rng(0)
    assert block_bins(rng.normal(size=512)) <= 8
    assert block_bins(persistent(512, rng, 20)) > 8
    assert block_bins(np.cumsum(rng.normal(size=512))) == 32
    assert block_bins(np.zeros(100)) == 1
    assert block_bins(np.ones(16)) == 1


def test_intervals_widen_when_rows_repeat_each_other() -> None:
    rng = np.random.default_rng(0)
    hits = (rng.random(40) < 0.6).astype(np.float64)
    apart = hit_rate_interval(hits, np.arange(40))
    repeated = hit_rate_interval(np.repeat(hits, 10), np.repeat(np.arange(40), 10))
    believed = hit_rate_interval(np.repeat(hits, 10), np.arange(400))
    assert repeated == pytest.approx(apart, abs=0.02)
    assert believed[1] - believed[0] < 0.5 * (repeated[1] - repeated[0])
    reference = binomtest(int(hits.sum()), 40).proportion_ci(0.95, "wilson")
    assert apart == pytest.approx((reference.low, reference.high), abs=0.01)
    assert hit_rate_interval(np.ones(10), np.arange(10))[1] == pytest.approx(1.0)
    assert 0.6 < hit_rate_interval(np.ones(10), np.arange(10))[0] < 0.75
    values = rng.normal(3, 1, 30)
    mean, low, high = mean_interval(np.repeat(values, 5), np.repeat(np.arange(30), 5))
    assert mean == pytest.approx(values.mean())
    half = 2.045 * values.std(ddof=1) / 30**0.5
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-3)
    assert mean_interval(values, np.zeros(30, np.int64)) == (None, None, None)
    assert mean_interval(np.empty(0), np.empty(0, np.int64)) == (None, None, None)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30))
def test_q_values_are_those_of_scipy(p_values: list[float]) -> None:
    assert q_values(np.array(p_values)) == pytest.approx(false_discovery_control(p_values))
