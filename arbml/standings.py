"""Where champion and challenger stand against the baseline, on the same latest block. Looks, decides nothing."""

from dataclasses import dataclass

import numpy as np

from arbml.config import Config
from arbml.dataset import Dataset, walk_forward
from arbml.errors import ModelError, RegistryError
from arbml.evaluation import Interval, paired_difference
from arbml.evaluation.bootstrap import overlap_rows
from arbml.models.fresh import fresh_baseline
from arbml.promotion import answering, block_losses, unseen_rows
from arbml.registry import Registry, Version


@dataclass(frozen=True, slots=True)
class Standing:
    """One contender on the latest block.

    Attributes:
        who: "baseline", "champion v3" or "challenger v4".
        n: rows that it has not been trained on.
        loss: mean loss on them; bps of pinball loss, Brier score or QLIKE.
        gain: baseline loss - loss on the same rows, positive is better; low, high its interval. None for the baseline.
        verdict: in words.
    """

    kind: str
    who: str
    n: int
    loss: float | None
    gain: float | None
    low: float | None
    high: float | None
    verdict: str


def standings(kind: str, dataset: Dataset, registry: Registry, config: Config) -> list[Standing]:
    """Let the baseline, the champion and the challenger answer the final test block of `dataset`.

    Raises:
        NotEnoughData: if the dataset cannot be split.
    """
    fold = walk_forward(dataset, config.training)[-1]
    baseline = fresh_baseline(kind, config)
    baseline.fit(dataset.take(fold.train), dataset.take(fold.validation))
    reference = block_losses(baseline, dataset, fold, config)
    name, mean = f"baseline ({baseline.meta.model})", float(reference.mean())
    found = [Standing(kind, name, len(reference), mean, None, None, None, "the reference")]
    test = dataset.take(fold.test)
    for role, version in (("champion", registry.champion(kind)), ("challenger", registry.challenger(kind))):
        if version is None:
            continue
        try:
            model = answering(registry, version, dataset)
            rows = np.flatnonzero(unseen_rows(model.meta, test))
            losses = block_losses(model, dataset, fold, config)[rows]
        except (ModelError, RegistryError) as error:
            found.append(Standing(kind, f"{role} v{version.number}", 0, None, None, None, None, f"cannot answer this data: {error}"))
            continue
        block = overlap_rows(test.ts_ms[rows], test.label_end_ms[rows]) if len(rows) else 1
        found.append(_standing(kind, role, version, losses, reference[rows], block, config))
    return found


def _standing(
    kind: str, role: str, version: Version, losses: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    reference: "np.ndarray[tuple[int], np.dtype[np.float64]]", block: int, config: Config,
) -> Standing:
    who, n = f"{role} v{version.number}", len(losses)
    if n < config.promotion.min_samples:
        need = config.promotion.min_samples
        return Standing(kind, who, n, None, None, None, None, f"not enough rows it has not seen: {n}, {need} needed; collect more")
    interval: Interval = paired_difference(
        losses, reference, block=block, rounds=config.promotion.bootstrap_rounds, confidence=config.promotion.confidence,
        seed=config.training.seed,
    )
    verdict = "better than the baseline" if interval.high < 0 else "worse than the baseline" if interval.low > 0 else "no clear difference"
    return Standing(kind, who, n, float(losses.mean()), -interval.mean, -interval.high, -interval.low, verdict)
