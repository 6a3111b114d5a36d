"""Dataset to registered challenger, with its evaluation."""

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.dataset import Dataset
from arbml.training import TrainingResult, train
from flows.progress import report
from flows.workspace import Selection, Workspace


@task(cache_policy=NO_CACHE)
def build_dataset(kind: str, selection: Selection) -> Dataset:
    """Build the dataset of one model. Raises NotEnoughData where the ticks cannot give one."""
    workspace = Workspace()
    ticks = workspace.ticks(selection)
    return workspace.dataset(kind, ticks, workspace.features(ticks))


@task(cache_policy=NO_CACHE)
def train_model(kind: str, dataset: Dataset) -> TrainingResult:
    """Fit, evaluate walk-forward and register. Raises TrainingBusy if this model is being trained already."""
    workspace = Workspace()
    workspace.registry.start()  # closes the runs of trainings that were killed
    return train(
        kind, dataset, workspace.config, workspace.registry, workspace.home, workspace.clock,
        progress=lambda _what, fraction: report(f"train {kind}", 0.99 * fraction),
    )


@flow(name="train", validate_parameters=False)
def train_flow(kind: str, selection: Selection) -> TrainingResult:
    """Train one model on the selected ticks and register it as challenger."""
    report(f"train {kind}", 0)
    result = train_model(kind, build_dataset(kind, selection))
    report(f"train {kind}", 1)
    return result
