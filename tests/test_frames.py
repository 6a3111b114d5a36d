"""Small frames that are right already are let through by their arrays alone: with the same outcome as the long way round."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.errors import SchemaError
from arbml.frames import TICKS

FLOATS = st.one_of(st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0]), st.floats(1e-3, 1e6))
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "WETH/USDC", 7, np.nan]))


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Frames with the columns and dtypes of the schema; most are right, some hold what it refuses."""
    n, right = draw(st.integers(0, 4)), draw(st.booleans())
    data: dict[str, Any] = {}
    for column in TICKS.columns:
        if column.dtype == "int64":
            data[column.name] = np.array(draw(st.lists(st.integers(0, 10**14), min_size=n, max_size=n)), np.int64)
        elif column.dtype == "float64":
            values = st.floats(1e-3, 1e6) if right or draw(st.integers(0, 9)) else FLOATS
            data[column.name] = np.array(draw(st.lists(values, min_size=n, max_size=n)), np.float64)
        else:
            texts = st.sampled_from(["a", "b"]) if right or draw(st.integers(0, 9)) else TEXTS
            data[column.name] = pd.Series(draw(st.lists(texts, min_size=n, max_size=n)), dtype=object)
    return pd.DataFrame(data)


def outcome(df_: pd.DataFrame) -> pd.DataFrame | str:
    try:
        return TICKS.check(df_)
    except SchemaError as error:
        return str(error)


@given(frames())
def test_both_ways_agree(df_: pd.DataFrame) -> None:
    short = outcome(df_)
    long = outcome(df_.set_index(pd.RangeIndex(5, 5 + len(df_))))  # another index is never let through
    if isinstance(short, str) or isinstance(long, str):
        assert short == long
    else:
        pd.testing.assert_frame_equal(short, long)


def test_what_check_returns_is_not_the_given_frame() -> None:
    df = TICKS.empty()
    TICKS.check(df)["venue"] = ["x"] * 0
    TICKS.check(df)["more"] = []
    assert list(df.columns) == TICKS.names == list(TICKS.empty().columns)


def test_an_optional_number_may_be_absent_and_not_infinite() -> None:
    row = {"ts_known_ms": 1, "ts_ms": 1, "venue": "a", "pair": "A/B", "price": 1.0}
    df = TICKS.check(pd.DataFrame([row]))
    assert TICKS.check(df)["fee_bps"].isna().all()
    with pytest.raises(SchemaError, match="fee_bps"):
        TICKS.check(df.assign(fee_bps=np.inf))
