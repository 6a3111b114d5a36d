"""One whole cycle: source to a prediction served over HTTP."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from prefect import flow

from arbml.errors import NotEnoughData
from arbml.evaluation import Evaluation, units
from arbml.promotion import Decision
from arbml.training import TrainingResult
from flows.build import ask_flow, build_flow
from flows.collect import collect_flow, selection_of
from flows.drift import drift_flow
from flows.features import features_flow
from flows.meter import Meter, Step
from flows.patterns import patterns_flow
from flows.promote import promote_flow
from flows.sources import Source
from flows.train import train_flow
from flows.validate import validate_flow
from flows.workspace import Selection, Workspace, chosen

Figure = tuple[str, str, str, float, float | None]


@dataclass
class Cycle:
    """What a cycle came to."""

    steps: list[Step] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    decisions: "dict[str, Decision | str]" = field(default_factory=dict)
    data_hashes: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    prediction: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "steps": [asdict(step) for step in self.steps],
            "figures": [dict(zip(("model", "metric", "unit", "value", "baseline"), f, strict=True)) for f in self.figures],
            "decisions": {k: d.to_dict() if isinstance(d, Decision) else d for k, d in self.decisions.items()},
            "data_hashes": self.data_hashes,
            "notes": self.notes,
            "prediction": self.prediction,
            "paths": self.paths,
        }


@flow(name="cycle", validate_parameters=False)
def cycle(sources: Sequence[Source], kinds: Sequence[str] = ()) -> Cycle:
    """Collect, validate, build features, train, evaluate, promote, report drift, find patterns, build the Bento, serve and ask it.

    A model that the data cannot teach (too few labels, one venue only) is left to its baseline, with a note; it does not
    fail the cycle. Every other error does.
    """
    done, meter = Cycle(), Meter()
    done.steps = meter.steps
    with meter.step("collect") as note:
        collected = collect_flow(sources)
        reports, selection = collected.reports, selection_of(collected.reports)
        note(f"{sum(c.new for c in reports)} new ticks, {sum(c.known for c in reports)} known, "
             f"{sum(c.executions_new for c in reports)} new executions, streams: {', '.join(selection.streams or ())}")
        done.notes += collected.notes
    with meter.step("validate") as note:
        verdicts = validate_flow(selection)
        note("; ".join(f"{r.suite}: {len(r.results)} expectations, {len(r.warnings)} warnings" for r in verdicts))
        done.notes += [f"{r.suite}: {w.line.removeprefix('warn ')}" for r in verdicts for w in r.warnings]
    with meter.step("features") as note:
        built = features_flow(selection)
        note(f"{built.rows} rows of {built.features} features")
    trained = _train(done, meter, chosen(kinds, Workspace()), selection)
    with meter.step("promote") as note:
        done.decisions |= promote_flow(tuple(trained), selection) if trained else {}
        promoted = [k for k, d in done.decisions.items() if isinstance(d, Decision) and d.promote]
        note(f"promoted: {', '.join(promoted) or 'none'}")
    with meter.step("drift") as note:
        drift = drift_flow(tuple(trained), selection) if trained else None
        if drift is not None:
            note("; ".join(f"{r.model}: {'DRIFT' if r.drifted else 'no drift'}" for r in drift.reports))
            done.notes += [*(f"drift of {r.text()}" for r in drift.reports), *drift.notes]
    with meter.step("patterns") as note:
        found = patterns_flow(selection)
        if isinstance(found.detection, str):
            note(f"not enough to learn from, {len(found.active)} active")
            done.notes.append(f"no patterns: {found.detection}")
        else:
            note(f"{len(found.detection.patterns)} of {len(found.detection.tested)} candidates confirmed, {len(found.active)} active")
            done.notes += [f"pattern {one.text}" for one in found.detection.patterns[:3]]
    _serve(done, meter, selection, built.path)
    return done


def _train(done: Cycle, meter: Meter, kinds: Sequence[str], selection: Selection) -> dict[str, TrainingResult]:
    trained: dict[str, TrainingResult] = {}
    for kind in kinds:
        with meter.step(f"train {kind}") as note:
            try:
                result = train_flow(kind, selection)
            except NotEnoughData as error:
                note("baseline: not enough to learn from")
                done.decisions[kind] = f"not trained, the baseline answers: {error}"
                continue
            trained[kind] = result
            note(f"{result.version} on {result.evaluation.folds[-1].n_train} rows, {len(result.evaluation.folds)} folds")
            done.data_hashes[kind] = result.version.data_hash
            done.notes += [f"{kind}: {text}" for text in result.notes]
            done.figures += _figures(result.evaluation)
    return trained


def _figures(evaluation: Evaluation) -> list[Figure]:
    return [
        (evaluation.kind, name, units(name), value, evaluation.baseline_metrics.get(name))
        for name, value in evaluation.metrics.items()
    ]


def _serve(done: Cycle, meter: Meter, selection: Selection, built_features: str) -> None:
    home = Workspace().home
    with meter.step("build") as note:
        built = build_flow(selection)
        note(f"{built.tag}: " + ", ".join(f"{kind} {who}" for kind, who in built.versions.items()))
    with meter.step("serve and ask") as note:
        done.prediction = ask_flow(built, selection)
        note(f"{done.prediction['recommendation']} from the {done.prediction['variant']}")
    done.paths = {
        "runs and versions": f"mlflow server --backend-store-uri sqlite:///{home}/mlflow/mlflow.db",
        "flow history": f"PREFECT_HOME={home}/prefect prefect server start",
        "reports": f"{home}/reports",
        "features": built_features,
        "Bento": built.path,
    }

