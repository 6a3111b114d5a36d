"""One training inside of a backtest: fit, evaluate beside the baseline, gate, as `arbml train` and `promote` do, without a registry."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arbml.clock import iso, stopwatch_s
from arbml.config import Config
from arbml.dataset import Dataset, Fold, require_enough, walk_forward
from arbml.errors import ModelError, NotEnoughData, TrainingDiverged
from arbml.evaluation import coverage
from arbml.evaluation.bootstrap import overlap_rows
from arbml.evaluation.walk import predict_test
from arbml.models.base import ServingModel
from arbml.models.fresh import fresh_baseline, fresh_model
from arbml.models.runtime import load_model
from arbml.promotion import UNITS, Decision, Reference, block_losses, decide, unseen_rows


@dataclass(frozen=True)
class Training:
    """What one scheduled training came to.

    Attributes:
        kind: "lstm", "scorer" or "volatility".
        due_ms: when it was due, UTC ms; it saw nothing that became known later.
        rows: of its dataset; 0 where there was none.
        promoted: whether its model serves from then on.
        serves: who answers from then on, for people.
        reason: why, with figures.
        seconds: how long it took on this machine.
    """

    kind: str
    due_ms: int
    rows: int
    promoted: bool
    serves: str
    reason: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        names = ("kind", "due_ms", "rows", "promoted", "serves", "reason", "seconds")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Champion:
    """A model that won its gate.

    Attributes:
        path: where it is saved.
        version: its name in a bundle.
        coverage: measured coverage of its price intervals, by horizon in s; empty for the other kinds.
    """

    path: Path
    version: str
    coverage: Mapping[int, float]


@dataclass(frozen=True)
class Standing:
    """Who answers one question after a training: champion and baseline are None where there is none."""

    champion: Champion | None
    baseline: Path | None
    training: Training


def train_once(kind: str, dataset: Dataset, due_ms: int, before: Standing | None, config: Config, folder: Path) -> Standing:
    """Fit a challenger and a baseline on what was known, and let the challenger serve if it beats champion and baseline.

    Args:
        kind: that of the dataset.
        dataset: of what was known at `due_ms`.
        due_ms: UTC ms.
        before: who answered until now.
        config: training, promotion and the kind's sections.
        folder: empty, for the files.

    Returns:
        Who answers from now on. With too little data, or a fit that fails, the champion stays, if there was one.
    """
    began_s = stopwatch_s()
    held = before.champion if before else None

    def standing(champion: Champion | None, baseline: Path | None, promoted: bool, reason: str) -> Standing:
        serves = "the baseline" if champion is None else f"the model {champion.version}"
        seconds = round(stopwatch_s() - began_s, 3)
        return Standing(champion, baseline, Training(kind, due_ms, len(dataset), promoted, serves, reason, seconds))

    try:
        fold = walk_forward(dataset, config.training)[-1]
        baseline = _saved_baseline(kind, dataset, fold, config, folder / "baseline")
    except NotEnoughData as error:
        return standing(held, before.baseline if before else None, False, f"not trained: {error}")
    try:
        require_enough(dataset, config)
        model = fresh_model(kind, config)
        model.fit(dataset.take(fold.train), dataset.take(fold.validation))
    except (NotEnoughData, TrainingDiverged) as error:
        return standing(held, baseline, False, f"not trained: {error}")
    model.save(folder / "model")
    challenger = load_model(folder / "model")  # what is judged is what would serve
    decision = _gate(kind, challenger, held, baseline, dataset, fold, config)
    if not decision.promote:
        return standing(held, baseline, False, decision.reason)
    champion = Champion(folder / "model", f"of {iso(due_ms)}", _coverage(challenger, dataset, fold))
    return standing(champion, baseline, True, decision.reason)


def baseline_only(kind: str, dataset: Dataset, due_ms: int, champion: Champion | None, config: Config, folder: Path) -> Standing:
    """Fit the baseline of a kind that is not trained here; `champion`, if there is one, serves beside it.

    Raises:
        NotEnoughData: if there is too little for that.
    """
    fold = walk_forward(dataset, config.training)[-1]
    baseline = _saved_baseline(kind, dataset, fold, config, folder / "baseline")
    serves = "the baseline" if champion is None else f"the model {champion.version}"
    reason = "no champion is registered" if champion is None else "as registered"
    return Standing(champion, baseline, Training(kind, due_ms, len(dataset), champion is not None, serves, reason, 0.0))


def _saved_baseline(kind: str, dataset: Dataset, fold: Fold, config: Config, folder: Path) -> Path:
    baseline = fresh_baseline(kind, config)
    baseline.fit(dataset.take(fold.train), dataset.take(fold.validation))
    baseline.save(folder)
    return folder


def _gate(
    kind: str, challenger: ServingModel, held: Champion | None, baseline: Path, dataset: Dataset, fold: Fold, config: Config
) -> Decision:
    """Decide on the final block, on the rows that neither side has seen."""
    test = dataset.take(fold.test)
    unseen = unseen_rows(challenger.meta, test)
    references, notes = [], []
    if held is not None:
        try:
            rival = load_model(held.path)
            rows = np.flatnonzero(unseen & unseen_rows(rival.meta, test))
            name = f"the model {held.version}"
            references.append(Reference(name, block_losses(rival, dataset, fold, config)[rows], rows))
        except ModelError as error:
            notes.append(f"compared with the baseline only: the model {held.version} cannot answer this data ({error})")
    other = load_model(baseline)
    rows = np.flatnonzero(unseen)
    name = f"the baseline ({other.meta.model})"
    references.append(Reference(name, block_losses(other, dataset, fold, config)[rows], rows))
    losses = block_losses(challenger, dataset, fold, config)
    block = overlap_rows(test.ts_ms, test.label_end_ms)
    return decide(
        losses, references, config.promotion, unit=UNITS[kind], block=block, seed=config.training.seed, notes=notes
    )


def _coverage(model: ServingModel, dataset: Dataset, fold: Fold) -> dict[int, float]:
    """Return horizon in s -> measured share of the test block inside the price interval."""
    if dataset.kind != "lstm":
        return {}
    y, answer = dataset.y[fold.test], predict_test(model, dataset, fold)
    return {h: coverage(y[:, i], answer[:, i, 0], answer[:, i, -1]) for i, h in enumerate(dataset.horizons_s)}
