"""How likely an opportunity is to succeed: a random forest, exported to ONNX, calibrated on a later slice."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arbml.config import ScorerConfig, TrainingConfig
from arbml.errors import NotEnoughData, NotFitted, TrainingDiverged
from arbml.models.base import MAX_ONNX_DIFFERENCE, ONNX, ModelMeta, describe, writing
from arbml.models.calibration import Calibration, logit, probability_error
from arbml.models.runtime import SuccessScorer
from arbml.models.scaler import InputScaler

if TYPE_CHECKING:
    from arbml.dataset import Dataset

ISOTONIC_ROWS = 1000  # below, isotonic regression follows the noise (Niculescu-Mizil and Caruana 2005)
CLIP = 1e4            # a forest needs no tight bounds: only absurd values are cut, so that float32 keeps them apart


class OpportunityScorer:
    """Learns P(success) from labelled opportunities; implements `arbml.models.base.Model`.

    What is evaluated is what is served: after `fit`, predictions come from the exported ONNX forest and the stored
    calibration, not from scikit-learn. Classes are not reweighted, for that would undo the calibration.
    """

    kind = "scorer"

    def __init__(self, scorer: ScorerConfig, training: TrainingConfig) -> None:
        self._scorer = scorer
        self._training = training
        self._served: SuccessScorer | None = None
        self._onnx = b""

    @property
    def meta(self) -> ModelMeta:
        """What is known of the fitted model. Raises NotFitted before `fit`."""
        return self._fitted().meta

    def fit(self, train: "Dataset", validation: "Dataset") -> None:
        """Grow the forest on `train`, calibrate it on `validation`, export and check it.

        Args:
            train, validation: kind "scorer", y (n, 1) of 0 and 1; `validation` is later in time.

        Raises:
            NotEnoughData: too few rows, successes or non-successes, or no validation rows.
            TrainingDiverged: if the exported forest does not say what scikit-learn's says.
        """
        y = _labels(train)
        self._check_amount(y, len(validation))
        scaler = InputScaler.fit(train.X, train.feature_names, clip=CLIP)
        X = scaler.transform(train.X)
        forest = _grow(X, y, self._scorer, self._training)
        onnx_forest = _export(forest, X.shape[1])
        importance = dict(zip(scaler.kept, map(float, forest.feature_importances_), strict=True))
        params: dict[str, Any] = {"scaler": scaler.to_dict(), "importance": importance}
        meta = describe("OpportunityScorer", train, validation, seed=self._training.seed, params=params)

        raw = SuccessScorer(meta, onnx_forest, calibrated=False)
        votes = raw.predict_proba(validation.X)
        difference = float(np.abs(votes - forest.predict_proba(scaler.transform(validation.X))[:, 1]).max())
        if not difference <= MAX_ONNX_DIFFERENCE:
            raise TrainingDiverged(
                f"OpportunityScorer: ONNX differs from scikit-learn by {difference:.2g} on {len(validation)} validation rows, "
                f"limit {MAX_ONNX_DIFFERENCE:g}; check the versions of skl2onnx and scikit-learn"
            )
        calibration = _calibrate(votes, _labels(validation), self._training.seed)
        error = probability_error(calibration.apply(votes), _labels(validation))
        measured = f"calibrated by {calibration.method} on {calibration.n} later rows, standard error {error:.3f}"
        notes = (*_dropped_note(scaler), measured)
        params["calibration"] = calibration.to_dict()
        params["probability_error"] = error
        meta = dataclasses.replace(meta, onnx_max_difference=difference, notes=notes, params=params)
        self._served, self._onnx = SuccessScorer(meta, onnx_forest), onnx_forest

    def train(self, train: "Dataset", validation: "Dataset") -> None:
        """Same as `fit`."""
        self.fit(train, validation)

    def predict(self, ds: "Dataset") -> NDArray[np.float64]:
        """Return the calibrated probability of each row, (n,)."""
        return self._fitted().predict(ds)

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated probability of success, (n,), for rows (n, f) in the order of the training's columns."""
        return self._fitted().predict_proba(X)

    def feature_importance(self) -> dict[str, float]:
        """Return {column: share of the impurity decrease}, largest first; shares sum to 1."""
        return self._fitted().feature_importance()

    def save(self, directory: Path) -> None:
        """Write `meta.json` and `model.onnx`, all or nothing."""
        with writing(directory, self.meta) as folder:
            (folder / ONNX).write_bytes(self._onnx)

    def _fitted(self) -> SuccessScorer:
        if self._served is None:
            raise NotFitted("OpportunityScorer: predict before fit; call fit(train, validation) or load a saved one")
        return self._served

    def _check_amount(self, y: NDArray[np.int64], n_validation: int) -> None:
        mend = "collect more opportunities and executions"
        if len(y) + n_validation < self._scorer.min_samples:
            raise NotEnoughData("labelled opportunities", len(y) + n_validation, self._scorer.min_samples, mend)
        rarer = int(min(y.sum(), len(y) - y.sum()))
        if rarer < self._scorer.min_positive:
            name = "successful opportunities" if y.mean() < 0.5 else "unsuccessful opportunities"
            raise NotEnoughData(f"{name} in the training part", rarer, self._scorer.min_positive, mend)
        if not n_validation:
            raise NotEnoughData("validation opportunities", 0, 1, mend)


def _labels(ds: "Dataset") -> NDArray[np.int64]:
    return ds.y[:, 0].astype(np.int64)


def _dropped_note(scaler: InputScaler) -> tuple[str, ...]:
    if not scaler.dropped:
        return ()
    return ("left out: " + ", ".join(f"{name} ({why})" for name, why in scaler.dropped.items()),)


def _grow(X: NDArray[np.float32], y: NDArray[np.int64], scorer: ScorerConfig, training: TrainingConfig) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=scorer.trees,
        max_depth=scorer.max_depth,
        min_samples_leaf=scorer.min_samples_leaf,
        random_state=training.seed,
        n_jobs=training.threads,
    )
    forest.fit(X, y)
    return forest.set_params(n_jobs=1)  # threads add up the votes in the order in which they finish: another sum each time


def _export(forest: Any, n_columns: int) -> bytes:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    types = [("X", FloatTensorType([None, n_columns]))]
    exported = to_onnx(forest, initial_types=types, options={"zipmap": False}, name="OpportunityScorer")
    return bytes(exported.SerializeToString())


def _calibrate(votes: NDArray[np.float64], y: NDArray[np.int64], seed: int) -> Calibration:
    if len(y) >= ISOTONIC_ROWS and 0 < y.sum() < len(y):
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(votes, y)
        return Calibration("isotonic", len(y), tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist()))
    return _platt(votes, y, seed)


def _platt(votes: NDArray[np.float64], y: NDArray[np.int64], seed: int) -> Calibration:
    """Platt 2000, with his targets (N+ + 1)/(N+ + 2) and 1/(N- + 2), so that it exists for separable or one-sided labels."""
    from sklearn.linear_model import LogisticRegression

    positive = int(y.sum())
    target = np.where(y == 1, (positive + 1) / (positive + 2), 1 / (len(y) - positive + 2))
    x = np.tile(logit(votes), 2)[:, None]
    classes = np.repeat([1, 0], len(y))
    weights = np.concatenate([target, 1 - target])
    fitted = LogisticRegression(C=np.inf, max_iter=1000, random_state=seed).fit(x, classes, sample_weight=weights)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:  # the later slice contradicts the forest's ranking: keep the rate, forget the rank
        rate = float(target.mean())
        slope, intercept = 0.0, float(np.log(rate / (1 - rate)))
    return Calibration("platt", len(y), slope=slope, intercept=intercept)
