"""The data set type: its checks, parts, sequences and hash."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from arbml.dataset import Dataset, hashed
from arbml.errors import DataError


def small(n: int = 6, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n + 2, 3))
    rows[2, 1] = np.nan
    window = np.arange(n)[:, None] + np.arange(3)[None, :]
    ts = np.arange(n) * 1_000
    return hashed(
        Dataset(
            kind="lstm", X=rows[2:].copy(), y=rng.normal(size=(n, 2)), ts_ms=ts, label_end_ms=ts + 30_000,
            feature_names=("a", "b", "c"), target_names=("log_return_5s", "log_return_30s"), feature_set_id="f1",
            streams=("v|P",), stream_of=np.zeros(n, dtype=np.int64), prices=np.ones(n), window=window, rows=rows,
            economics=pd.DataFrame({"net_profit": np.arange(n, dtype=float), "revert_cost": 1.0}),
        )
    )


def test_take_picks_the_same_rows_everywhere() -> None:
    ds = small()
    part = ds.take(np.array([4, 1]))
    assert len(part) == 2
    assert np.array_equal(part.X, ds.X[[4, 1]], equal_nan=True)
    assert np.array_equal(part.sequences(dtype=np.float64), ds.sequences(np.array([4, 1]), dtype=np.float64), equal_nan=True)
    assert part.economics is not None
    assert part.economics["net_profit"].tolist() == [4.0, 1.0]
    assert list(part.economics.index) == [0, 1]
    mask = np.zeros(len(ds), dtype=bool)
    mask[[1, 4]] = True
    assert np.array_equal(ds.take(mask).ts_ms, ds.ts_ms[[1, 4]])


def test_sequences_end_with_the_row_itself() -> None:
    ds = small()
    sequences = ds.sequences(dtype=np.float64)
    assert sequences.shape == (6, 3, 3)
    assert np.array_equal(sequences[:, -1], ds.X, equal_nan=True)
    assert ds.sequences().dtype == np.float32
    with pytest.raises(DataError, match="no sequences"):
        replace(ds, window=None, rows=None).sequences()


def test_horizons_are_read_from_the_targets() -> None:
    assert small().horizons_s == (5, 30)
    assert replace(small(), target_names=("success", "other")).horizons_s == ()


@pytest.mark.parametrize("part", ["y", "ts_ms", "label_end_ms", "stream_of", "prices", "window"])
def test_parts_of_unequal_length_are_refused(part: str) -> None:
    ds = small()
    with pytest.raises(DataError, match=part):
        replace(ds, **{part: getattr(ds, part)[:-1]})


def test_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="feature"):
        replace(small(), feature_names=("a",))


def test_the_hash_depends_on_values_and_names_only() -> None:
    ds = small()
    assert hashed(replace(ds, X=np.asfortranarray(ds.X), notes=("another note",))).data_hash == ds.data_hash
    assert hashed(replace(ds, ts_ms=ds.ts_ms.astype(">i8"))).data_hash == ds.data_hash
    negative_zero = replace(ds, prices=np.where(np.arange(6) == 2, 0.0, ds.prices))
    assert hashed(replace(ds, prices=np.where(np.arange(6) == 2, -0.0, ds.prices))).data_hash == hashed(negative_zero).data_hash
    other_nan = ds.X.copy()
    other_nan[np.isnan(other_nan)] = np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\xff", dtype="<f8")[0]
    assert hashed(replace(ds, X=other_nan)).data_hash == ds.data_hash


@pytest.mark.parametrize("part", ["X", "y", "ts_ms", "label_end_ms", "stream_of", "prices", "window", "rows"])
def test_any_changed_value_changes_the_hash(part: str) -> None:
    ds = small()
    values = getattr(ds, part).copy()
    values.flat[0] += 1
    assert hashed(replace(ds, **{part: values})).data_hash != ds.data_hash


def test_any_changed_name_changes_the_hash() -> None:
    ds = small()
    named = {"feature_names": ("a", "b", "d"), "feature_set_id": "f2", "streams": ("w|P",), "step_s": 5, "kind": "scorer"}
    for change in ({name: value} for name, value in named.items()):
        assert hashed(replace(ds, **change)).data_hash != ds.data_hash
    economics = pd.DataFrame({"net_profit": np.arange(6, dtype=float), "revert_cost": 2.0})
    assert hashed(replace(ds, economics=economics)).data_hash != ds.data_hash


def test_a_part_has_its_own_hash() -> None:
    ds = small()
    assert ds.take(np.array([0, 1])).data_hash == ds.take(np.array([True, True, False, False, False, False])).data_hash
    assert ds.take(np.array([0, 1])).data_hash != ds.take(np.array([1, 0])).data_hash != ds.data_hash
