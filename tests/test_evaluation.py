"""Metrics with known answers, a bootstrap that errs as often as it says, and a placebo that finds leaks."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from arbml.config import LstmConfig, ScorerConfig, TrainingConfig, VolatilityConfig
from arbml.dataset import Dataset, hashed, walk_forward
from arbml.errors import ModelFileError, NotEnoughData
from arbml.evaluation import (
    LOSS_NAMES,
    Evaluation,
    coverage,
    evaluate_fold,
    expected_profit,
    loss,
    paired_difference,
    placebo,
    predict_test,
    price_metrics,
    profit_metrics,
    reliability,
    score_metrics,
    shuffle_labels,
    units,
    variance_metrics,
)
from arbml.evaluation.bootstrap import block_length, overlap_rows
from arbml.models import BaseRate, OpportunityScorer, RealizedVolatility, VolatilityPredictor, ZeroChange

TRAINING = TrainingConfig(folds=2, seed=1)


# Losses


def test_pinball_known_answer() -> None:
    y = np.array([[1e-4, 0.0]])
    prediction = np.array([[[-1e-4, 0.0, 2e-4], [0.0, 0.0, 0.0]]])
    # 5 s: 0.05 x 2 bps, 0.5 x 1 bp, 0.05 x 1 bp; the other horizon is right everywhere
    assert loss("lstm", y, prediction).tolist() == pytest.approx([(0.1 + 0.5 + 0.05) / 6])


def test_brier_and_qlike_known_answers() -> None:
    assert loss("scorer", np.array([[1.0], [0.0]]), np.array([0.7, 0.7])).tolist() == pytest.approx([0.09, 0.49])
    assert loss("volatility", np.array([[2e-8]]), np.array([1e-8])).tolist() == pytest.approx([math.log(1e-8) + 2.0])


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_pinball_is_least_at_the_quantile(level: float) -> None:
    y = np.random.default_rng(0).standard_t(3, 20_001)[:, None] * 1e-4
    grid = np.quantile(y, np.linspace(0.01, 0.99, 99))
    means = [loss("lstm", y, np.full((len(y), 1, 1), q), (level,)).mean() for q in grid]
    assert grid[int(np.argmin(means))] == pytest.approx(np.quantile(y, level), abs=1e-6)


@given(scale=st.floats(1e-10, 1e-4), factor=st.floats(1.05, 20))
@settings(max_examples=30, deadline=None)
def test_qlike_is_least_at_the_true_variance(scale: float, factor: float) -> None:
    y = scale * np.random.default_rng(1).chisquare(5, 20_000) / 5
    truth, low, high = (loss("volatility", y, np.full(len(y), y.mean() * f)).mean() for f in (1.0, 1 / factor, factor))
    assert truth < low
    assert truth < high


def test_qlike_survives_windows_without_a_move_and_forecasts_of_zero() -> None:
    assert np.isfinite(loss("volatility", np.array([0.0, 1e-8]), np.array([1e-9, 0.0]))).all()


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2, 2\) do not fit targets \(4, 2\) and 3 quantiles"):
        loss("lstm", np.zeros((4, 2)), np.zeros((4, 2, 2)))
    with pytest.raises(ValueError, match=r"\(3,\) do not fit targets of shape \(4,\)"):
        loss("scorer", np.zeros((4, 1)), np.zeros(3))
    with pytest.raises(ValueError, match="unknown model kind 'price'; one of lstm, scorer, volatility"):
        loss("price", np.zeros(1), np.zeros(1))


# Metrics


def test_price_metrics_known_answers() -> None:
    y = np.array([[10e-4], [-10e-4], [30e-4], [2e-4]])
    median = np.array([20e-4, 20e-4, 20e-4, 1e-4])
    prediction = np.stack([median - 11e-4, median, median + 9e-4], axis=1)[:, None, :]
    metrics = price_metrics(y, prediction, ("5s",), cost_bps=10.0)
    assert metrics["mae_bps"] == metrics["mae_bps_5s"] == pytest.approx((10 + 30 + 10 + 1) / 4)
    assert metrics["coverage"] == metrics["coverage_5s"] == 0.5
    assert metrics["width_bps"] == pytest.approx(20)
    assert metrics["called"] == 3  # the last median is within the costs
    assert metrics["direction_after_costs"] == pytest.approx(1 / 3)  # 10 bps only pay for the costs
    assert metrics["profit_after_costs_bps"] == pytest.approx((10 - 10 - 10 - 10 + 30 - 10) / 3)
    assert metrics["pinball_bps"] == pytest.approx(loss("lstm", y, prediction).mean())


def test_a_direction_within_the_costs_is_not_called() -> None:
    metrics = price_metrics(np.ones((3, 1)) * 1e-2, np.full((3, 1, 3), 5e-4), ("5s",), cost_bps=10.0)
    assert metrics["called"] == 0
    assert "direction_after_costs" not in metrics


def test_score_metrics_known_answers() -> None:
    success, p = np.array([0, 0, 1, 1.0]), np.array([0.1, 0.8, 0.75, 0.9])
    metrics = score_metrics(success, p)
    assert metrics["brier"] == pytest.approx((0.01 + 0.64 + 0.0625 + 0.01) / 4)
    assert metrics["log_loss"] == pytest.approx(-np.log([0.9, 0.2, 0.75, 0.9]).mean())
    assert metrics["auc"] == 0.75
    assert metrics["base_rate"] == 0.5


def test_what_cannot_be_computed_is_left_out() -> None:
    metrics = score_metrics(np.zeros(5), np.full(5, 0.1))
    assert "auc" not in metrics
    assert all(map(math.isfinite, metrics.values()))
    still = variance_metrics(np.zeros(5), np.full(5, 1e-9))
    assert set(still) == {"qlike"}


def test_auc_counts_ties_half() -> None:
    assert score_metrics(np.array([0, 1.0, 0, 1.0]), np.full(4, 0.3))["auc"] == 0.5


def test_calibration_error_of_calibrated_and_of_bold_probabilities() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 8, 40_000)
    success = (rng.random(40_000) < p).astype(float)
    assert reliability(success, p).error < 0.01
    assert reliability(success, np.minimum(p + 0.2, 1)).error == pytest.approx(0.2, abs=0.01)
    table = reliability(success, p)
    assert table.counts.sum() == 40_000
    assert np.ptp(table.counts) <= 1
    assert (np.diff(table.predicted) > 0).all()


def test_equal_probabilities_share_a_bin() -> None:
    table = reliability(np.array([1.0, 0, 0, 0]), np.full(4, 0.25))
    assert (table.predicted.tolist(), table.observed.tolist(), table.error) == ([0.25], [0.25], 0.0)


def test_profit_known_answers() -> None:
    success, p = np.array([1.0, 0, 1, 0]), np.array([0.8, 0.8, 0.2, 0.9])
    net, revert = np.array([10.0, 10, 10, -5]), np.array([2.0, 2, 2, 2])
    assert expected_profit(p, net, revert).tolist() == pytest.approx([7.6, 7.6, 0.4, -4.7])
    metrics = profit_metrics(success, p, net, revert, threshold=0.7)
    assert (metrics["acted"], metrics["expected_profit"], metrics["realised_profit"]) == (2, pytest.approx(15.2), 8.0)
    recorded = profit_metrics(success, p, net, revert, 0.7, recorded=np.array([np.nan, -3.0, np.nan, np.nan]))
    assert recorded["realised_profit"] == 7.0
    assert (metrics["rule_profit"], metrics["acted_success"]) == (18.0, 0.5)
    sure = profit_metrics(success, p, net, revert, 0.7, error=0.01)
    assert sure["acted"] == 3, "with a small error, 0.2 is clearly above the break-even of 2 / 12"
    assert "acted_success" not in profit_metrics(success, p, -np.abs(net), revert)


def test_expected_profit_of_calibrated_probabilities_is_realised() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 50_000)
    success = (rng.random(p.size) < p).astype(float)
    metrics = profit_metrics(success, p, rng.uniform(0, 10, p.size), np.full(p.size, 2.0))
    assert metrics["profit_bias"] == pytest.approx(0, abs=0.05)
    assert metrics["realised_profit"] == pytest.approx(metrics["expected_profit"], rel=0.02)


def test_variance_metrics_known_answers() -> None:
    y = np.array([1.0, 4.0, 0.0]) * 1e-8
    metrics = variance_metrics(y, np.array([2.0, 2.0, 1.0]) * 1e-8, np.array([[1, 3], [1, 3], [0, 1.0]]) * 1e-8)
    assert metrics["bias"] == pytest.approx(1.0)
    assert metrics["coverage"] == pytest.approx(2 / 3)
    assert metrics["log_mse"] == pytest.approx(math.log(2) ** 2)


def test_coverage_includes_the_borders() -> None:
    assert coverage(np.array([0.0, 1.0, 2.0]), np.zeros(3), np.ones(3)) == pytest.approx(2 / 3)


def test_every_metric_has_a_unit() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50)
    names = {
        *price_metrics(rng.normal(size=(50, 1)), rng.normal(size=(50, 1, 3)), ("5s",), cost_bps=0.1),
        *score_metrics(np.round(p), p),
        *profit_metrics(np.round(p), p, p, p),
        *variance_metrics(p, p, np.stack([p, p], axis=1)),
    }
    assert [name for name in sorted(names) if not units(name)] == ["log_correlation"]
    assert set(LOSS_NAMES.values()) <= names


# Bootstrap


def ar1(rng: np.random.Generator, n: int, phi: float, rare: bool = False) -> np.ndarray[Any, Any]:
    """Persistent noise with mean zero; rare: one shock in twenty is large, as losses on rare successes are."""
    shocks = np.where(rng.random(n + 200) < 0.05, 19.0, -1.0) if rare else rng.standard_t(5, n + 200)
    return np.asarray(lfilter([1.0], [1.0, -phi], shocks)[200:])


@pytest.mark.parametrize(
    ("n", "phi", "rare"), [(100, 0.0, False), (100, 0.5, False), (600, 0.0, False), (600, 0.8, False), (600, 0.5, True)]
)
def test_the_one_sided_bound_errs_as_often_as_it_says(n: int, phi: float, rare: bool) -> None:
    """Type I error of a promotion: on differences with mean zero, at 95 %. 600 trials: two standard errors are 1.8 %."""
    rng = np.random.default_rng(int(n + 10 * phi))
    trials = 600
    lower = higher = outside = 0
    for trial in range(trials):
        found = paired_difference(ar1(rng, n, phi, rare), np.zeros(n), rounds=300, seed=trial)
        lower, higher = lower + found.is_lower, higher + found.is_higher
        outside += not found.low <= 0 <= found.high
    assert 0.02 <= lower / trials <= 0.085
    assert 0.02 <= higher / trials <= 0.085
    assert 0.02 <= outside / trials <= 0.095


def test_a_bootstrap_of_single_rows_would_be_fooled() -> None:
    """The reason for the blocks: the same test with blocks of one row calls persistent noise better five times too often."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
        x = ar1(rng, 600, 0.8)
        means = x[rng.integers(0, 600, (300, 600))].mean(axis=1)
        wrong += 2 * x.mean() - np.quantile(means, 0.05) < 0
    assert wrong / 200 > 0.2


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(0)
    noise = ar1(rng, 800, 0.3)
    found = paired_difference(noise - 0.3, noise + 0.1 * rng.normal(size=800))
    assert found.is_lower
    assert not found.is_higher
    assert found.mean == pytest.approx(-0.3, abs=0.02)
    assert found.low < found.lower_bound < found.mean < found.upper_bound < found.high < 0
    assert json.loads(json.dumps(found.to_dict()))["n"] == 800


def test_the_interval_mirrors_when_the_models_change_places() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.exponential(size=300), rng.exponential(size=300)
    one, other = paired_difference(a, b, rounds=20_000), paired_difference(b, a, rounds=20_000)
    assert (one.low, one.upper_bound) == (pytest.approx(-other.high, abs=0.01), pytest.approx(-other.lower_bound, abs=0.01))


def test_the_same_seed_gives_the_same_interval() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 200))
    assert paired_difference(a, b, seed=5) == paired_difference(a, b, seed=5)
    assert paired_difference(a, b, seed=5) != paired_difference(a, b, seed=6)


def test_identical_losses_are_no_difference() -> None:
    same = np.random.default_rng(0).normal(size=100)
    found = paired_difference(same, same)
    assert (found.low, found.mean, found.high, found.is_lower, found.is_higher) == (0, 0, 0, False, False)


def test_blocks_cover_overlap_and_persistence_but_leave_at_least_five() -> None:
    rng = np.random.default_rng(0)
    assert block_length(rng.normal(size=10_000), least=250) == 250
    assert block_length(ar1(rng, 10_000, 0.95)) > 200
    assert block_length(rng.normal(size=100), least=90) == 20
    assert block_length(np.zeros(50)) == 8


def test_rows_that_a_label_overlaps() -> None:
    ts = np.repeat(np.arange(50) * 5_000, 2)  # two streams, 5 s apart
    assert overlap_rows(ts, ts + 30_000) == 12
    assert overlap_rows(np.arange(0), np.arange(0)) == 1


def test_losses_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(ValueError, match="two vectors of one length"):
        paired_difference(np.zeros(20), np.zeros(21))
    with pytest.raises(ValueError, match="row 3 is not finite"):
        paired_difference(np.where(np.arange(20) == 3, np.nan, 1.0), np.zeros(20))
    with pytest.raises(NotEnoughData, match="paired losses: have 4, need 10"):
        paired_difference(np.zeros(4), np.zeros(4))


# Folds, with real models


def opportunities(n: int, seed: int = 0) -> Dataset:
    """Success depends on the first of two inputs; labels are known 10 s, two rows, later."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    y = (rng.random(n) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(float)
    ts = np.arange(n, dtype=np.int64) * 5_000
    economics = pd.DataFrame({"net_profit": np.full(n, 3.0), "revert_cost": np.full(n, 1.0), "profit": np.full(n, np.nan)})
    return hashed(
        Dataset("scorer", X, y[:, None], ts, ts + 10_000, ("a", "b"), ("success",), "s", ("v|P",), ts * 0, np.ones(n), economics=economics)
    )


def quiet_bars(n: int, seed: int = 0) -> Dataset:
    """Two streams of returns with slowly changing volatility; the target is the variance of the next 12 bars."""
    rng = np.random.default_rng(seed)
    size = np.exp(np.cumsum(rng.normal(size=(n + 12, 2)) * 0.05, axis=0) * 0.5) * 1e-4
    returns = rng.normal(size=(n + 12, 2)) * size
    sums = np.cumsum(np.vstack([np.zeros(2), returns**2]), axis=0)
    y = sums[13:] - sums[1 : n + 1]
    ts = np.repeat(np.arange(n, dtype=np.int64) * 5_000, 2)
    X, target = returns[:n].reshape(-1, 1), "realized_variance_60s"
    streams, stream_of = ("a|P", "b|P"), np.tile([0, 1], n)
    return hashed(
        Dataset(
            "volatility", X, y[:n].reshape(-1, 1), ts, ts + 60_000, ("log_return",), (target,), "s", streams, stream_of, np.ones(2 * n),
            step_s=5,
        )
    )


def returns(n: int, seed: int = 0) -> Dataset:
    """Log-returns of which the first input tells a part."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    y = 1e-4 * (X[:, :1] + rng.normal(size=(n, 2)))
    ts = np.arange(n, dtype=np.int64) * 5_000
    names = ("log_return_5s", "log_return_15s")
    return hashed(Dataset("lstm", X, y, ts, ts + 15_000, ("a", "b"), names, "s", ("v|P",), ts * 0, np.ones(n)))


@dataclass
class Line:
    """A price model of this file: a least squares line with the quantiles of its errors. With `peek`, it also knows the labels."""

    peek: np.ndarray[Any, Any] | None = None
    kind: str = "lstm"

    def fit(self, train: Dataset, validation: Dataset) -> None:
        self.weights = np.linalg.lstsq(train.X, train.y, rcond=None)[0]
        self.errors = np.quantile(validation.y - validation.X @ self.weights, (0.05, 0.5, 0.95), axis=0).T

    def predict(self, ds: Dataset) -> np.ndarray[Any, Any]:
        centre = ds.X @ self.weights if self.peek is None else self.peek[ds.ts_ms // 5_000]
        return np.asarray(centre[:, :, None] + (self.errors if self.peek is None else 0.1 * self.errors))


def scored(n: int = 3000) -> tuple[Dataset, Evaluation]:
    ds = opportunities(n)
    results = []
    for number, fold in enumerate(walk_forward(ds, TRAINING), start=1):
        model, baseline = OpportunityScorer(ScorerConfig(trees=30), TRAINING), BaseRate()
        for each in (model, baseline):
            each.fit(ds.take(fold.train), ds.take(fold.validation))
        results.append(evaluate_fold("scorer", ds, fold, model, baseline, number=number))
    return ds, Evaluation.of("scorer", ds.target_names, results)


def test_a_scorer_that_knows_something_beats_the_base_rate() -> None:
    ds, evaluation = scored()
    fold = walk_forward(ds, TRAINING)[-1]
    assert [each.fold for each in evaluation.folds] == [1, 2]
    assert evaluation.folds[-1].n_test == len(fold.test) == len(evaluation.losses)
    assert np.array_equal(evaluation.ts_ms, ds.ts_ms[fold.test])
    assert evaluation.metrics["brier"] == pytest.approx(evaluation.losses.mean())
    assert evaluation.baseline_metrics["brier"] == pytest.approx(evaluation.baseline_losses.mean())
    assert evaluation.metrics["auc"] > 0.8
    assert evaluation.baseline_metrics["auc"] == 0.5
    assert evaluation.metrics["realised_profit"] > evaluation.baseline_metrics["realised_profit"]
    assert evaluation.against_baseline().is_lower
    assert evaluation.coverage == ()


def test_an_evaluation_survives_its_files(tmp_path: Path) -> None:
    _, evaluation = scored(1500)
    evaluation.save(tmp_path / "e")
    loaded = Evaluation.load(tmp_path / "e")
    assert loaded.to_dict() == evaluation.to_dict()
    assert loaded.against_baseline() == evaluation.against_baseline()
    for name, values in evaluation.arrays().items():
        assert np.array_equal(loaded.arrays()[name], values)


def test_a_cut_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        Evaluation.load(tmp_path)
    _, evaluation = scored(1500)
    for path in evaluation.save(tmp_path):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelFileError, match="not readable"):
            Evaluation.load(tmp_path)
        path.write_bytes(whole)
    Evaluation.load(tmp_path)


def test_price_evaluation_has_a_coverage_per_horizon() -> None:
    ds = returns(2000)
    fold = walk_forward(ds, TRAINING)[-1]
    model, baseline = Line(), ZeroChange(LstmConfig())
    for each in (model, baseline):
        each.fit(ds.take(fold.train), ds.take(fold.validation))
    result = evaluate_fold("lstm", ds, fold, model, baseline, cost_bps=0.5)  # type: ignore[arg-type]
    evaluation = Evaluation.of("lstm", ds.target_names, [result], (0.05, 0.5, 0.95))
    assert evaluation.coverage == pytest.approx((evaluation.metrics["coverage_5s"], evaluation.metrics["coverage_15s"]))
    assert min(evaluation.coverage) > 0.8
    assert evaluation.metrics["direction_after_costs"] > 0.55
    assert evaluation.baseline_metrics["called"] == 0
    assert evaluation.to_dict()["overlap"] == 3


def test_a_volatility_model_is_led_through_the_rows_before_the_block() -> None:
    ds = quiet_bars(1500)
    fold = walk_forward(ds, TRAINING)[-1]
    model = VolatilityPredictor(VolatilityConfig(window_minutes=1))
    baseline = RealizedVolatility(VolatilityConfig(window_minutes=1))
    for each in (model, baseline):
        each.fit(ds.take(fold.train), ds.take(fold.validation))
    result = evaluate_fold("volatility", ds, fold, model, baseline)
    assert set(result.metrics) == set(result.baseline_metrics) == {"qlike", "bias", "log_mse", "log_correlation", "coverage"}
    assert 0.8 < result.metrics["coverage"] < 0.99
    later = replace(ds, X=np.where(ds.ts_ms[:, None] > ds.ts_ms[fold.test[0]], 0.0, ds.X))
    assert predict_test(model, later, fold)[0] == predict_test(model, ds, fold)[0]
    earlier = replace(ds, X=np.where(ds.ts_ms[:, None] == ds.ts_ms[fold.test[0]] - 5_000, 1e-2, ds.X))
    assert predict_test(model, earlier, fold)[0] > 2 * predict_test(model, ds, fold)[0]


# Placebo


def test_shuffled_labels_keep_what_they_are_and_lose_what_they_mean() -> None:
    ds = returns(2000)
    shuffled = shuffle_labels(ds, seed=0)
    assert np.array_equal(np.sort(shuffled.y, axis=0), np.sort(ds.y, axis=0))
    assert shuffled.data_hash != ds.data_hash
    assert abs(np.corrcoef(ds.X[:, 0], shuffled.y[:, 0])[0, 1]) < 0.08
    runs = np.diff(np.flatnonzero(np.diff(np.searchsorted(np.sort(ds.y[:, 0]), shuffled.y[:, 0]), prepend=-1)))
    assert runs.min() >= 1
    kept = np.isin(np.diff(shuffled.y[:, 0]), np.diff(ds.y[:, 0])).mean()
    assert kept > 0.9  # neighbours stay neighbours


@pytest.mark.parametrize("seed", range(3))
def test_models_that_see_no_label_do_not_beat_the_constant(seed: int) -> None:
    training = TrainingConfig(folds=1, seed=seed)
    cases: list[tuple[str, Dataset, Any]] = [
        ("lstm", returns(1500, seed), Line()),
        ("scorer", opportunities(1500, seed), OpportunityScorer(ScorerConfig(trees=20), training)),
        ("volatility", quiet_bars(900, seed), VolatilityPredictor(VolatilityConfig(window_minutes=1))),
    ]
    for kind, ds, model in cases:
        found = placebo(kind, ds, walk_forward(ds, training)[-1], model, rounds=500, confidence=0.99, seed=seed)
        assert not found.is_lower, kind


def test_a_leak_is_found() -> None:
    """A model that reads the labels of the test block beats the constant even on shuffled labels."""
    ds = returns(1500)
    leaking = Line(peek=shuffle_labels(ds, 0).y)
    assert placebo("lstm", ds, walk_forward(ds, TRAINING)[-1], leaking, seed=0).is_lower  # type: ignore[arg-type]
