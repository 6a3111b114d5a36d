"""Metrics of each kind of model: name -> number, every name with its unit. What cannot be computed is left out."""

import re

import numpy as np
from numpy.typing import NDArray

from arbml.evaluation.calibration import coverage, reliability
from arbml.evaluation.losses import BPS, QUANTILES, TINY_VARIANCE, brier, pinball, qlike
from arbml.models.ensemble import DEFAULT_ERROR, confidence_to_pay

Floats = NDArray[np.float64]
Metrics = dict[str, float]

UNITS = {
    "acted": "opportunities",
    "acted_success": "share",
    "auc": "share",
    "base_rate": "share",
    "bias": "ratio",
    "brier": "probability^2",
    "called": "forecasts",
    "coverage": "share",
    "direction_after_costs": "share",
    "ece": "share",
    "expected_profit": "quote",
    "log_correlation": "",
    "log_loss": "nats",
    "log_mse": "log variance^2",
    "profit_bias": "quote",
    "qlike": "nats",
    "realised_profit": "quote",
    "rule_profit": "quote",
}


def units(name: str) -> str:
    """Return the unit of a metric.

    >>> units("coverage_15s"), units("mae_bps_5s"), units("realised_profit")
    ('share', 'bps', 'quote')
    """
    stem = re.sub(r"_\d+s$", "", name)
    return "bps" if stem.endswith("_bps") else UNITS.get(stem, "")


def price_metrics(
    y: Floats, prediction: Floats, horizons: tuple[str, ...], quantiles: tuple[float, ...] = QUANTILES, cost_bps: float = 10.0,
) -> Metrics:
    """Return the metrics of log-return forecasts, over all horizons and for each.

    Args:
        y: (n, H) log-returns. prediction: (n, H, 3) lower, median, upper log-returns.
        horizons: names of the H horizons, e.g. ("5s", "10s").
        quantiles: levels of lower, median, upper.
        cost_bps: what entering and leaving costs, bps; a forecast calls a direction only if its median exceeds it.

    Returns:
        pinball_bps, mae_bps, coverage (share inside lower..upper), width_bps, called (forecasts whose |median|
        exceeds the costs), and among those, if any: direction_after_costs (share whose move in the called direction
        exceeded the costs) and profit_after_costs_bps (mean). Per horizon: pinball_bps_5s, mae_bps_5s, coverage_5s.
    """
    losses = pinball(y, prediction, quantiles)
    inside = (y >= prediction[..., 0]) & (y <= prediction[..., -1])
    absolute = np.abs(y - prediction[..., 1]) * BPS
    metrics: Metrics = {
        "pinball_bps": float(losses.mean() * BPS),
        "mae_bps": float(absolute.mean()),
        "coverage": float(inside.mean()),
        "width_bps": float((prediction[..., -1] - prediction[..., 0]).mean() * BPS),
        **_after_costs(y, prediction[..., 1], cost_bps),
    }
    for column, horizon in enumerate(horizons):
        metrics[f"pinball_bps_{horizon}"] = float(losses[:, column].mean() * BPS)
        metrics[f"mae_bps_{horizon}"] = float(absolute[:, column].mean())
        metrics[f"coverage_{horizon}"] = float(inside[:, column].mean())
    return metrics


def _after_costs(y: Floats, median: Floats, cost_bps: float) -> Metrics:
    called = np.abs(median) * BPS > cost_bps
    if not called.any():
        return {"called": 0.0}
    gain = np.sign(median[called]) * y[called] * BPS - cost_bps
    return {
        "called": float(called.sum()),
        "direction_after_costs": float(np.mean(gain > 0)),
        "profit_after_costs_bps": float(gain.mean()),
    }


def score_metrics(success: Floats, probability: Floats) -> Metrics:
    """Return the metrics of success probabilities.

    Args:
        success: (n,) 0 or 1. probability: (n,) in [0, 1].

    Returns:
        brier, log_loss, ece (expected calibration error), base_rate, auc (left out when all rows have one outcome).
    """
    p = np.asarray(probability, np.float64)
    certain = np.clip(p, 1e-6, 1.0 - 1e-6)  # one certain mistake must not make the mean infinite
    metrics: Metrics = {
        "brier": float(brier(success, p).mean()),
        "log_loss": float(-np.mean(success * np.log(certain) + (1.0 - success) * np.log1p(-certain))),
        "ece": reliability(success, p).error,
        "base_rate": float(np.mean(success)),
    }
    if 0 < success.sum() < success.size:
        metrics["auc"] = auc(success, p)
    return metrics


def auc(success: Floats, probability: Floats) -> float:
    """Return the chance that a success was given a higher probability than a failure; ties count half.

    >>> auc(np.array([0, 0, 1, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    from scipy.stats import rankdata

    positive = success > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(probability)
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def expected_profit(probability: Floats, net_profit: Floats, revert_cost: Floats) -> Floats:
    """Return p x net profit - (1 - p) x revert cost, per opportunity, in the quote token.

    >>> expected_profit(np.array([0.75]), np.array([10.0]), np.array([2.0])).tolist()
    [7.0]
    """
    return np.asarray(probability * net_profit - (1.0 - probability) * revert_cost, np.float64)


def profit_metrics(
    success: Floats,
    probability: Floats,
    net_profit: Floats,
    revert_cost: Floats,
    threshold: float = 0.7,
    recorded: Floats | None = None,
    error: float = DEFAULT_ERROR,
) -> Metrics:
    """Return what acting on the probabilities was expected to give and what it gave, in the quote token.

    The bot acts where it is at least `threshold` sure that sending pays (`models.ensemble.confidence_to_pay`) and the expected
    profit is positive; the rule that it must beat sends whatever has a positive net profit. Where no profit was recorded
    (NaN), a success gives the net profit found at the time of the decision and anything else costs the revert.

    Returns:
        acted (opportunities), acted_success (their share of successes, left out without any), expected_profit and
        realised_profit (sums over those), rule_profit (what the rule realised), profit_bias (mean of expected -
        realised over all opportunities: 0 for calibrated probabilities).
    """
    expected = expected_profit(probability, net_profit, revert_cost)
    realised = expected_profit(success, net_profit, revert_cost)
    if recorded is not None:
        realised = np.where(np.isfinite(recorded), recorded, realised)
    rows = zip(probability.tolist(), net_profit.tolist(), revert_cost.tolist(), strict=True)
    acted = (np.array([confidence_to_pay(*row, error) for row in rows]) >= threshold) & (expected > 0)
    metrics = {
        "acted": float(acted.sum()),
        "expected_profit": float(expected[acted].sum()),
        "realised_profit": float(realised[acted].sum()),
        "rule_profit": float(realised[net_profit > 0].sum()),
        "profit_bias": float(np.mean(expected - realised)),
    }
    return metrics | ({"acted_success": float(success[acted].mean())} if acted.any() else {})


def variance_metrics(variance: Floats, forecast: Floats, interval: Floats | None = None) -> Metrics:
    """Return the metrics of variance forecasts.

    Args:
        variance: (n,) realized variance of the window. forecast: (n,) its forecast.
        interval: (n, 2) lower and upper variance, where the model gives them.

    Returns:
        qlike, bias (mean forecast over mean realized variance; 1 is right), log_mse and log_correlation of log variance
        (rows without any move are left out, their log does not exist), coverage if there is an interval.
    """
    floored = np.maximum(np.asarray(forecast, np.float64), TINY_VARIANCE)
    metrics: Metrics = {"qlike": float(qlike(variance, floored).mean())}
    if variance.sum() > 0:
        metrics["bias"] = float(floored.mean() / variance.mean())
    moved = variance > TINY_VARIANCE
    if moved.any():
        actual, predicted = np.log(variance[moved]), np.log(floored[moved])
        metrics["log_mse"] = float(np.mean(np.square(actual - predicted)))
        if moved.sum() > 2 and actual.std() > 0 and predicted.std() > 0:
            metrics["log_correlation"] = float(np.corrcoef(actual, predicted)[0, 1])
    if interval is not None:
        metrics["coverage"] = coverage(variance, interval[:, 0], interval[:, 1])
    return metrics
