"""Bounded memory, the injected clock, and figures that can be checked by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.clock import FixedClock
from arbml.market import Prediction, Recommendation, Variant
from arbml.serving.cache import AnswerCache
from arbml.serving.stats import ServingStats

PREDICTION = Prediction(
    "id", 0, "A/B", 0.5, 1.0, "B", 0.5, Recommendation.SKIP, ("baseline: x", "expected_loss: y"), (), (), (), Variant.BASELINE, {}, "f", {},
    10.0, False,
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-300, 600)), max_size=60))
def test_the_cache_holds_no_more_and_no_longer_than_said(steps: list[tuple[int, int]]) -> None:
    clock = FixedClock(10_000)
    cache: AnswerCache[int] = AnswerCache(clock, ttl_ms=1000, max_entries=3)
    put_at: dict[int, int] = {}
    for key, by_ms in steps:
        clock.advance(by_ms)
        found = cache.get(key)
        if found is not None:
            assert 0 <= clock.now_ms() - put_at[key] < 1000
        else:
            cache.put(key, key)
            put_at[key] = clock.now_ms()
        assert len(cache) <= 3
    assert cache.hits + cache.misses == len(steps)


def test_a_cache_of_no_time_keeps_nothing() -> None:
    cache: AnswerCache[str] = AnswerCache(FixedClock(0), ttl_ms=0)
    cache.put("a", "x")
    assert cache.get("a") is None
    assert cache.clear() == 0


def test_stats_before_anything_happened_claim_nothing() -> None:
    found = ServingStats(FixedClock(0)).snapshot()
    assert found["latency_ms"] == {"p50": None, "p95": None, "p99": None, "max": None}
    assert (found["throughput_per_s"], found["cache_hit_rate"], found["error_rate"]) == (None, None, None)


def test_stats_look_at_the_latest_and_count_everything() -> None:
    clock = FixedClock(0)
    stats = ServingStats(clock, window=100)
    for n in range(150):
        clock.advance(10)
        variant = Variant.CHAMPION if n < 100 else Variant.BASELINE
        stats.answered(replace(PREDICTION, latency_ms=float(n), cached=n % 2 == 0, variant=variant))
    stats.refused("invalid_request")
    stats.refused("internal_error", failed=True)
    found = stats.snapshot()
    assert (found["predictions"], found["window"]) == (150, 100)
    assert found["latency_ms"]["p50"] == pytest.approx(99.5)
    assert found["latency_ms"]["max"] == 149
    assert (found["cache_hit_rate"], found["baseline_rate"]) == (0.5, 0.5)
    assert found["error_rate"] == pytest.approx(0.01)
    assert found["refused"] == {"invalid_request": 1, "internal_error": 1}
    assert found["reasons"] == {"baseline": 150, "expected_loss": 150}
    assert found["throughput_per_s"] == pytest.approx(100, rel=0.02)
    clock.advance(61_000)
    assert stats.snapshot()["throughput_per_s"] == 0
