"""The query of the continuous aggregates gives the bars of `store.bars`; `first` and `last` are those of the stand-in."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from arbml.errors import StoreError
from arbml.store import Store
from arbml.store.timescale import BARS, Retention

MOMENT = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from([-300_001, -60_000, -1, 0, 1, 59_999, 60_000, 299_999, 300_000]),
    st.sampled_from([-(2**63), -1, 0, 1, 2**32, 2**63 - 1]),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(0, 5)),
)
"""Venue, time, log index, price, volume: many in one millisecond, and on the edges of bars."""


def of_view(store: Store, name: str, width_ms: int) -> pd.DataFrame:
    """Return what a dashboard would read, by the rule of the guide for when a bar is known."""
    query = (
        f"SELECT greatest(b.last_known_ms, b.bar_ms + {width_ms}) AS ts_known_ms, b.bar_ms AS ts_ms, s.venue, s.pair, b.open, "
        f"b.high, b.low, b.close, b.volume, b.gas_price_gwei, b.ticks FROM {name} b JOIN streams s ON s.id = b.stream_id"
    )
    with store._database.reading() as connection:
        return pd.DataFrame([dict(row) for row in connection.execute(text(query)).mappings()])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=st.lists(MOMENT, min_size=1, max_size=60, unique_by=lambda m: m[:3]))
def test_a_bar_of_the_view_is_a_bar_of_the_store(store: Store, moments: list[tuple[str, int, int, int, int | None]]) -> None:
    store.setup(Retention(), 0)
    store.prune(2**62)
    store.ticks.append(pd.DataFrame([
        {"ts_ms": ts, "ts_known_ms": ts + 70_000, "venue": venue, "pair": "A/B", "price": float(price), "log_index": index,
         "volume": None if volume is None else float(volume), "gas_price_gwei": 3.0}
        for venue, ts, index, price, volume in moments
    ]))  # fmt: skip
    for name, width_ms in BARS.items():
        expected = store.bars.read(width_ms).sort_values(["venue", "ts_ms"], ignore_index=True)
        view = of_view(store, name, width_ms).sort_values(["venue", "ts_ms"], ignore_index=True)
        pd.testing.assert_frame_equal(view[expected.columns.tolist()].astype(expected.dtypes.to_dict()), expected)


def test_ticks_of_one_moment_are_told_apart(store: Store) -> None:
    store.setup(Retention(), 0)
    rows = [{"ts_ms": 1_700_000_000_000, "ts_known_ms": 1, "venue": "a", "pair": "A/B", "price": float(p), "log_index": i}
            for i, p in ((5, 1), (-7, 2), (2**62, 3))]  # fmt: skip
    store.ticks.append(pd.DataFrame(rows))
    (bar,) = of_view(store, "bars_1m", 60_000).to_dict("records")
    assert (bar["open"], bar["close"], bar["high"], bar["low"], bar["ticks"]) == (2.0, 3.0, 3.0, 1.0, 3)
    assert bar["volume"] is None or np.isnan(bar["volume"])


def test_the_stand_in_refuses_what_the_real_aggregates_refuse(store: Store) -> None:
    with pytest.raises(StoreError, match="function first"), store._database.reading() as connection:
        connection.execute(text("SELECT first(price, ARRAY[ts_ms, log_index]) FROM ticks"))
