"""`arbml export` and `arbml prune`: what is stored, as a file; and what is too old, away."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from arbml.cli.moments import moment_ms
from arbml.cli.output import Output
from arbml.errors import ConfigError


class Kind(StrEnum):
    """What can be exported."""

    TICKS = "ticks"
    EXECUTIONS = "executions"
    GAS = "gas"


def add_commands(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("export")(export)
    app.command("prune")(prune)


def export(
    context: typer.Context,
    to: Annotated[Path, typer.Option(help="The file: .csv, .csv.gz, .json or .parquet.")],
    kind: Annotated[Kind, typer.Option("--what", help="Which rows.")] = Kind.TICKS,
    start: Annotated[str | None, typer.Option("--from", help="First moment, ISO time, UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Last moment, not included, ISO time, UTC.")] = None,
    venue: Annotated[list[str] | None, typer.Option(metavar="VENUE", help="Only ticks of this venue; may be given again.")] = None,
    pair: Annotated[list[str] | None, typer.Option(metavar="PAIR", help="Only ticks of this pair; may be given again.")] = None,
) -> None:
    """Write what is stored to a file, in the order of its events; `arbml collect file` reads ticks back."""
    out: Output = context.obj
    start_ms, end_ms = moment_ms("--from", start), moment_ms("--until", until)
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise ConfigError("--from is not before --until; give an earlier start or a later end")
    if kind is not Kind.TICKS and (venue or pair):
        raise ConfigError(f"--venue and --pair choose among ticks; {kind} have none of their own")
    from arbml.collectors import data_collector
    from arbml.collectors.data_collector.export import described, format_of
    from arbml.settings import load_settings
    from arbml.store import Store

    format_of(to)
    config = load_settings()
    with Store.open(config.store, config.home_path) as store, out.progress():
        from flows.progress import report

        done = data_collector.export(
            store, to, kind.value, None, start_ms, end_ms, venue or None, pair or None,
            lambda fraction: report(f"export {kind}", fraction),
        )  # fmt: skip
    out.line(described(done))
    out.fact(exported=done)
    out.finish()


def prune(
    context: typer.Context,
    older_than: Annotated[
        int | None, typer.Option(min=1, metavar="DAYS", help="Age in days (ML_COLLECTION__RETENTION_DAYS, 90).")
    ] = None,
) -> None:
    """Delete ticks, gas prices and blocks with their events that are older than the retention; executions and predictions stay."""
    out: Output = context.obj
    from arbml.clock import SystemClock, iso
    from arbml.collectors import data_collector
    from arbml.settings import load_settings
    from arbml.store import Store

    config = load_settings()
    days = config.collection.retention_days if older_than is None else older_than
    if days < config.collection.history_days:
        raise ConfigError(
            f"a training reads the last {config.collection.history_days} days, so ticks of {days} days are still needed; "
            "keep more, or lower ML_COLLECTION__HISTORY_DAYS"
        )
    with Store.open(config.store, config.home_path) as store:
        done = data_collector.prune(store, SystemClock().now_ms() - days * 86_400_000)
    out.line(f"deleted {done.ticks} ticks and {done.gas_prices} gas prices from before {iso(done.before_ms)}")
    gone = [(name, count) for name, count in done.rows.items() if count]
    if gone:
        out.table("deleted", ("table", "rows"), gone)
    out.fact(pruned=done)
    out.finish()
