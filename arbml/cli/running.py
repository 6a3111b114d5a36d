"""`arbml run`: the whole cycle."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arbml.cli.collecting import Market
from arbml.cli.output import Output, shortened
from arbml.cli.session import session
from arbml.cli.steps import known, show_decisions

if TYPE_CHECKING:
    from arbml.config import Config


def add_commands(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command()(run)


def run(
    context: typer.Context,
    ticks: Annotated[
        list[Path] | None, typer.Option(help="Tick file (Parquet or CSV); may be given again. Without it: the simulator.")
    ] = None,
    executions: Annotated[Path | None, typer.Option(help="Execution file (Parquet or CSV).")] = None,
    column_map: Annotated[str | None, typer.Option("--map", help="Column map of the tick files; see docs/data.md.")] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Put unsorted rows into order instead of refusing them.")] = False,
    dedupe: Annotated[bool, typer.Option("--dedupe", help="Keep the first of equal rows instead of refusing them.")] = False,
    models: Annotated[str | None, typer.Option(help="Comma-separated: lstm,scorer,volatility.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 1,
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 92, help="Length of the simulated market, hours.")] = 48.0,
    market: Annotated[Market, typer.Option(help="pair: one pair on three venues; world: several pairs and chains.")] = Market.PAIR,
    horizons: Annotated[
        str | None, typer.Option("--horizons-s", help="Forecast horizons in seconds, e.g. 60,120,300 for minute data.")
    ] = None,
) -> None:
    """One whole cycle: collect, validate, build features, train, evaluate, promote, drift, build the Bento, serve, predict."""
    import os

    from arbml.settings import load_settings
    from flows.sources import FileSource, SimulatorSource, Source, checked

    out: Output = context.obj
    kinds = tuple(name.strip() for name in models.split(",") if name.strip()) if models else ()
    for kind in kinds:
        known(kind)
    if horizons:
        os.environ["ML_LSTM__HORIZONS_S"] = horizons
    sources: list[Source] = [FileSource(path=path, column_map=column_map, sort=sort, dedupe=dedupe) for path in ticks or ()]
    sources = sources or [SimulatorSource(seed=seed, hours=hours, market=market.value)]
    if executions:
        sources.append(FileSource(path=executions, holds="executions", sort=sort, dedupe=dedupe))
    checked(sources, load_settings())  # a wrong file is found before a server is started; the flow asks again
    with session(out, "cycle", ahead=lambda config: _preload(config, kinds)):
        from flows.cycle import cycle

        done = cycle(sources, kinds)
    out.table("steps", ("step", "what came of it", "s", "peak MB"), [(s.name, s.detail, s.seconds, s.peak_mb) for s in done.steps])
    out.table("figures on the last test block (model beside baseline)", ("model", "metric", "unit", "model", "baseline"), done.figures)
    out.line("")
    show_decisions(out, done.decisions)
    for note in done.notes:
        out.line(f"note: {shortened(note)}")
    prediction = done.prediction
    out.line("")
    out.line(f"served over HTTP: {prediction['recommendation']} (variant {prediction['variant']}), success probability "
             f"{prediction['success_probability']:.3f}, expected profit {prediction['expected_profit']:.2f} {prediction['profit_token']}, "
             f"answered in {prediction['latency_ms']:.1f} ms")
    for reason in prediction["reasons"]:
        out.line(f"  because {reason}")
    out.table("where to look", ("what", "where"), list(done.paths.items()))
    out.line("next: arbml serve   (then POST /predict; examples in README.md)")
    out.fact(**done.to_dict())
    out.finish()


def _preload(config: "Config", kinds: tuple[str, ...]) -> None:
    """Import the slowest library while the server starts, if it will be needed."""
    if "lstm" in kinds or (not kinds and config.lstm.enabled):
        from arbml.models.lstm import preload

        preload(config.training)
