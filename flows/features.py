"""Stored ticks to validated feature rows."""

import json
import os
from dataclasses import asdict, dataclass

from filelock import FileLock
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.features import ParityReport, check_parity, feature_set_id
from arbml.frames import FeatureFrame
from arbml.validation import require
from flows.progress import report
from flows.validate import validate_frame
from flows.workspace import Selection, Workspace


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """What was built and where it lies."""

    rows: int
    ticks: int
    features: int
    feature_set_id: str
    path: str


@task(cache_policy=NO_CACHE)
def build_features(selection: Selection) -> tuple[FeatureFrame, int]:
    """Compute the feature rows of the selected ticks; also how many ticks there were."""
    workspace = Workspace()
    ticks = workspace.ticks(selection)
    return workspace.features(ticks), len(ticks)


@task(cache_policy=NO_CACHE)
def save_features(df: FeatureFrame, ticks: int) -> FeatureReport:
    """Write the rows to `<home>/features/features.parquet`, all or nothing."""
    folder = Workspace().home / "features"
    folder.mkdir(parents=True, exist_ok=True)
    path, part = folder / "features.parquet", folder / "features.parquet.part"
    done = FeatureReport(len(df), ticks, df.shape[1] - 5, feature_set_id(), str(path))
    with FileLock(folder / "features.lock"):  # what a killed process left in `part` is written over
        df.to_parquet(part, index=False)
        os.replace(part, path)
        (folder / "features.json").write_text(json.dumps(asdict(done), indent=2) + "\n")
    return done


@flow(name="features", validate_parameters=False)
def features_flow(selection: Selection) -> FeatureReport:
    """Build, validate and keep the feature rows. Raises DataQualityError when a critical expectation fails."""
    report("features", 0)
    df, ticks = build_features(selection)
    report("features", 0.4)
    require(validate_frame(df, "features"))
    done = save_features(df, ticks)
    report("features", 1)
    return done


@flow(name="feature-parity", validate_parameters=False)
def parity_flow(selection: Selection) -> ParityReport:
    """Compare batch and stream features bit for bit on the selected ticks."""
    report("parity", 0)
    found = check_parity(Workspace().ticks(selection))
    report("parity", 1)
    return found
