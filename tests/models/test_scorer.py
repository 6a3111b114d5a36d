"""The scorer learns what is there, claims nothing where nothing is, and serves what it was checked with."""

from typing import Any

import numpy as np
import pytest

from arbml.config import ScorerConfig, TrainingConfig, changed
from arbml.errors import NotEnoughData
from arbml.models import BaseRate, OpportunityScorer
from arbml.models.runtime import SuccessScorer
from arbml.models.scorer import _calibrate

SMALL = ScorerConfig(trees=50, max_depth=6, min_samples=300, min_positive=20)
TRAINING = TrainingConfig(seed=1)


def brier(p: np.ndarray[Any, Any], ds: Any) -> np.ndarray[Any, Any]:
    return np.asarray((p - ds.y[:, 0]) ** 2)


def split(ds: Any, a: int, b: int) -> tuple[Any, Any, Any]:
    return ds.take(np.arange(a)), ds.take(np.arange(a, b)), ds.take(np.arange(b, len(ds)))


@pytest.fixture(scope="module")
def learnt(make: Any) -> tuple[OpportunityScorer, Any]:
    train, validation, test = split(make.opportunities(6000, seed=2), 2500, 4000)
    scorer = OpportunityScorer(SMALL, TRAINING)
    scorer.train(train, validation)
    return scorer, test


def test_it_learns(learnt: Any, make: Any) -> None:
    scorer, test = learnt
    base = BaseRate()
    base.fit(*split(make.opportunities(6000, seed=2), 2500, 4000)[:2])
    assert brier(scorer.predict(test), test).mean() < 0.75 * brier(base.predict(test), test).mean()


def test_its_probabilities_are_frequencies(learnt: Any) -> None:
    scorer, test = learnt
    p = scorer.predict(test)
    for low in np.arange(0, 1, 0.2):
        inside = (p >= low) & (p < low + 0.2)
        if inside.sum() >= 100:
            error = abs(test.y[inside, 0].mean() - p[inside].mean())
            assert error < 4 * (0.25 / inside.sum()) ** 0.5 + 0.02


def test_shuffled_labels_teach_nothing(make: Any) -> None:
    for seed, (a, b) in ((3, (2000, 2600)), (4, (2000, 3500))):  # Platt, then isotonic
        train, validation, test = split(make.opportunities(6000, seed=seed, shuffled=True), a, b)
        scorer, base = OpportunityScorer(SMALL, TRAINING), BaseRate()
        scorer.fit(train, validation)
        base.fit(train, validation)
        gain = brier(base.predict(test), test) - brier(scorer.predict(test), test)
        noise = gain.std() / len(gain) ** 0.5
        assert gain.mean() < 3 * noise + 1e-4
        assert gain.mean() > -0.01  # nor does it do harm: the calibration pulls it to the rate


def test_calibration_by_amount(learnt: Any, make: Any) -> None:
    scorer, _ = learnt
    assert scorer.meta.params["calibration"]["method"] == "isotonic"
    assert any("isotonic on 1500 later rows" in note for note in scorer.meta.notes)
    few = OpportunityScorer(SMALL, TRAINING)
    few.fit(*split(make.opportunities(1200), 600, 900)[:2])
    assert few.meta.params["calibration"]["method"] == "platt"


def test_a_ranking_that_later_rows_contradict_is_forgotten() -> None:
    rng = np.random.default_rng(0)
    votes = rng.random(500)
    calibration = _calibrate(votes, (rng.random(500) > votes).astype(np.int64), 0)
    p = calibration.apply(np.array([0.1, 0.9]))
    assert p[0] == p[1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("label", [0, 1])
def test_one_sided_validation_rows(label: int) -> None:
    votes = np.random.default_rng(0).random(2000)
    p = _calibrate(votes, np.full(2000, label), 0).apply(votes)
    assert np.isfinite(p).all()
    assert abs(p - label).max() < 0.05


def test_onnx_says_what_the_forest_says(learnt: Any) -> None:
    scorer, _ = learnt
    assert 0 <= scorer.meta.onnx_max_difference < 1e-5
    assert scorer.meta.notes[0] == "left out: never (never known)"


def test_importance_finds_the_inputs_that_matter(learnt: Any) -> None:
    importance = learnt[0].feature_importance()
    assert set(list(importance)[:2]) == {"edge_bps", "gas_gwei"}
    assert list(importance.values()) == sorted(importance.values(), reverse=True)
    assert sum(importance.values()) == pytest.approx(1)


def test_threads_do_not_change_the_model(make: Any) -> None:
    train, validation, test = split(make.opportunities(900), 500, 700)
    answers = []
    for threads in (1, 2):
        scorer = OpportunityScorer(SMALL, changed(TRAINING, threads=threads))
        scorer.fit(train, validation)
        answers.append(scorer.predict(test))
    assert np.array_equal(*answers)


def test_too_little_to_learn_from(make: Any) -> None:
    ds = make.opportunities(1000)
    scorer = OpportunityScorer(SMALL, TRAINING)
    with pytest.raises(NotEnoughData, match="labelled opportunities: have 250, need 300"):
        scorer.fit(ds.take(np.arange(200)), ds.take(np.arange(200, 250)))
    rare = make.replace(ds, y=(np.arange(1000) < 5).astype(float)[:, None])
    with pytest.raises(NotEnoughData, match="successful opportunities in the training part: have 5, need 20"):
        scorer.fit(rare.take(np.arange(700)), rare.take(np.arange(700, 1000)))
    with pytest.raises(NotEnoughData, match="validation opportunities"):
        scorer.fit(ds.take(np.arange(700)), ds.take(np.arange(0)))


def test_served_rows_in_many_chunks(learnt: Any, tmp_path: Any) -> None:
    scorer, test = learnt
    scorer.save(tmp_path / "m")
    loaded = SuccessScorer.load(tmp_path / "m")
    X = np.tile(test.X, (3, 1))
    assert np.array_equal(loaded.predict_proba(X), np.tile(loaded.predict_proba(test.X), 3))
    assert loaded.feature_importance() == scorer.feature_importance()
