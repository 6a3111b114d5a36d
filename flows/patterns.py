"""Stored opportunities to confirmed patterns, kept until nobody confirms them any more."""

from dataclasses import dataclass
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.errors import NotEnoughData
from arbml.models.patterns import Detection, Pattern, PatternDetector
from arbml.models.patterns.shelf import active, keep, retire
from flows.progress import report
from flows.workspace import Selection, Workspace


@dataclass(frozen=True, slots=True)
class PatternsFound:
    """What a detection came to, and what it left in the store.

    Attributes:
        detection: with every candidate that was tested; a sentence where there is not enough data to look.
        active: all patterns that are matched from now on, best first.
        new: of those confirmed, how many were not active before. retired: how many were confirmed too long ago.
        notes: for people.
    """

    detection: "Detection | str"
    active: tuple[Pattern, ...]
    new: int
    retired: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        kept = {"active": [pattern.told() for pattern in self.active], "new": self.new, "retired": self.retired, "notes": list(self.notes)}
        found = self.detection
        if isinstance(found, str):
            return {"confirmed": [], "why": found, **kept}
        counts = {name: getattr(found, name) for name in ("looked_at", "promising", "found_rows", "confirmed_rows", "split_ms")}
        return {
            **counts,
            "tested": len(found.tested),
            "confirmed": [pattern.told() for pattern in found.patterns],
            **kept,
        }


@task(cache_policy=NO_CACHE)
def detect_patterns(selection: Selection, known: tuple[Pattern, ...]) -> "Detection | str":
    """Find patterns in the selected ticks and executions; a sentence where they are too few to look."""
    workspace = Workspace()
    ticks = workspace.ticks(selection)
    report("patterns", 0.2)
    features = workspace.features(ticks)
    report("patterns", 0.5)
    detector = PatternDetector(workspace.config.patterns, workspace.config.training.seed)
    try:
        dataset = workspace.dataset("scorer", ticks, features)
        report("patterns", 0.7)
        return detector.detect(dataset, features, known)
    except NotEnoughData as error:
        return str(error)


@task(cache_policy=NO_CACHE)
def keep_patterns(patterns: tuple[Pattern, ...]) -> int:
    """Store what was confirmed; return how many of it were not active before."""
    workspace = Workspace()
    return keep(patterns, workspace.store, workspace.clock.now_ms())


@task(cache_policy=NO_CACHE)
def retire_patterns() -> int:
    """Retire what no detection of the last `max_age_days` confirmed."""
    workspace = Workspace()
    return retire(workspace.store, workspace.config.patterns.max_age_days, workspace.clock.now_ms())


@flow(name="patterns", validate_parameters=False)
def patterns_flow(selection: Selection) -> PatternsFound:
    """Find, confirm and keep patterns; retire those that were not confirmed for too long."""
    report("patterns", 0)
    detection = detect_patterns(selection, active_patterns(Workspace())[0])
    confirmed, notes = ((), ()) if isinstance(detection, str) else (detection.patterns, detection.notes)
    new = keep_patterns(confirmed)
    retired = retire_patterns()
    kept, left_out = active_patterns(Workspace())
    report("patterns", 1)
    return PatternsFound(detection, kept, new, retired, (*notes, *left_out))


def active_patterns(workspace: Workspace) -> tuple[tuple[Pattern, ...], tuple[str, ...]]:
    """Return the patterns to match, best first, and why others are left out."""
    return active(workspace.store, workspace.config.patterns.max_age_days, workspace.clock.now_ms())
