"""The steps of the cycle, one by one: validate, features, train, evaluate, promote, rollback, drift."""

from typing import Annotated

import typer

from arbml.cli.output import Output
from arbml.cli.session import session
from arbml.errors import ArbmlError, ConfigError

KINDS = ("lstm", "scorer", "volatility")
Model = Annotated[str, typer.Argument(help="lstm, scorer or volatility.", metavar="MODEL")]
Models = Annotated[list[str] | None, typer.Argument(help="lstm, scorer, volatility; all enabled ones without it.", metavar="[MODEL]...")]


def add_commands(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    for command in (validate, features, train, evaluate, promote, rollback, drift):
        app.command()(command)


def validate(context: typer.Context) -> None:
    """Run the Great Expectations suites on the stored ticks and executions."""
    out: Output = context.obj
    with session(out, "validate"):
        from flows.validate import validate_flow
        from flows.workspace import Selection

        reports = validate_flow(Selection())
    for report in reports:
        out.line(report.text())
    out.line("next: arbml features")
    out.fact(validation=reports)
    out.finish()


def features(
    context: typer.Context,
    check_parity: Annotated[
        bool, typer.Option("--check-parity", help="Compare batch and stream bit for bit; name the first row that differs.")
    ] = False,
) -> None:
    """Build and validate the feature rows of the stored ticks."""
    out: Output = context.obj
    with session(out, "features"):
        from flows.features import features_flow, parity_flow
        from flows.workspace import Selection

        if check_parity:
            parity = parity_flow(Selection())
        else:
            built = features_flow(Selection())
    if check_parity:
        out.line(parity.text())
        out.fact(parity=parity)
        out.finish()
        if parity.first_difference is not None:
            raise ArbmlError("batch and stream features differ; the report above names the first row")
        return
    out.line(f"{built.rows} feature rows of {built.ticks} ticks, {built.features} features (set {built.feature_set_id}): {built.path}")
    out.line("next: arbml train lstm")
    out.fact(features=built)
    out.finish()


def train(context: typer.Context, model: Model) -> None:
    """Train MODEL, evaluate it walk-forward beside its baseline, and register it as challenger."""
    out: Output = context.obj
    known(model)
    with session(out, "train"):
        from flows.train import train_flow
        from flows.workspace import Selection

        result = train_flow(model, Selection())
    show_evaluation(out, result.evaluation)
    out.line(f"registered {result.version}; next: arbml promote {model}")
    out.fact(version=result.version, evaluation=result.evaluation)
    out.finish()


def evaluate(
    context: typer.Context,
    models: Models = None,
    placebo: Annotated[
        bool, typer.Option("--placebo", help="Train on shuffled labels too: a model that beats its baseline then is leaking.")
    ] = False,
) -> None:
    """Evaluate champion, challenger and baseline of each model on the same latest block."""
    out: Output = context.obj
    for model in models or ():
        known(model)
    with session(out, "evaluate"):
        from flows.evaluate import evaluate_flow
        from flows.workspace import Selection

        found = evaluate_flow(tuple(models or ()), Selection(), placebo)
    header = ("model", "who", "n", "loss", "gain over baseline", "low", "high", "verdict")
    rows = [(s.kind, s.who, s.n, s.loss, s.gain, s.low, s.high, s.verdict) for s in found.standings]
    out.table("on the same latest block (gain: baseline loss minus loss, with its interval)", header, rows)
    for note in found.notes:
        out.line(note)
    out.fact(evaluation=found)
    out.finish()


def promote(context: typer.Context, models: Models = None) -> None:
    """Let each challenger compete with its champion on the same block; the better one serves."""
    out: Output = context.obj
    for model in models or ():
        known(model)
    with session(out, "promote"):
        from flows.promote import promote_flow
        from flows.workspace import Selection

        decisions = promote_flow(tuple(models or ()), Selection())
    show_decisions(out, decisions)
    out.line("next: arbml build")
    out.fact(decisions=decisions)
    out.finish()


def rollback(
    context: typer.Context,
    model: Model,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")] = "asked for",
    to_baseline: Annotated[bool, typer.Option("--to-baseline", help="Let no version serve; the baseline answers.")] = False,
) -> None:
    """Let the champion before the present one of MODEL serve again, or none."""
    out: Output = context.obj
    known(model)
    from arbml.registry import Registry
    from arbml.settings import load_settings

    config = load_settings()
    registry = Registry(config.registry, config.home_path)
    registry.start()
    before = registry.champion(model)
    if to_baseline:
        registry.retire(model, reason)
        out.line(f"{before} is retired, the baseline answers; next: arbml build && arbml serve   (arbml rollback {model} brings it back)")
        out.fact(champion=None, before=before)
        out.finish()
        return
    version = registry.rollback(model, reason)
    out.line(f"{version} is champion again" + (f" in place of {before}" if before else "") + "; next: arbml build && arbml serve")
    out.fact(champion=version, before=before)
    out.finish()


def drift(context: typer.Context, models: Models = None) -> None:
    """Compare the latest features with what each champion was trained on; HTML and JSON under the home."""
    out: Output = context.obj
    for model in models or ():
        known(model)
    with session(out, "drift"):
        from flows.drift import drift_flow
        from flows.workspace import Selection

        found = drift_flow(tuple(models or ()), Selection())
    for report in found.reports:
        out.line(f"{report.text()}: {report.html}")
    for note in found.notes:
        out.line(note)
    out.fact(drift=found)
    out.finish()


def known(model: str) -> None:
    """Refuse a model that does not exist."""
    if model not in KINDS:
        raise ConfigError(f"no model is called '{model}'; there are {', '.join(KINDS)}")


def show_evaluation(out: Output, evaluation: object) -> None:
    """Print one evaluation, fold by fold, the baseline beside."""
    from arbml.evaluation import Evaluation, units

    assert isinstance(evaluation, Evaluation)
    names = list(evaluation.folds[-1].metrics)
    rows = [
        (fold.fold, fold.n_train, fold.n_test, name, units(name), fold.metrics[name], fold.baseline_metrics.get(name))
        for fold in evaluation.folds for name in names
    ]
    out.table(f"{evaluation.kind}: walk-forward evaluation", ("fold", "train", "test", "metric", "unit", "model", "baseline"), rows)


def show_decisions(out: Output, decisions: object) -> None:
    """Print what was decided on each model, and why."""
    from arbml.promotion import Decision

    assert isinstance(decisions, dict)
    for kind, decision in decisions.items():
        if isinstance(decision, Decision):
            verdict = "promoted" if decision.promote else "not promoted"
            out.line(f"{kind}: {verdict} -- " + "; ".join(decision.reasons))
        else:
            out.line(f"{kind}: {decision}")
