"""Walk-forward: no label of an earlier part reaches a later one, and nothing is random."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.config import Config, TrainingConfig
from arbml.dataset import Dataset, Kind, require_enough, walk_forward
from arbml.errors import NotEnoughData


def dataset(ts_ms: np.ndarray, label_end_ms: np.ndarray, kind: Kind = "lstm", y: np.ndarray | None = None) -> Dataset:
    n = len(ts_ms)
    targets = np.zeros((n, 1)) if y is None else y[:, None]
    return Dataset(
        kind, np.zeros((n, 1)), targets, ts_ms.astype(np.int64), label_end_ms.astype(np.int64),
        ("x",), ("t",), "f", ("v|P",), np.zeros(n, dtype=np.int64), np.ones(n),
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(60, 400))
    ts = np.sort(rng.integers(0, draw(st.sampled_from([n, 20 * n, 1000 * n])), size=n))  # many ties, few, none
    ends = ts + rng.integers(0, draw(st.sampled_from([1, 30, 2000])), size=n)
    return dataset(ts, ends)


trainings = st.builds(
    TrainingConfig, validation_split=st.floats(0.05, 0.5), test_split=st.floats(0.05, 0.2), folds=st.integers(1, 3),
    embargo_s=st.integers(0, 2),
)


@settings(deadline=None, max_examples=200)
@given(datasets(), trainings)
def test_purge_embargo_and_order(ds: Dataset, training: TrainingConfig) -> None:
    try:
        folds = walk_forward(ds, training)
    except NotEnoughData:
        return
    embargo_ms = training.embargo_s * 1_000
    assert len(folds) == training.folds
    for fold in folds:
        validation_start = ds.ts_ms[fold.validation].min()
        assert ds.label_end_ms[fold.train].max() < validation_start - embargo_ms
        assert ds.label_end_ms[fold.validation].max() < fold.start_ms - embargo_ms
        assert ds.label_end_ms[fold.train].max() < fold.start_ms - embargo_ms
        assert ds.ts_ms[fold.test].min() == fold.start_ms
        assert ds.ts_ms[fold.test].max() < fold.end_ms
        for part in (fold.train, fold.validation, fold.test):
            assert np.all(np.diff(ds.ts_ms[part]) >= 0)
        assert len(np.unique(np.concatenate([fold.train, fold.validation, fold.test]))) == sum(
            map(len, (fold.train, fold.validation, fold.test))
        )
    for fold, following in pairwise(folds):
        assert fold.end_ms == following.start_ms
        assert not set(fold.test) & set(following.test)
    last = folds[-1]
    assert last.end_ms == ds.ts_ms.max() + 1
    assert set(last.test) == set(np.flatnonzero(ds.ts_ms >= last.start_ms))  # all rows of one moment stay together


def test_everything_before_a_block_trains_it_but_what_is_purged() -> None:
    ts = np.arange(1_000) * 1_000
    folds = walk_forward(dataset(ts, ts + 10_000), TrainingConfig(folds=3, test_split=0.1, validation_split=0.2, embargo_s=5))
    assert [len(fold.test) for fold in folds] == [100, 100, 100]
    assert folds[0].train.tolist() == list(range(560 - 15))      # label known in [.., 559] - 5 s: row 544 ends at 554 < 555
    assert folds[0].validation.tolist() == list(range(560, 700 - 15))
    assert folds[2].test.tolist() == list(range(900, 1_000))


def test_unsorted_rows_give_the_same_folds() -> None:
    rng = np.random.default_rng(3)
    ts = np.sort(rng.choice(10**6, 300, replace=False))
    ds = dataset(ts, ts + 500)
    mixed = rng.permutation(300)
    training = TrainingConfig(embargo_s=1)
    for straight, shuffled in zip(walk_forward(ds, training), walk_forward(ds.take(mixed), training), strict=True):
        for part in ("train", "validation", "test"):
            assert np.array_equal(getattr(straight, part), mixed[getattr(shuffled, part)])
        assert (straight.start_ms, straight.end_ms) == (shuffled.start_ms, shuffled.end_ms)


def test_a_label_that_ends_late_is_purged_though_its_row_is_early() -> None:
    ts = np.arange(100) * 1_000
    ends = ts + 1
    ends[3] = 95_000
    fold = walk_forward(dataset(ts, ends), TrainingConfig(folds=1, embargo_s=0))[0]
    assert 3 not in fold.train
    assert {2, 4} <= set(fold.train)


def test_an_empty_part_is_refused_with_a_mend() -> None:
    ts = np.arange(50) * 1_000
    with pytest.raises(NotEnoughData, match=r"lstm rows in the train part of fold 1 of 2 .*ML_TRAINING__FOLDS") as caught:
        walk_forward(dataset(ts, ts + 60_000), TrainingConfig())
    assert "ML_TRAINING__EMBARGO_S" in str(caught.value)
    with pytest.raises(NotEnoughData, match="0 rows"):
        walk_forward(dataset(ts[:0], ts[:0]), TrainingConfig())


@pytest.mark.parametrize(
    ("kind", "need", "what"), [("lstm", 1000, "sequences"), ("scorer", 500, "opportunities"), ("volatility", 500, "returns")]
)
def test_too_few_rows_are_refused_by_name(kind: Kind, need: int, what: str) -> None:
    ts = np.arange(need)
    y = (ts % 2).astype(np.float64)
    require_enough(dataset(ts, ts, kind, y), Config())
    text = f"{what} to train the {kind}: have {need - 1}, need {need}.*ML_{kind.upper()}__MIN_SAMPLES"
    with pytest.raises(NotEnoughData, match=text):
        require_enough(dataset(ts[1:], ts[1:], kind, y[1:]), Config())


def test_too_few_successes_or_failures_are_refused() -> None:
    ts = np.arange(600)
    with pytest.raises(NotEnoughData, match=r"successful opportunities to train the scorer: have 29, need 30.*baseline"):
        require_enough(dataset(ts, ts, "scorer", (ts < 29).astype(np.float64)), Config())
    with pytest.raises(NotEnoughData, match="unsuccessful opportunities to train the scorer: have 0, need 30"):
        require_enough(dataset(ts, ts, "scorer", np.ones(600)), Config())
