"""One model from the stored data to a decision: what the schedule runs."""

from dataclasses import dataclass

from prefect import flow

from arbml.promotion import Decision
from flows.drift import drift_flow
from flows.features import features_flow
from flows.lateness import missed
from flows.patterns import patterns_flow
from flows.promote import promote_flow
from flows.train import train_flow
from flows.validate import validate_flow
from flows.workspace import Selection


@dataclass(frozen=True, slots=True)
class Retrained:
    """What a retraining came to."""

    kind: str
    version: str
    decision: "Decision | str"
    notes: tuple[str, ...]


@flow(name="retrain")
def retrain(kind: str) -> Retrained:
    """Validate, build features, train, promote if better, and report drift of one model; with the scorer, look for patterns.

    A scheduled run that begins more than `flows.lateness.GRACE_S` seconds late (the machine slept) ends as Cancelled: the next one is due
    soon enough, and a pile of them would train the same model again and again.
    """
    if (dropped := missed()) is not None:
        return dropped
    selection = Selection()
    validate_flow(selection)
    features_flow(selection)
    trained = train_flow(kind, selection)
    decision = promote_flow((kind,), selection)[kind]
    drift = drift_flow((kind,), selection)
    notes = (*trained.notes, *(report.text() for report in drift.reports), *drift.notes)
    if kind == "scorer":  # patterns are found in the same opportunities
        notes = (*notes, _patterns(selection))
    return Retrained(kind, str(trained.version), decision, notes)


def _patterns(selection: Selection) -> str:
    found = patterns_flow(selection)
    kept = f"patterns: {len(found.active)} active, {found.new} new, {found.retired} retired"
    return f"{kept}; {found.detection}" if isinstance(found.detection, str) else kept
