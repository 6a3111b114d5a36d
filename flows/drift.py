"""Are the inputs still those that the champion was trained on?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.dataset import Dataset, walk_forward
from arbml.drift import DriftReport, detect_drift
from arbml.errors import NotEnoughData
from arbml.features import FEATURE_NAMES
from arbml.registry import Version
from flows.progress import report
from flows.train import build_dataset
from flows.workspace import Selection, Workspace, chosen

# a window of hours always sees other hours than the reference did
CALENDAR = tuple(name for name in FEATURE_NAMES if name.startswith(("hour_of_day", "day_of_week")))


@dataclass(frozen=True, slots=True)
class Drift:
    """One report a model that has a version, and what could not be compared."""

    reports: tuple[DriftReport, ...]
    notes: tuple[str, ...]


@task(cache_policy=NO_CACHE)
def report_drift(kind: str, version: Version, dataset: Dataset) -> DriftReport:
    """Compare the latest test block with the version's frozen reference; kept with its run."""
    workspace = Workspace()
    latest = walk_forward(dataset, workspace.config.training)[-1].test
    found = detect_drift(
        kind,
        pd.read_parquet(workspace.registry.artifact(version, "reference.parquet")),
        pd.DataFrame(dataset.X[latest], columns=list(dataset.feature_names)),
        workspace.config.monitor,
        workspace.home / "reports",
        by_design=CALENDAR,
    )
    workspace.registry.log_report(version, [Path(found.html), Path(found.json)], "drift")
    return found


@flow(name="drift", validate_parameters=False)
def drift_flow(kinds: Sequence[str], selection: Selection) -> Drift:
    """Report the drift of these models, or of all that are enabled: champion, or challenger where there is no champion."""
    workspace = Workspace()
    reports: list[DriftReport] = []
    notes: list[str] = []
    for kind in chosen(kinds, workspace):
        report(f"drift {kind}", 0)
        version = workspace.registry.champion(kind) or workspace.registry.challenger(kind)
        try:
            if version is None:
                notes.append(f"no drift report of {kind}: it has no version yet")
            else:
                reports.append(report_drift(kind, version, build_dataset(kind, selection)))
        except NotEnoughData as error:
            notes.append(f"no drift report of {kind}: {error}")
        report(f"drift {kind}", 1)
    return Drift(tuple(reports), tuple(notes))
