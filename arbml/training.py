"""From a dataset to a registered version with its evaluation: walk-forward folds, the baseline beside each, all of it logged.

The model of the last fold is the one that is registered. It has not seen the final test block, the newest tenth of the
data, so the evidence on that block belongs to the very files that will serve. Fitting once more on everything would use
the newest rows too, but nobody would know how good that model is. The schedule mends what is lost: the next training
learns from those rows.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from arbml.clock import Clock, iso, stopwatch_s
from arbml.config import Config
from arbml.dataset import Dataset, Fold, require_enough, walk_forward
from arbml.errors import DataError, NotEnoughData, TrainingBusy
from arbml.evaluation import EvaluatedFold, Evaluation, Metrics, evaluate_fold
from arbml.models.base import Model
from arbml.models.fresh import fresh_baseline, fresh_model
from arbml.plots import plot_evaluation
from arbml.registry import Process, Registry, RunLog, Version

Progress = Callable[[str, float], None]

REFERENCE_ROWS = 20_000  # of the training inputs kept for drift reports, spread evenly
LOSSES = "losses.npz"
REFERENCE = "reference.parquet"


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a training gave.

    Attributes:
        version: as registered, now challenger.
        evaluation: of all folds; its final block belongs to the registered model.
        seconds: how long it took.
        notes: what the dataset and the model left out or assumed, for people.
    """

    version: Version
    evaluation: Evaluation
    seconds: float
    notes: tuple[str, ...]


def train(
    kind: str, dataset: Dataset, config: Config, registry: Registry, home: Path, clock: Clock, progress: Progress | None = None
) -> TrainingResult:
    """Fit and evaluate one model walk-forward, and register it as challenger.

    The same dataset, configuration and seed give the same metrics. An early fold that is too small for the model is left
    out and noted; the last one must do.

    Args:
        kind: "lstm", "scorer" or "volatility", that of the dataset.
        home: locks and temporary files go under it.
        progress: called with the stage and the part done, 0 to 1.

    Raises:
        TrainingBusy: if another process or thread is training this kind; nothing was done.
        NotEnoughData: if there is too little; nothing was registered.
        TrainingDiverged, RegistryError: the run is kept as FAILED, with the error.
    """
    if dataset.kind != kind:
        raise DataError(f"a dataset of kind '{dataset.kind}' cannot train the {kind}; build it with the builder of that kind")
    report, started = progress or (lambda stage, fraction: None), stopwatch_s()
    with _alone(kind, home, clock) as scratch:
        require_enough(dataset, config)
        folds = walk_forward(dataset, config.training)
        with registry.run(kind, params=_params(dataset, config), tags=_tags(dataset, config)) as run:
            evaluated, model, baseline, skipped = _walk(kind, dataset, folds, config, run, report)
            evaluation = Evaluation.of(kind, dataset.target_names, evaluated, config.lstm.quantiles)
            report("log evaluation and plots", 0.9)
            notes = (*dataset.notes, *model.meta.notes, *skipped)
            model.save(scratch / "model")
            baseline.save(scratch / "baseline")
            _log(run, evaluation, dataset, folds[-1], notes, scratch)
            plots = plot_evaluation(evaluation, scratch / "plots", model)
            run.log_files(plots, "plots")
            report("register", 0.95)
            number = run.register(scratch / "model", _example(dataset, folds[-1]))
        report("done", 1.0)
    return TrainingResult(registry.version(kind, number), evaluation, stopwatch_s() - started, notes)


def _walk(
    kind: str, dataset: Dataset, folds: tuple[Fold, ...], config: Config, run: RunLog, report: Progress
) -> tuple[list[EvaluatedFold], Model, Model, list[str]]:
    """Fit and evaluate each fold; return the results, the last model and baseline, and notes on folds left out."""
    evaluated: list[EvaluatedFold] = []
    skipped: list[str] = []
    for number, fold in enumerate(folds, start=1):
        report(f"fold {number} of {len(folds)}: {len(fold.train)} rows up to {iso(fold.start_ms)}", 0.9 * (number - 1) / len(folds))
        model, baseline = fresh_model(kind, config), fresh_baseline(kind, config)
        parts = dataset.take(fold.train), dataset.take(fold.validation)
        try:
            model.fit(*parts)
        except NotEnoughData as error:
            if number == len(folds):
                raise
            skipped.append(f"fold {number} is left out: {error}")
            continue
        baseline.fit(*parts)
        found = evaluate_fold(
            kind, dataset, fold, model, baseline,
            number=number, quantiles=config.lstm.quantiles, threshold=config.scorer.confidence_threshold,
        )
        run.log(metrics=_named(f"fold{number}", found.metrics, found.baseline_metrics))
        evaluated.append(found)
    return evaluated, model, baseline, skipped


def _log(run: RunLog, evaluation: Evaluation, dataset: Dataset, fold: Fold, notes: tuple[str, ...], scratch: Path) -> None:
    losses = {"loss": float(evaluation.losses.mean()), "rows": float(len(evaluation.losses))}
    baseline = {"loss": float(evaluation.baseline_losses.mean())}
    run.log(metrics=_named("final", {**evaluation.metrics, **losses}, {**evaluation.baseline_metrics, **baseline}))
    run.log(tags={"notes": json.dumps(notes)})
    run.log_files(evaluation.save(scratch))
    losses_path, reference_path = scratch / LOSSES, scratch / REFERENCE
    np.savez_compressed(losses_path, ts_ms=evaluation.ts_ms, model=evaluation.losses, baseline=evaluation.baseline_losses)
    _reference(dataset, fold).to_parquet(reference_path, index=False)
    run.log_files([losses_path, reference_path])
    run.log_files(sorted((scratch / "baseline").iterdir()), "baseline")


def _named(prefix: str, metrics: Metrics, baseline_metrics: Metrics) -> dict[str, float]:
    """Return metrics under the names that the registry shows: prefix.name and baseline.prefix.name."""
    own = {f"{prefix}.{name}": value for name, value in metrics.items()}
    return own | {f"baseline.{prefix}.{name}": value for name, value in baseline_metrics.items()}


def _sections(kind: str, config: Config) -> dict[str, dict[str, Any]]:
    """Return the sections that shape a model of this kind, as plain data."""
    names = (kind, "training", "costs") if kind == "scorer" else (kind, "training")
    return {name: getattr(config, name).model_dump(mode="json") for name in names}


def _params(dataset: Dataset, config: Config) -> dict[str, object]:
    settings = {f"{name}.{key}": value for name, section in _sections(dataset.kind, config).items() for key, value in section.items()}
    period = {"from": iso(int(dataset.ts_ms.min())), "to": iso(int(dataset.ts_ms.max()))} if len(dataset) else {}
    return {**settings, "rows": len(dataset), "streams": ",".join(dataset.streams), "targets": ",".join(dataset.target_names), **period}


def _tags(dataset: Dataset, config: Config) -> dict[str, object]:
    return {
        "kind": dataset.kind,
        "data_hash": dataset.data_hash,
        "feature_set_id": dataset.feature_set_id,
        "seed": config.training.seed,
        "config": json.dumps(_sections(dataset.kind, config)),
    }


def _reference(dataset: Dataset, fold: Fold) -> pd.DataFrame:
    """Return the inputs that the registered model learnt from, at most REFERENCE_ROWS of them: what drift is measured against."""
    rows = np.concatenate([fold.train, fold.validation])
    if len(rows) > REFERENCE_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, REFERENCE_ROWS).astype(np.int64)]
    return pd.DataFrame(dataset.X[rows], columns=list(dataset.feature_names))


def _example(dataset: Dataset, fold: Fold) -> Any:
    """Return a few test rows as the kind's pyfunc takes them; see `arbml.registry.pyfunc`."""
    if dataset.kind == "lstm":
        return dataset.sequences(fold.test[:2], np.float64)
    if dataset.kind == "scorer":
        return pd.DataFrame(dataset.X[fold.test[:5]], columns=list(dataset.feature_names))
    rows = fold.test[dataset.stream_of[fold.test] == dataset.stream_of[fold.test[0]]][:20]
    stream = dataset.streams[int(dataset.stream_of[rows[0]])]
    return pd.DataFrame({"stream": stream, "ts_ms": dataset.ts_ms[rows], "price": dataset.prices[rows]})


@contextmanager
def _alone(kind: str, home: Path, clock: Clock) -> Iterator[Path]:
    """Hold the training lock of a kind; yield an empty folder that is removed afterwards.

    Raises:
        TrainingBusy: at once if it is held, saying by whom.
    """
    locks, scratch = home / "locks", home / "tmp" / f"train-{kind}"
    locks.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(locks / f"train-{kind}.lock"), locks / f"train-{kind}.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainingBusy(f"the {kind} is being trained already, by {_holder(holder)}; wait until it is done, or stop it") from None
    try:
        holder.write_text(json.dumps({"process": Process.this().to_json(), "since_ms": clock.now_ms()}), encoding="utf-8")
        shutil.rmtree(scratch, ignore_errors=True)  # a killed training leaves its own
        scratch.mkdir(parents=True)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        holder.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        process = Process.from_json(written["process"])
    except (OSError, ValueError, KeyError, TypeError):
        process = None
    if process is None:  # it has the lock and writes its name just now
        return "another process"
    return f"process {process.pid} on {process.host} since {iso(written['since_ms'])}"
