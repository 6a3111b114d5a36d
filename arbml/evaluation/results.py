"""What an evaluation found: metrics of every fold with the baseline's beside, and the final block row by row."""

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from arbml.errors import ModelFileError
from arbml.evaluation.bootstrap import Interval, paired_difference
from arbml.evaluation.calibration import coverage
from arbml.evaluation.metrics import Metrics

Floats = NDArray[np.float64]

FORMAT = 1
SUMMARY, ARRAYS = "evaluation.json", "evaluation.npz"


@dataclass(frozen=True, eq=False)
class TestBlock:
    """The rows of one test block, in time order: what was answered and how wrong it was.

    Attributes:
        ts_ms: (n,) time of knowing, UTC ms.
        y: (n, k) targets.
        prediction, baseline_prediction: answers of the model and of its baseline; (n, H, 3) log-returns, (n,)
            probabilities or (n,) variances.
        losses, baseline_losses: (n,) see `arbml.evaluation.losses`.
        overlap: rows that one label overlaps: the least block of a bootstrap.
        streams, stream_of: names of series, and (n,) which of them each row belongs to; empty if that is not known.
    """

    __test__ = False  # not a class of tests, whatever pytest makes of the name

    ts_ms: NDArray[np.int64]
    y: Floats
    prediction: Floats
    baseline_prediction: Floats
    losses: Floats
    baseline_losses: Floats
    overlap: int = 1
    streams: tuple[str, ...] = ()
    stream_of: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One walk-forward step: metrics of the model and of its baseline on the same rows.

    Attributes:
        fold: number, from 1.
        start_ms, end_ms: the test block, UTC ms, end not included.
        n_train: rows of training and validation. n_test: rows of the test block.
        metrics, baseline_metrics: name -> number; units by `arbml.evaluation.units`.
    """

    fold: int
    start_ms: int
    end_ms: int
    n_train: int
    n_test: int
    metrics: Metrics
    baseline_metrics: Metrics


@dataclass(frozen=True, eq=False)
class EvaluatedFold(FoldResult):
    """A FoldResult that still has the rows of its test block."""

    rows: TestBlock


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All folds in short, and the final test block in full: it decides promotion.

    Attributes:
        kind: "lstm", "scorer" or "volatility".
        target_names: names of the target columns.
        quantiles: levels of a price forecast; empty for the other kinds.
        folds: oldest first.
        final: rows of the last fold's test block.
    """

    kind: str
    target_names: tuple[str, ...]
    quantiles: tuple[float, ...]
    folds: tuple[FoldResult, ...]
    final: TestBlock

    @classmethod
    def of(
        cls, kind: str, target_names: Sequence[str], folds: Sequence[EvaluatedFold], quantiles: Sequence[float] = (),
    ) -> Self:
        """Put folds together, oldest first; the last one's rows are kept."""
        if not folds:
            raise ValueError("an evaluation has at least one fold")
        names = FoldResult.__dataclass_fields__
        short = tuple(FoldResult(**{name: getattr(fold, name) for name in names}) for fold in folds)
        return cls(kind, tuple(target_names), tuple(quantiles) if kind == "lstm" else (), short, folds[-1].rows)

    @property
    def metrics(self) -> Metrics:
        """Metrics of the final block."""
        return self.folds[-1].metrics

    @property
    def baseline_metrics(self) -> Metrics:
        """The baseline's metrics of the final block."""
        return self.folds[-1].baseline_metrics

    @property
    def ts_ms(self) -> NDArray[np.int64]:
        """(n,) time of knowing of the final block's rows, UTC ms."""
        return self.final.ts_ms

    @property
    def y(self) -> Floats:
        """(n, k) targets of the final block."""
        return self.final.y

    @property
    def prediction(self) -> Floats:
        """The model's answers on the final block."""
        return self.final.prediction

    @property
    def losses(self) -> Floats:
        """(n,) the model's losses on the final block."""
        return self.final.losses

    @property
    def baseline_losses(self) -> Floats:
        """(n,) the baseline's losses on the final block."""
        return self.final.baseline_losses

    @property
    def coverage(self) -> tuple[float, ...]:
        """Measured share of the final block inside the price intervals, per horizon; empty for the other kinds."""
        if self.kind != "lstm":
            return ()
        p = self.final.prediction
        return tuple(coverage(self.final.y[:, h], p[:, h, 0], p[:, h, -1]) for h in range(p.shape[1]))

    def against_baseline(self, *, rounds: int = 2000, confidence: float = 0.95, seed: int = 0) -> Interval:
        """Return the interval of model loss - baseline loss on the final block; below zero the model is better."""
        return paired_difference(
            self.losses, self.baseline_losses, block=self.final.overlap, rounds=rounds, confidence=confidence, seed=seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, ready for JSON."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "target_names": list(self.target_names),
            "quantiles": list(self.quantiles),
            "overlap": self.final.overlap,
            "streams": list(self.final.streams),
            "n": len(self.final.losses),
            "loss": float(np.mean(self.losses)),
            "baseline_loss": float(np.mean(self.baseline_losses)),
            "coverage": list(self.coverage),
            "folds": [asdict(fold) for fold in self.folds],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The final block's arrays by name; `from_dict` takes them back."""
        names = ("ts_ms", "y", "prediction", "baseline_prediction", "losses", "baseline_losses", "stream_of")
        return {name: getattr(self.final, name) for name in names}

    @classmethod
    def from_dict(cls, data: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Rebuild what `to_dict` and `arrays` gave.

        Raises:
            KeyError, TypeError: if something is missing or unknown.
        """
        folds = tuple(FoldResult(**fold) for fold in data["folds"])
        final = TestBlock(**arrays, overlap=data["overlap"], streams=tuple(data["streams"]))
        return cls(data["kind"], tuple(data["target_names"]), tuple(data["quantiles"]), folds, final)

    def save(self, directory: Path) -> tuple[Path, Path]:
        """Write `evaluation.json` and `evaluation.npz` into `directory`; return both paths."""
        directory.mkdir(parents=True, exist_ok=True)
        summary, arrays = directory / SUMMARY, directory / ARRAYS
        summary.write_text(json.dumps(self.to_dict(), indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
        np.savez_compressed(arrays, **self.arrays())  # type: ignore[arg-type]
        return summary, arrays

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelFileError: if a file is missing, cut short or of another format.
        """
        try:
            data = json.loads((directory / SUMMARY).read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ModelFileError(f"{directory / SUMMARY}: format {data['format']!r}, this version reads {FORMAT}; evaluate again")
            with np.load(directory / ARRAYS, allow_pickle=False) as stored:
                return cls.from_dict(data, {name: stored[name] for name in stored.files})
        except FileNotFoundError as error:
            raise ModelFileError(f"{error.filename}: no such file; evaluate the model again") from None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ModelFileError(f"{directory}: the saved evaluation is not readable ({error}); evaluate again") from error


def measured_coverage(summary: Path) -> dict[int, float]:
    """Return horizon in s -> measured share of outcomes inside the price interval, from a saved evaluation summary.

    Raises:
        ModelFileError: if the file is not such a summary.
    """
    try:
        data = json.loads(summary.read_text(encoding="utf-8"))
        horizons = [int(name.rsplit("_", 1)[1].removesuffix("s")) for name in data["target_names"]]
        return dict(zip(horizons, data["coverage"], strict=True))
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ModelFileError(f"{summary} is not the summary of a price evaluation: {error}; train again") from error
