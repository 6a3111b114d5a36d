"""Bars that the database makes are those that pandas makes of the same ticks."""

from itertools import count

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from arbml.frames import sort_by_knowing
from arbml.market import Tick
from arbml.store import BARS, Store

VENUES = count()
TICK = st.builds(
    lambda ts, index, price, lag, volume, gas: (ts, index, price, lag, volume, gas),
    st.integers(-150, 400), st.integers(0, 2), st.sampled_from([1.0, 1.5, 2.25, 3.0]), st.integers(0, 300),
    st.none() | st.sampled_from([0.5, 2.0]), st.none() | st.sampled_from([8.0, 16.0]),
)  # fmt: skip


def naive(ticks: list[Tick], width_ms: int) -> pd.DataFrame:
    bars = []
    df = pd.DataFrame([(t.ts_ms // width_ms * width_ms, t) for t in ticks], columns=["start", "tick"])
    for start, group in df.groupby("start"):
        rows = sorted(group["tick"], key=lambda t: (t.ts_ms, t.log_index))
        prices = [t.price for t in rows]
        volumes, gas = ([getattr(t, name) for t in rows if getattr(t, name) is not None] for name in ("volume", "gas_price_gwei"))
        bars.append((max(start + width_ms, *(t.ts_known_ms for t in rows)), start, rows[0].venue, rows[0].pair, prices[0], max(prices),
                     min(prices), prices[-1], sum(volumes) if volumes else np.nan, np.mean(gas) if gas else np.nan, len(rows)))  # fmt: skip
    return sort_by_knowing(BARS.check(pd.DataFrame(bars, columns=BARS.names)))


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(TICK, min_size=1, max_size=15, unique_by=lambda row: row[:2]), width_ms=st.sampled_from([1, 7, 100]))
def test_bars_are_those_of_the_ticks(store: Store, rows: list[tuple[float, ...]], width_ms: int) -> None:
    venue = f"v{next(VENUES)}"
    ticks = [Tick(ts, venue, "X/Y", price, ts + lag, log_index=index, volume=volume, gas_price_gwei=gas)
             for ts, index, price, lag, volume, gas in rows]  # fmt: skip
    store.ticks.append(ticks)
    assert_frame_equal(store.bars.read(width_ms, venues=[venue]), naive(ticks, width_ms))


def test_bars_of_a_period_of_some_series(store: Store) -> None:
    store.ticks.append([Tick(ts, venue, "X/Y", ts / 60_000 + 1, ts) for ts in range(0, 300_000, 20_000) for venue in ("a", "b")])
    bars = store.bars.read(venues=["a"], start_ms=60_000, end_ms=180_000)
    assert bars[["ts_ms", "ts_known_ms", "ticks"]].to_numpy().tolist() == [[60_000, 120_000, 3], [120_000, 180_000, 3]]
    assert bars["open"].tolist() == [2.0, 3.0]
    assert len(store.bars.read(300_000)) == 2
    assert store.bars.read(venues=["nowhere"]).columns.tolist() == BARS.names
    assert store.bars.read(start_ms=10**9).empty
    with pytest.raises(ValueError, match="width_ms"):
        store.bars.read(0)
