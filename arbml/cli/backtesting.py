"""`arbml backtest`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arbml.cli.collecting import Market
from arbml.cli.moments import moment_ms
from arbml.cli.output import Output, shortened
from arbml.cli.session import session
from arbml.cli.steps import known
from arbml.errors import ConfigError

if TYPE_CHECKING:
    from arbml.backtest.comparison import Comparison
    from flows.sources import Source


def add_commands(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command()(backtest)


def backtest(
    context: typer.Context,
    ticks: Annotated[list[Path] | None, typer.Option(help="Tick file (Parquet or CSV); may be given again. Without it: the store.")] = None,
    executions: Annotated[Path | None, typer.Option(help="Execution file: labels for the scorer; without it they are replayed.")] = None,
    column_map: Annotated[str | None, typer.Option("--map", help="Column map of the tick files; see docs/data.md.")] = None,
    sim: Annotated[bool, typer.Option("--sim", help="Backtest in the simulated market, which says what becomes of attempts.")] = False,
    hours: Annotated[float, typer.Option(min=0.1, max=24 * 92, help="Length of the simulated market, hours.")] = 48.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated market.")] = 1,
    market: Annotated[Market, typer.Option(help="Simulated market: one pair, or a world of several pairs and chains.")] = Market.PAIR,
    start: Annotated[str | None, typer.Option(help="First moment, ISO time, UTC; what was before trains. Default: the last 30 %.")] = None,
    end: Annotated[str | None, typer.Option(help="End, ISO time, UTC, not included.")] = None,
    no_ml: Annotated[bool, typer.Option("--no-ml", help="The rule alone: send what pays after fees, impact and gas.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Also run without ML and without each model, and say what is luck.")] = False,
    models: Annotated[str | None, typer.Option(help="Comma-separated: lstm,scorer,volatility.")] = None,
    champions: Annotated[bool, typer.Option("--champions", help="Serve the registry's champions; refused if they know the time.")] = False,
    retrain_hours: Annotated[float | None, typer.Option(min=0.1, help="Train every so many hours; default: each model's own.")] = None,
    capital: Annotated[float | None, typer.Option(help="At the start, token of the routes (ML_BACKTEST__CAPITAL).")] = None,
    confidence_threshold: Annotated[float | None, typer.Option(help="Needed to EXECUTE (ML_CONFIDENCE_THRESHOLD).")] = None,
    slippage: Annotated[str | None, typer.Option(help="none, linear, quadratic or exact (ML_BACKTEST__SLIPPAGE).")] = None,
    gas: Annotated[str | None, typer.Option(help="average or dynamic (ML_BACKTEST__GAS).")] = None,
    delay_ms: Annotated[int | None, typer.Option(help="Decision to inclusion, ms (ML_COSTS__INCLUSION_DELAY_MS).")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Settings tried on these data, this one included; deflates the Sharpe ratio.")] = 1,
    report: Annotated[Path | None, typer.Option(help="HTML page; JSON goes beside it. Default: reports/ under the home.")] = None,
) -> None:
    """Replay ticks to the very bot: what would it have earned, and is that more than luck?"""
    out: Output = context.obj
    kinds = tuple(name.strip() for name in models.split(",") if name.strip()) if models else ()
    for kind in kinds:
        known(kind)
    if no_ml and (compare or champions or models or retrain_hours):
        raise ConfigError("--no-ml runs the rule alone; leave out --compare, --champions, --models and --retrain-hours")
    if champions and retrain_hours:
        raise ConfigError("--champions serve throughout; leave out --retrain-hours to test them as they are")
    if sim and (ticks or executions):
        raise ConfigError("--sim brings its own ticks and executions; leave out --ticks and --executions")
    if market is not Market.PAIR and not sim:
        raise ConfigError("--market says which simulated market; give --sim, too")
    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--report {report}: give the name of an .html file; the JSON goes beside it")
    _set("ML_BACKTEST__CAPITAL", capital)
    _set("ML_CONFIDENCE_THRESHOLD", confidence_threshold, also="ML_SCORER__CONFIDENCE_THRESHOLD")
    _set("ML_BACKTEST__SLIPPAGE", slippage)
    _set("ML_BACKTEST__GAS", gas)
    _set("ML_COSTS__INCLUSION_DELAY_MS", delay_ms)
    period = (moment_ms("--start", start), moment_ms("--end", end))
    sources = _sources(ticks or [], executions, column_map, sim, hours, seed, market)
    with session(out, "backtest"):
        from flows.backtest import Plan, backtest_flow

        plan = Plan(tuple(sources), *period, not no_ml, compare, kinds, retrain_hours, champions, trials, report)
        done = backtest_flow(plan)
    _show(out, done.comparison, done.headline)
    out.line(f"report: {done.page} (open it in a browser; {done.page.with_suffix('.json').name} is beside it)")
    out.fact(headline=done.headline, report=str(done.page), **done.comparison.to_dict())
    out.finish()


def _set(name: str, value: object, also: str = "") -> None:
    """Let an option win over the environment; it is checked with all other settings."""
    if value is not None:
        os.environ[name] = str(value)
        os.environ.pop(also, None)


def _sources(
    ticks: list[Path], executions: Path | None, column_map: str | None, sim: bool, hours: float, seed: int, market: Market
) -> "list[Source]":
    """Return what to read; a wrong file is found before a server is started."""
    from arbml.settings import load_settings
    from flows.sources import FileSource, SimulatorSource, checked

    if executions is not None and not ticks:
        raise ConfigError("--executions go with --ticks; those of the store are used with the stored ticks")
    sources: list[Source] = [SimulatorSource(seed=seed, hours=hours, market=market.value)] if sim else []
    sources += [FileSource(path=path, column_map=column_map) for path in ticks]
    if executions is not None:
        sources.append(FileSource(path=executions, holds="executions"))
    config = load_settings()
    if sources:
        checked(sources, config)
    return sources


def _show(out: Output, comparison: "Comparison", headline: str) -> None:
    from arbml.backtest.report import notes_of, tables

    tables_ = [tables.key_figures(comparison.arms)]
    if comparison.differences:
        tables_.append(tables.differences(comparison))
    trained = next((arm for arm in comparison.arms if arm.trainings), None)
    if trained is not None:
        rows = [(*row[:4], shortened(row[4], 110)) for row in tables.trainings(trained).rows]
        out.table("models", ("due, UTC", "model", "promoted", "serves from then on", "why"), rows)
    for table in tables_:
        out.table(table.title.lower(), table.columns, table.rows, right=range(table.left, len(table.columns)))
    for note in notes_of(comparison):
        out.line(f"note: {note}")
    out.line("")
    out.line(headline)
