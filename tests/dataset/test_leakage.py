"""No data set knows the future: by construction, not by inspection."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arbml.config import LstmConfig, ScorerConfig, TrainingConfig, VolatilityConfig
from arbml.dataset import Dataset, opportunity_dataset, price_dataset, volatility_dataset, walk_forward
from arbml.errors import NotEnoughData
from arbml.features import compute_features
from arbml.frames import TickFrame
from tests.dataset.markets import CHEAP_GAS, pools

LSTM = LstmConfig(sequence_length=10, horizons_s=(15, 30))
KINDS = ["lstm", "scorer", "volatility"]
seeds = st.integers(0, 2**31)


def market(seed: int, rows: int = 300) -> TickFrame:
    return pools(seed, rows=rows, pairs=1, venues=2, spacing_ms=6_000.0)


def build(kind: str, ticks: TickFrame) -> Dataset:
    if kind == "lstm":
        return price_dataset(ticks, compute_features(ticks), LSTM)
    if kind == "scorer":
        return opportunity_dataset(ticks, compute_features(ticks), None, CHEAP_GAS, ScorerConfig())
    return volatility_dataset(ticks, VolatilityConfig(window_minutes=1))


def upset(ticks: TickFrame, after_ms: int, seed: int) -> TickFrame:
    """Change everything that a later tick says but its times: prices, reserves, fees, gas, volume."""
    rng = np.random.default_rng(seed)
    later = (ticks["ts_known_ms"] > after_ms).to_numpy()
    changed = ticks.copy()
    for name in ("price", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote", "fee_bps"):
        factor = np.exp(rng.normal(0, 1, len(ticks)))
        changed[name] = np.where(later, ticks[name] * factor, ticks[name])
    return changed


def same_rows(kind: str, one: Dataset, other: Dataset, rows: np.ndarray, twins: np.ndarray) -> None:
    if kind == "lstm":
        assert np.array_equal(one.sequences(rows, np.float64), other.sequences(twins, np.float64), equal_nan=True)
    for name in ("X", "y", "ts_ms", "label_end_ms", "prices"):
        assert np.array_equal(getattr(one, name)[rows], getattr(other, name)[twins], equal_nan=name != "ts_ms")


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=8)
@given(seeds)
def test_changing_later_ticks_changes_no_earlier_input_and_no_label_already_known(kind: str, seed: int) -> None:
    ticks = market(seed)
    ds = build(kind, ticks)
    moment = int(np.random.default_rng(seed).choice(ds.ts_ms))
    other = build(kind, upset(ticks, moment, seed))
    earlier = np.flatnonzero(ds.ts_ms <= moment)
    assert np.array_equal(other.X[earlier], ds.X[earlier], equal_nan=True)
    assert np.array_equal(other.ts_ms[earlier], ds.ts_ms[earlier])
    if kind == "lstm":
        assert np.array_equal(other.sequences(earlier, np.float64), ds.sequences(earlier, np.float64), equal_nan=True)
    settled = np.flatnonzero(ds.label_end_ms <= moment)
    same_rows(kind, ds, other, settled, settled)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=8)
@given(seeds)
def test_a_data_set_built_then_is_the_part_that_was_known(kind: str, seed: int) -> None:
    ticks = market(seed)
    ds = build(kind, ticks)
    moment = int(np.quantile(ds.ts_ms, 0.7))
    try:
        then = build(kind, ticks[ticks["ts_known_ms"] <= moment].reset_index(drop=True))
    except NotEnoughData:
        assume(False)
    assume(then.step_s == ds.step_s and then.target_names == ds.target_names)  # the median spacing itself may have moved
    known = np.flatnonzero(ds.label_end_ms <= moment)
    assert len(then) == len(known)
    same_rows(kind, ds, then, known, np.arange(len(then)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_known_late_enters_no_earlier_row(kind: str) -> None:
    ticks = market(11)
    ds = build(kind, ticks)
    late = ticks.iloc[::4].assign(price=9.0, log_index=77, reserve_quote=ticks["reserve_base"] * 9.0)
    late = late.assign(ts_known_ms=int(ticks["ts_known_ms"].max()) + 1 + np.arange(len(late)))  # a backfill, long after
    newest = ticks.groupby(["venue", "pair"])["ts_ms"].max()
    before = late["ts_ms"].to_numpy() < newest.loc[list(zip(late["venue"], late["pair"], strict=True))].to_numpy()
    after = build(kind, pd.concat([ticks, late[before]], ignore_index=True))
    assert after.data_hash == ds.data_hash


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=5)
@given(seeds)
def test_no_training_row_of_a_real_data_set_reaches_what_tests_it(kind: str, seed: int) -> None:
    ds = build(kind, market(seed, rows=600))
    training = TrainingConfig(embargo_s=20, folds=2)
    for fold in walk_forward(ds, training):
        assert ds.label_end_ms[fold.train].max() < ds.ts_ms[fold.validation].min() - 20_000
        assert ds.label_end_ms[fold.validation].max() < fold.start_ms - 20_000 <= ds.ts_ms[fold.test].min() - 20_000
