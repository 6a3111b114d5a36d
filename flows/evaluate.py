"""Champion, challenger and baseline on the same latest block, and the placebo test."""

from collections.abc import Sequence
from dataclasses import dataclass

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.dataset import Dataset, walk_forward
from arbml.errors import NotEnoughData
from arbml.evaluation import placebo
from arbml.models.fresh import fresh_model
from arbml.standings import Standing, standings
from flows.progress import report
from flows.train import build_dataset
from flows.workspace import Selection, Workspace, chosen


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Where each model stands, and what could not be evaluated."""

    standings: tuple[Standing, ...]
    notes: tuple[str, ...]


@task(cache_policy=NO_CACHE)
def evaluate_model(kind: str, dataset: Dataset) -> list[Standing]:
    """Let champion, challenger and baseline answer the latest block."""
    workspace = Workspace()
    return standings(kind, dataset, workspace.registry, workspace.config)


@task(cache_policy=NO_CACHE)
def placebo_test(kind: str, dataset: Dataset) -> str:
    """Fit on shuffled labels: whoever still beats a constant answer has seen the answers."""
    config = Workspace().config
    fold = walk_forward(dataset, config.training)[-1]
    interval = placebo(
        kind, dataset, fold, fresh_model(kind, config), quantiles=config.lstm.quantiles, seed=config.training.seed
    )
    verdict = "LEAKING: it beats a constant on shuffled labels" if interval.is_lower else "sound: nothing learned from shuffled labels"
    return f"placebo of {kind}: {verdict} (its loss minus the constant's {interval.mean:+.3g}, at most {interval.upper_bound:+.3g})"


@flow(name="evaluate", validate_parameters=False)
def evaluate_flow(kinds: Sequence[str], selection: Selection, with_placebo: bool = False) -> EvaluationReport:
    """Evaluate these models, or all that are enabled."""
    found: list[Standing] = []
    notes: list[str] = []
    for kind in chosen(kinds, Workspace()):
        report(f"evaluate {kind}", 0)
        try:
            dataset = build_dataset(kind, selection)
            found += evaluate_model(kind, dataset)
            if with_placebo:
                notes.append(placebo_test(kind, dataset))
        except NotEnoughData as error:
            notes.append(f"{kind} is not evaluated: {error}")
        report(f"evaluate {kind}", 1)
    return EvaluationReport(tuple(found), tuple(notes))
