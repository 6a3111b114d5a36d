"""A model and its baseline on the test block of one fold, and the placebo that must find nothing."""

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arbml.evaluation.bootstrap import Interval, overlap_rows, paired_difference
from arbml.evaluation.losses import QUANTILES, first_target, loss
from arbml.evaluation.metrics import Metrics, price_metrics, profit_metrics, score_metrics, variance_metrics
from arbml.evaluation.results import EvaluatedFold, TestBlock
from arbml.models.ensemble import DEFAULT_ERROR

if TYPE_CHECKING:
    from arbml.dataset import Dataset, Fold
    from arbml.models.base import Model, ServingModel

Floats = NDArray[np.float64]

COST_BPS = 10.0  # entering and leaving through two pools of 5 bps each


def evaluate_fold(
    kind: str,
    dataset: "Dataset",
    fold: "Fold",
    model: "ServingModel",
    baseline: "ServingModel",
    *,
    number: int = 1,
    quantiles: tuple[float, ...] = QUANTILES,
    cost_bps: float = COST_BPS,
    threshold: float = 0.7,
) -> EvaluatedFold:
    """Ask both fitted models about every row of the fold's test block and compare the answers with what happened.

    Args:
        kind: "lstm", "scorer" or "volatility".
        dataset: the whole data set. fold: whose train and validation rows both were fitted on.
        model, baseline: fitted; see `arbml.models.base`.
        number: of the fold, from 1.
        quantiles: levels of the price forecasts.
        cost_bps: of entering and leaving, bps; a price forecast calls a direction only beyond it.
        threshold: confidence that sending pays from which the bot would act.
    """
    test = dataset.take(fold.test)
    answers = [predict_test(each, dataset, fold) for each in (model, baseline)]
    measured = [
        _metrics(kind, test, answer, _interval(each, dataset, fold), quantiles, cost_bps, threshold, _error(each))
        for each, answer in zip((model, baseline), answers, strict=True)
    ]
    rows = TestBlock(
        ts_ms=test.ts_ms,
        y=test.y,
        prediction=answers[0],
        baseline_prediction=answers[1],
        losses=loss(kind, test.y, answers[0], quantiles),
        baseline_losses=loss(kind, test.y, answers[1], quantiles),
        overlap=overlap_rows(test.ts_ms, test.label_end_ms),
        streams=test.streams,
        stream_of=test.stream_of.astype(np.int64),
    )
    n_train = len(fold.train) + len(fold.validation)
    return EvaluatedFold(number, fold.start_ms, fold.end_ms, n_train, len(test), measured[0], measured[1], rows)


def predict_test(model: "ServingModel", dataset: "Dataset", fold: "Fold") -> Floats:
    """Return the model's answers for the fold's test rows.

    A volatility model answers from state, so that it is led through all rows before the block, as it would be in service.
    """
    if dataset.kind != "volatility":
        return np.asarray(model.predict(dataset.take(fold.test)), np.float64)
    seen, at = _seen(dataset, fold)
    return np.asarray(model.predict(seen), np.float64)[at]


def placebo(
    kind: str,
    dataset: "Dataset",
    fold: "Fold",
    model: "Model",
    *,
    quantiles: tuple[float, ...] = QUANTILES,
    rounds: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Fit `model` on labels that have nothing to do with the inputs; it must not beat a constant answer.

    The labels are cut into blocks, longer than what they overlap, and the blocks are shuffled, before and after the split
    alike. So labels keep their distribution and persistence, and any skill that remains comes from a leak: rows that
    know their own label, a scaler that saw the test block, an evaluation that pairs the wrong rows. The rival is the
    constant of the training labels rather than the baseline, which for volatility answers from the inputs, too.

    Args:
        model: not fitted yet, of the same configuration as the one under suspicion.
        dataset, fold, quantiles: as `evaluate_fold`.
        rounds, confidence, seed: of the bootstrap; the seed also shuffles.

    Returns:
        Interval of model loss - constant's loss; `is_lower` means a leak (or, in 1 - confidence of the cases, chance).
    """
    shuffled = shuffle_labels(dataset, seed)
    model.fit(shuffled.take(fold.train), shuffled.take(fold.validation))
    test = shuffled.take(fold.test)
    known = shuffled.y[np.concatenate([fold.train, fold.validation])]
    answer, constant = predict_test(model, shuffled, fold), _constant(kind, known, len(test), quantiles)
    return paired_difference(
        loss(kind, test.y, answer, quantiles), loss(kind, test.y, constant, quantiles),
        block=overlap_rows(test.ts_ms, test.label_end_ms), rounds=rounds, confidence=confidence, seed=seed,
    )


def shuffle_labels(dataset: "Dataset", seed: int) -> "Dataset":
    """Return `dataset` with blocks of labels in random order; a block spans at least 4 x the overlap and 20 rows."""
    n = len(dataset)
    size = min(max(20, 4 * overlap_rows(dataset.ts_ms, dataset.label_end_ms)), max(1, n // 5))
    starts = np.arange(0, n, size)
    order = np.random.default_rng(seed).permutation(starts)
    rows = np.concatenate([np.arange(start, min(start + size, n)) for start in order]) if n else np.arange(0)
    name = hashlib.sha256(f"{dataset.data_hash} shuffled {seed}".encode()).hexdigest()
    return dataclasses.replace(dataset, y=dataset.y[rows], data_hash=name)


def _constant(kind: str, y: Floats, n: int, quantiles: tuple[float, ...]) -> Floats:
    if kind == "lstm":
        levels = np.quantile(y, quantiles, axis=0).T  # (H, Q)
        return np.repeat(levels[None], n, axis=0)
    return np.full(n, first_target(y).mean())


def _metrics(
    kind: str, test: "Dataset", answer: Floats, interval: Floats | None, quantiles: tuple[float, ...], cost_bps: float, threshold: float,
    error: float,
) -> Metrics:
    if kind == "lstm":
        return price_metrics(test.y, answer, tuple(f"{h}s" for h in test.horizons_s), quantiles, cost_bps)
    if kind == "volatility":
        return variance_metrics(first_target(test.y), answer, interval)
    success = first_target(test.y)
    metrics = score_metrics(success, answer)
    if test.economics is not None:
        columns = {name: test.economics[name].to_numpy(np.float64) for name in test.economics.columns}
        metrics |= profit_metrics(
            success, answer, columns["net_profit"], columns["revert_cost"], threshold, recorded=columns.get("profit"), error=error,
        )
    return metrics


def _error(model: "ServingModel") -> float:
    """Return the standard error of a scorer's probabilities, where it knows it."""
    params = model.meta.params if model.kind == "scorer" else {}
    return float(params.get("probability_error", DEFAULT_ERROR))


def _interval(model: "ServingModel", dataset: "Dataset", fold: "Fold") -> Floats | None:
    """Return (n, 2) lower and upper variance of the test rows, where the model can give them."""
    predict_interval = getattr(model, "predict_interval", None)
    if dataset.kind != "volatility" or predict_interval is None:
        return None
    seen, at = _seen(dataset, fold)
    return np.asarray(predict_interval(seen), np.float64)[at, -2:]


def _seen(dataset: "Dataset", fold: "Fold") -> tuple["Dataset", NDArray[np.intp]]:
    """Return all rows up to the end of the test block, and where among them the test rows are."""
    rows = np.flatnonzero(dataset.ts_ms < fold.end_ms)
    return dataset.take(rows), np.searchsorted(rows, fold.test)
