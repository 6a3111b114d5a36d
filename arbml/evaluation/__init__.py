"""How good is a model, measured on rows that it has not seen, and is it better than its baseline?"""

from arbml.evaluation.bootstrap import Interval, paired_difference
from arbml.evaluation.calibration import Reliability, coverage, reliability
from arbml.evaluation.losses import KINDS, LOSS_NAMES, QUANTILES, loss
from arbml.evaluation.metrics import Metrics, expected_profit, price_metrics, profit_metrics, score_metrics, units, variance_metrics
from arbml.evaluation.results import EvaluatedFold, Evaluation, FoldResult, TestBlock, measured_coverage
from arbml.evaluation.walk import evaluate_fold, placebo, predict_test, shuffle_labels

__all__ = [
    "KINDS",
    "LOSS_NAMES",
    "QUANTILES",
    "EvaluatedFold",
    "Evaluation",
    "FoldResult",
    "Interval",
    "Metrics",
    "Reliability",
    "TestBlock",
    "coverage",
    "evaluate_fold",
    "expected_profit",
    "loss",
    "measured_coverage",
    "paired_difference",
    "placebo",
    "predict_test",
    "price_metrics",
    "profit_metrics",
    "reliability",
    "score_metrics",
    "shuffle_labels",
    "units",
    "variance_metrics",
]
