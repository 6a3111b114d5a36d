"""Walk-forward splits, purged by the time at which labels became known, with an embargo. Nothing random."""

from dataclasses import dataclass

import numpy as np

from arbml.clock import iso
from arbml.config import Config, LstmConfig, ScorerConfig, TrainingConfig, VolatilityConfig
from arbml.dataset.types import Array, Dataset
from arbml.errors import NotEnoughData


@dataclass(frozen=True, eq=False)
class Fold:
    """One walk-forward step; index arrays into the data set, each in the order of knowing.

    Attributes:
        train, validation, test: rows; every label of train was known `embargo_s` before the first validation row, and every
            label of validation `embargo_s` before `start_ms`.
        start_ms, end_ms: the test block, UTC ms, end not included.
    """

    train: Array
    validation: Array
    test: Array
    start_ms: int
    end_ms: int


def walk_forward(ds: Dataset, training: TrainingConfig) -> tuple[Fold, ...]:
    """Return the folds, oldest first; the last decides promotion.

    The last `folds` blocks of `test_split` of the rows each are the test blocks; rows of one moment are never parted. All
    rows before a block may train it: the last `validation_split` of them validate. Rows whose label was not fully known
    `embargo_s` before the next part begins are purged (Lopez de Prado, Advances in Financial Machine Learning, chapter 7).

    Raises:
        NotEnoughData: if a part of a fold has no rows.

    >>> n = 100
    >>> ts = np.arange(n) * 1_000
    >>> zeros = np.zeros((n, 1))
    >>> ds = Dataset("lstm", zeros, zeros, ts, ts + 5_000, ("a",), ("log_return_5s",), "x", ("v|P",), ts * 0, ts * 0.0)
    >>> for fold in walk_forward(ds, TrainingConfig(folds=2, test_split=0.1, validation_split=0.25, embargo_s=3)):
    ...     print(fold.train[-1], fold.validation[0], fold.validation[-1], fold.test[0], fold.test[-1])
    51 60 71 80 89
    58 67 81 90 99
    """
    order = np.argsort(ds.ts_ms, kind="stable")
    times = ds.ts_ms[order]
    n = len(ds)
    size = max(1, int(np.ceil(n * training.test_split)))
    cuts = [_moment(times, n - size * block) for block in range(training.folds, 0, -1)]
    end_ms = int(times[-1]) + 1 if n else 0
    starts = [int(times[cut]) if cut < n else end_ms for cut in cuts]
    folds = []
    for number, (cut, start_ms, stop_ms) in enumerate(zip(cuts, starts, [*starts[1:], end_ms], strict=True), start=1):
        border = _moment(times, int(cut * (1.0 - training.validation_split)))
        before, later = order[:border], order[border:cut]
        embargo_ms = training.embargo_s * 1_000
        train = before[ds.label_end_ms[before] < times[border] - embargo_ms] if border < n else before[:0]
        validation = later[ds.label_end_ms[later] < start_ms - embargo_ms]
        test = order[cut : np.searchsorted(times, stop_ms, side="left")]
        _refuse_empty(ds, number, training, train=train, validation=validation, test=test)
        folds.append(Fold(train, validation, test, start_ms, stop_ms))
    return tuple(folds)


def _moment(times: Array, at: int) -> int:
    """Return the first row of the moment that row `at` belongs to."""
    at = max(0, at)
    return int(np.searchsorted(times, times[at], side="left")) if at < len(times) else len(times)


def _refuse_empty(ds: Dataset, number: int, training: TrainingConfig, **parts: Array) -> None:
    for part, rows in parts.items():
        if len(rows) == 0:
            period = f"{iso(int(ds.ts_ms.min()))} to {iso(int(ds.ts_ms.max()))}" if len(ds) else "no time at all"
            raise NotEnoughData(
                f"{ds.kind} rows in the {part} part of fold {number} of {training.folds} ({len(ds)} rows, {period})", 0, 1,
                f"collect more, or set ML_TRAINING__FOLDS or ML_TRAINING__EMBARGO_S (now {training.embargo_s} s) lower",
            )


def require_enough(dataset: Dataset, config: Config) -> None:
    """Refuse a data set that is too small to train on.

    Raises:
        NotEnoughData: below the model's `min_samples`, or, for the scorer, fewer successes or non-successes than
            `min_positive`.
    """
    sections: dict[str, LstmConfig | ScorerConfig | VolatilityConfig]
    sections = {"lstm": config.lstm, "scorer": config.scorer, "volatility": config.volatility}
    section = sections[dataset.kind]
    rows = {"lstm": "labelled sequences", "scorer": "labelled opportunities", "volatility": "returns"}[dataset.kind]
    need = section.min_samples
    if len(dataset) < need:
        mend = f"collect more, or set ML_{dataset.kind.upper()}__MIN_SAMPLES lower"
        raise NotEnoughData(f"{rows} to train the {dataset.kind}", len(dataset), need, mend)
    if isinstance(section, ScorerConfig):
        successes = int(np.sum(dataset.y[:, 0] > 0.5))
        counts = {"successful opportunities": successes, "unsuccessful opportunities": len(dataset) - successes}
        for what, have in counts.items():
            if have < section.min_positive:
                mend = f"{_best_promise(dataset)}; until there are more the scorer answers from its baseline"
                raise NotEnoughData(f"{what} to train the scorer", have, section.min_positive, mend)


def _best_promise(dataset: Dataset) -> str:
    """Say how many opportunities were seen and what the best of them promised: whether there was anything to win at all."""
    if dataset.economics is None or not len(dataset):
        return f"there are {len(dataset)} opportunities in all"
    promised = dataset.economics["net_profit"].to_numpy()
    paying, best = int(np.sum(promised > 0)), float(np.max(promised))
    verdict = "none paid its fees and gas" if not paying else f"{paying} promised to pay"
    return f"of {len(dataset)} opportunities seen {verdict}, the best promised {best:+.2f} in the quote token"
