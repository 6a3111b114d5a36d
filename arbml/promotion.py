"""The offline gate: a challenger becomes champion only if it is better on rows that neither it nor its rival has seen.

`decide` is pure arithmetic on paired losses; `promote` gets those losses by letting challenger, champion and baseline
answer the same final test block, and has the registry act on the decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbml.clock import iso
from arbml.config import Config, PromotionConfig
from arbml.dataset import Dataset, Fold, walk_forward
from arbml.errors import DataError, FeatureSetMismatch, ModelError, RegistryError
from arbml.evaluation import Interval, loss, paired_difference, predict_test
from arbml.evaluation.bootstrap import overlap_rows
from arbml.models.base import ModelMeta, ServingModel
from arbml.models.fresh import fresh_baseline
from arbml.models.runtime import load_model
from arbml.registry import Registry, Version

Floats = NDArray[np.float64]

UNITS = {"lstm": "bps of pinball loss", "scorer": "of Brier score", "volatility": "of QLIKE"}
BLAND = 1e-12  # models whose losses differ by less, relative to their size, are one and the same


@dataclass(frozen=True, slots=True)
class Reference:
    """What a challenger must beat.

    Attributes:
        name: for people, e.g. "champion v3" or "the baseline (BaseRate)".
        losses: (n,) its losses, or those of the rows that `rows` picks.
        rows: indices into the challenger's losses of the rows to compare on; all without it.
    """

    name: str
    losses: Floats
    rows: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The challenger against one reference. `interval` is of challenger - reference, None with too few rows."""

    reference: str
    n: int
    better: bool
    reason: str
    interval: Interval | None = None
    loss: float | None = None
    reference_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the challenger becomes champion, and the evidence.

    Attributes:
        promote: True only if it is better than every reference.
        reasons: readable sentences with figures and units, those that decided first.
        comparisons: one for each reference.
    """

    promote: bool
    reasons: tuple[str, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def deciding(self) -> Comparison:
        """The comparison that decided: the first one lost, otherwise the first."""
        return next((one for one in self.comparisons if not one.better), self.comparisons[0])

    @property
    def interval(self) -> Interval | None:
        """Interval of the deciding comparison."""
        return self.deciding.interval

    @property
    def reference(self) -> str:
        """Name of the deciding reference."""
        return self.deciding.reference

    @property
    def n(self) -> int:
        """Paired rows of the deciding comparison."""
        return self.deciding.n

    @property
    def reason(self) -> str:
        """All reasons as one line."""
        return "; ".join(self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "promote": self.promote,
            "reasons": list(self.reasons),
            "comparisons": [
                {
                    "reference": one.reference,
                    "n": one.n,
                    "better": one.better,
                    "loss": one.loss,
                    "reference_loss": one.reference_loss,
                    "interval": one.interval.to_dict() if one.interval else None,
                    "reason": one.reason,
                }
                for one in self.comparisons
            ],
        }


def decide(
    losses: Floats,
    references: Sequence[Reference],
    rules: PromotionConfig,
    *,
    unit: str = "of loss",
    block: int = 1,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Decision:
    """Promote if, against every reference, the upper bound of mean(challenger loss - reference loss) is below zero.

    The bound is one-sided at `rules.confidence`. As every reference must be beaten, the chance to promote a model that
    is no better than one of them is at most 1 - confidence, however many there are.

    Args:
        losses: (n,) of the challenger, in time order.
        references: champion and baseline, or the baseline alone.
        rules: least rows, confidence, bootstrap rounds.
        unit: of the losses, for the sentences.
        block: rows that one label overlaps, the least block of the bootstrap.
        seed: the same seed gives the same bound.
        notes: sentences added to the reasons, e.g. why there is no comparison with the champion.

    Raises:
        ValueError: without references, or if losses do not pair.

    >>> rules, noise = PromotionConfig(), np.random.default_rng(0).normal(size=400)
    >>> decide(noise - 0.5, [Reference("the baseline", noise)], rules).promote
    True
    >>> decide(noise, [Reference("the baseline", noise)], rules).reasons
    ('not better than the baseline: the same losses on all 400 rows',)
    """
    if not references:
        raise ValueError("a challenger is decided on against at least one reference")
    comparisons = tuple(_compare(losses, one, rules, unit, block, seed) for one in references)
    lost = [one.reason for one in comparisons if not one.better]
    won = [one.reason for one in comparisons if one.better]
    return Decision(not lost, (*lost, *won, *notes), comparisons)


def promote(kind: str, version: Version | int, dataset: Dataset, registry: Registry, config: Config) -> Decision:
    """Decide whether a version becomes champion, on the final test block of `dataset`, and act on it.

    Challenger, champion and a baseline fitted on the same training rows answer the same block. Rows from the period that
    the challenger or the champion was trained on do not count. A champion that cannot answer this data (another feature
    set, other horizons, torn files) could not serve it either: then the baseline alone is the reference, and the reasons
    say so.

    Args:
        kind: "lstm", "scorer" or "volatility".
        version: the challenger, or its number.
        dataset: of that kind, with a final block that the challenger has not seen; usually the one it was trained from.
        config: training (the split and the seed), promotion (the rules), and the kind's section.

    Returns:
        The decision, which is recorded in the registry either way.

    Raises:
        RegistryError: if there is no such version, it is champion already, or its files are not sound.
        FeatureSetMismatch: if the challenger cannot answer this dataset.
        NotEnoughData: if the dataset cannot be split.
    """
    if dataset.kind != kind:
        raise DataError(f"a dataset of kind '{dataset.kind}' cannot decide on the {kind}; build it with the builder of that kind")
    challenger = registry.version(kind, version if isinstance(version, int) else version.number)
    champion = registry.champion(kind)
    if champion is not None and champion.number == challenger.number:
        raise RegistryError(f"{challenger} is the champion already; train a challenger first: arbml train {kind}")
    fold = walk_forward(dataset, config.training)[-1]
    test, seed = dataset.take(fold.test), config.training.seed
    model = answering(registry, challenger, dataset)
    losses = block_losses(model, dataset, fold, config)
    unseen = unseen_rows(model.meta, test)
    references, notes = [], []
    if champion is not None:
        try:
            rival = answering(registry, champion, dataset)
            rows = np.flatnonzero(unseen & unseen_rows(rival.meta, test))
            references.append(Reference(f"champion v{champion.number}", block_losses(rival, dataset, fold, config)[rows], rows))
        except (ModelError, RegistryError) as error:
            notes.append(f"compared with the baseline only: champion v{champion.number} cannot answer this data ({error})")
    baseline = fresh_baseline(kind, config)
    baseline.fit(dataset.take(fold.train), dataset.take(fold.validation))
    rows = np.flatnonzero(unseen)
    references.append(Reference(f"the baseline ({baseline.meta.model})", block_losses(baseline, dataset, fold, config)[rows], rows))
    block = overlap_rows(test.ts_ms, test.label_end_ms)
    decision = decide(losses, references, config.promotion, unit=UNITS[kind], block=block, seed=seed, notes=notes)
    evidence = decision.to_dict() | {
        "challenger": challenger.number,
        "champion": champion.number if champion else None,
        "data_hash": dataset.data_hash,
        "test_block": [iso(fold.start_ms), iso(fold.end_ms)],
        "rules": config.promotion.model_dump(mode="json"),
        "seed": seed,
    }
    act = registry.promote if decision.promote else registry.reject
    act(kind, challenger.number, decision.reason, evidence)
    return decision


def answering(registry: Registry, version: Version, dataset: Dataset) -> ServingModel:
    """Load a version and make sure that it answers the question that the dataset asks."""
    model = load_model(registry.model_dir(version))
    meta = model.meta
    if meta.feature_set_id != dataset.feature_set_id:
        raise FeatureSetMismatch(f"{version} knows feature set {meta.feature_set_id}, the data has {dataset.feature_set_id}")
    if meta.target_names != dataset.target_names:
        asked, known = ", ".join(dataset.target_names), ", ".join(meta.target_names)
        raise FeatureSetMismatch(f"{version} forecasts {known}, the data asks for {asked}")
    if dataset.step_s is not None and meta.params.get("step_s") != dataset.step_s:
        raise FeatureSetMismatch(f"{version} knows bars of {meta.params.get('step_s')} s, the data has {dataset.step_s} s")
    return model


def block_losses(model: ServingModel, dataset: Dataset, fold: Fold, config: Config) -> Floats:
    """Return the losses on the rows of the fold's test block."""
    return loss(dataset.kind, dataset.y[fold.test], predict_test(model, dataset, fold), config.lstm.quantiles)


def unseen_rows(meta: ModelMeta, test: Dataset) -> NDArray[np.bool_]:
    """Return which rows lie outside the period that the model was trained on."""
    return np.asarray((test.ts_ms < meta.trained_from_ms) | (test.ts_ms > meta.trained_to_ms))


def _compare(losses: Floats, reference: Reference, rules: PromotionConfig, unit: str, block: int, seed: int) -> Comparison:
    name, other = reference.name, np.asarray(reference.losses, np.float64)
    own = np.asarray(losses, np.float64)
    own = own if reference.rows is None else own[reference.rows]
    if own.shape != other.shape or own.ndim != 1:
        raise ValueError(f"challenger and {name} must have losses of the same rows, got {own.shape} and {other.shape}")
    n = own.size
    if n < rules.min_samples:
        reason = f"not enough evidence against {name}: {n} paired rows, {rules.min_samples} needed; collect more"
        return Comparison(name, n, False, reason)
    if bad := int(np.sum(~np.isfinite(own - other))):
        return Comparison(name, n, False, f"not comparable with {name}: {bad} of {n} losses are not finite numbers")
    mean, other_mean = float(own.mean()), float(other.mean())
    if np.abs(own - other).max() <= BLAND * max(1.0, float(np.abs(other).max())):
        return Comparison(name, n, False, f"not better than {name}: the same losses on all {n} rows", None, mean, other_mean)
    interval = paired_difference(own, other, block=block, rounds=rules.bootstrap_rounds, confidence=rules.confidence, seed=seed)
    verdict = "better than" if interval.is_lower else "not better than"
    reason = (
        f"{verdict} {name}: {mean:.4g} against {other_mean:.4g} {unit} on {n} rows, difference {interval.mean:+.3g} "
        f"(at most {interval.upper_bound:+.3g} with {rules.confidence:.0%} confidence)"
    )
    return Comparison(name, n, interval.is_lower, reason, interval, mean, other_mean)
