"""Stored frames to a verdict; a critical failure stops whatever follows."""

import json

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.frames import ExecutionFrame, FeatureFrame, TickFrame
from arbml.validation import ValidationReport, require, validate
from flows.progress import report
from flows.workspace import Selection, Workspace


@task(cache_policy=NO_CACHE)
def validate_frame(df: "TickFrame | FeatureFrame | ExecutionFrame", suite: str) -> ValidationReport:
    """Run one suite and write its report under `<home>/reports`."""
    workspace = Workspace()
    found = validate(df, suite)
    folder = workspace.home / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"validation-{suite}.txt").write_text(found.text() + "\n")
    (folder / f"validation-{suite}.json").write_text(json.dumps(found.to_dict(), indent=2) + "\n")
    return found


@flow(name="validate", validate_parameters=False)
def validate_flow(selection: Selection) -> list[ValidationReport]:
    """Validate ticks, the executions of the same period if there are any, and stop on a critical failure.

    Raises:
        DataQualityError: with the whole report.
    """
    workspace = Workspace()
    report("validate", 0)
    ticks = workspace.ticks(selection)
    executions = workspace.executions(ticks)
    reports = [validate_frame(ticks, "ticks")]
    report("validate", 0.6)
    if len(executions):
        reports.append(validate_frame(executions, "executions"))
    report("validate", 1)
    return [require(found) for found in reports]
