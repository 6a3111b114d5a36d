"""Replay against a slow reference that walks two pool books tick by tick."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.config import CostsConfig, changed
from arbml.errors import ConfigError
from arbml.frames import TICKS, TickFrame, frame_to_ticks, in_order
from arbml.labels import replay_labels, stream_series
from arbml.market import PoolBook, Tick, find_opportunities, reprice
from tests.dataset.markets import CHEAP_GAS, pools


def reference(ticks: TickFrame, costs: CostsConfig, step_ms: int, max_age_ms: int) -> list[tuple[Any, ...]]:
    """The labels, from what their docstring says, with no array in sight."""
    ordered = in_order(ticks)
    counted = sorted(row for one in stream_series(ordered).values() for row in one.row.tolist())
    every = frame_to_ticks(ordered.iloc[counted])
    labels = []
    for pair in sorted({tick.pair for tick in every}):
        mine = [tick for tick in every if tick.pair == pair]
        for now in sorted({math.ceil(tick.ts_known_ms / step_ms) * step_ms if step_ms else tick.ts_known_ms for tick in mine}):
            label = _label(mine, pair, now, costs, max_age_ms)
            if label is not None:
                labels.append(label)
    return sorted(labels)


def _book(ticks: list[Tick]) -> PoolBook:
    book = PoolBook()
    for tick in ticks:
        book.update(tick)
    return book


def _label(ticks: list[Tick], pair: str, now: int, costs: CostsConfig, max_age_ms: int) -> tuple[Any, ...] | None:
    found = find_opportunities(_book([t for t in ticks if t.ts_known_ms <= now]).pools(pair, now, max_age_ms), costs, now)
    venues = {leg.venue for leg in found[0].route.legs} if found else set()
    landing = [t.ts_ms for t in ticks if t.venue in venues and t.ts_ms >= now + costs.inclusion_delay_ms]
    if not landing:
        return None
    then = reprice(found[0], _book([t for t in ticks if t.ts_ms <= min(landing)]).pools(pair, now), costs, min(landing))
    ends = []
    for leg in found[0].route.legs:
        exactly = [t.ts_known_ms for t in ticks if t.venue == leg.venue and t.ts_ms == min(landing)]
        later = [t.ts_known_ms for t in ticks if t.venue == leg.venue and t.ts_ms > min(landing)]
        if not exactly and not later:
            return None
        ends.append(max(exactly) if exactly else min(later))
    assert then is not None
    profit = then.net_profit if then.net_profit > 0 else -then.revert_cost
    return (now, found[0].id, max(ends), int(then.net_profit > 0), profit)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 2**31), st.sampled_from([0, 4_000, 30_000]), st.sampled_from([0, 1_000, 7_000]), st.sampled_from([5_000, 600_000])
)
def test_equals_the_reference_bit_for_bit(seed: int, delay_ms: int, step_ms: int, max_age_ms: int) -> None:
    costs = changed(CHEAP_GAS, inclusion_delay_ms=delay_ms)
    ticks = pools(seed, rows=150)
    labels = replay_labels(ticks.sample(frac=1.0, random_state=seed), costs, step_ms, max_age_ms)
    got = list(zip(labels["ts_ms"], labels["request_id"], labels["label_end_ms"], labels["success"], labels["profit"], strict=True))
    assert sorted(got) == reference(ticks, costs, step_ms, max_age_ms)


def test_both_fates_happen_and_say_what_they_cost() -> None:
    labels = replay_labels(pools(4, rows=800), CHEAP_GAS)
    assert 20 < labels["success"].sum() < len(labels) - 20
    assert (labels.loc[labels["success"] == 1, "profit"] > 0).all()
    assert (labels.loc[labels["success"] == 0, "profit"] <= 0).all()
    assert (labels["label_end_ms"] > labels["ts_ms"]).all()
    assert labels["ts_ms"].is_monotonic_increasing
    assert [opportunity.ts_ms for opportunity in labels["opportunity"]] == labels["ts_ms"].tolist()


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31))
def test_a_label_is_known_at_its_end_and_no_later_tick_changes_it(seed: int) -> None:
    ticks = pools(seed, rows=150)
    labels = replay_labels(ticks, CHEAP_GAS)
    for row in np.random.default_rng(seed).integers(0, max(1, len(labels)), 3).tolist() if len(labels) else []:
        label = labels.iloc[row]
        then = replay_labels(ticks[ticks["ts_known_ms"] <= label["label_end_ms"]], CHEAP_GAS)
        same = then[then["request_id"] == label["request_id"]]
        assert same[["ts_ms", "label_end_ms", "success", "profit"]].values.tolist() == [
            label[["ts_ms", "label_end_ms", "success", "profit"]].tolist()
        ]
        before = replay_labels(ticks[ticks["ts_known_ms"] < label["label_end_ms"]], CHEAP_GAS)
        assert label["request_id"] not in set(before["request_id"])


def two_venues(*rows: tuple[int, float, float]) -> TickFrame:
    """Ticks of (second, price on a, price on b), without reserves, known at once."""
    frames = [
        pd.DataFrame({"ts_ms": [1_000 * r[0] for r in rows], "venue": venue, "price": [r[k] for r in rows]})
        for k, venue in ((1, "a"), (2, "b"))
    ]
    ticks = pd.concat(frames).assign(pair="WETH/USDC", fee_bps=0.0, gas_price_gwei=10.0, ts_known_ms=lambda df: df["ts_ms"])
    return TICKS.check(ticks)


def test_by_hand() -> None:
    ticks = two_venues((0, 2000.0, 2020.0), (4, 2000.0, 2000.0), (12, 2000.0, 2030.0), (24, 2000.0, 1990.0), (36, 2000.0, 2000.0))
    labels = replay_labels(ticks, CostsConfig())  # lands 5 s later at the earliest
    gas = 240_000 * 10e-9 * 2000.0
    assert labels["ts_ms"].tolist() == [0, 12_000, 24_000]      # at 4 s and 36 s there is no edge
    assert labels["label_end_ms"].tolist() == [12_000, 24_000, 36_000]
    assert labels["success"].tolist() == [1, 0, 0]
    assert labels["profit"][0] == pytest.approx(15.0 - gas)     # what it met at 12 s, not what it saw
    assert labels["profit"][1] == pytest.approx(-0.7 * gas)
    assert labels["opportunity"][0].net_profit == pytest.approx(10.0 - gas)
    assert math.isclose(labels["opportunity"][2].edge_bps, 1e4 * math.log(2000.0 / 1990.0))


def test_no_label_where_the_landing_is_not_in_the_data() -> None:
    assert replay_labels(two_venues((0, 2000.0, 2020.0), (4, 2000.0, 2020.0)), CostsConfig()).empty
    assert len(replay_labels(two_venues((0, 2000.0, 2020.0), (5, 2000.0, 2020.0)), CostsConfig())) == 1


def test_a_stale_venue_is_not_traded_with() -> None:
    ticks = two_venues((0, 2000.0, 2020.0), *((s, 2000.0, 2020.0) for s in range(60, 120, 6)))
    quiet = ticks[(ticks["venue"] == "a") | (ticks["ts_ms"] == 0) | (ticks["ts_ms"] == 114_000)]
    assert replay_labels(quiet, CostsConfig(), max_age_ms=30_000)["ts_ms"].tolist() == [0]
    assert replay_labels(quiet, CostsConfig(), max_age_ms=60_000)["ts_ms"].tolist() == [0, 60_000]


def test_a_step_thins_out_the_moments() -> None:
    ticks = two_venues(*((s, 2000.0, 2020.0) for s in range(0, 100, 5)))
    assert replay_labels(ticks, CostsConfig(), step_ms=20_000)["ts_ms"].tolist() == [0, 20_000, 40_000, 60_000, 80_000]
    assert len(replay_labels(ticks, CostsConfig())) == 19


def test_venues_heard_milliseconds_apart_are_not_compared_half_old_half_new() -> None:
    ticks = two_venues(*((s, price, price) for s, price in ((0, 2000.0), (5, 2050.0), (10, 1990.0), (15, 2020.0), (20, 2000.0))))
    ticks = ticks.assign(ts_known_ms=ticks["ts_ms"] + np.where(ticks["venue"] == "a", 80, 160))
    assert replay_labels(ticks, CostsConfig()).empty
    assert len(replay_labels(ticks, CostsConfig(), step_ms=0)) == 2  # seen between the two, gone 80 ms later


def test_one_venue_and_no_ticks_have_no_opportunities() -> None:
    ticks = two_venues((0, 2000.0, 2020.0), (12, 2000.0, 2020.0))
    for few in (ticks[ticks["venue"] == "a"], TICKS.empty()):
        labels = replay_labels(few, CostsConfig())
        assert labels.empty
        assert list(labels.columns) == ["request_id", "ts_ms", "label_end_ms", "success", "profit", "opportunity"]


def test_an_unknown_gas_token_stops_it() -> None:
    with pytest.raises(ConfigError, match="ML_COSTS__NATIVE_PRICE_QUOTE"):
        replay_labels(pools(1), CostsConfig())
