"""`arbml store setup` and `arbml store status`: the schema, and TimescaleDB where it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from arbml.cli.output import Output
from arbml.errors import ConfigError

if TYPE_CHECKING:
    from arbml.store.timescale import Found, Layout

store = typer.Typer(help="Set up the store, and see how it is kept.", no_args_is_help=True, rich_markup_mode=None)

UNTRIED = "not yet run against TimescaleDB itself; all or nothing in one transaction"


def add_commands(app: typer.Typer) -> None:
    """Hang the group into the application."""
    app.add_typer(store, name="store")


@store.command("setup")
def setup(
    context: typer.Context,
    retention: Annotated[
        bool | None,
        typer.Option("--retention/--no-retention", help="TimescaleDB drops rows older than ML_COLLECTION__RETENTION_DAYS, or never."),
    ] = None,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Also rows that are too old already, such as recorded ones.")] = False,
) -> None:
    """Make or migrate the schema; with the TimescaleDB extension also hypertables, compression and bars.

    May be run again at any time. TimescaleDB part: not yet run against TimescaleDB itself; all or nothing in one transaction.
    """
    out: Output = context.obj
    if drop_old and not retention:
        raise ConfigError("--drop-old says what --retention may drop; give both")
    from arbml.clock import SystemClock
    from arbml.settings import load_settings
    from arbml.store import Store
    from arbml.store.timescale import Retention

    config = load_settings()
    wanted = Retention(retention is not None, config.collection.retention_days * 86_400_000 if retention else None)
    with Store.open(config.store, config.home_path) as opened:
        done = opened.setup(wanted, SystemClock().now_ms(), drop_old)
        where = opened.where
    for step in done.steps:
        out.line(f"done: {step}")
    if done.layout.timescale.version and not done.steps:
        out.line("everything was there already")
    _show(out, where, done.layout)
    out.fact(done=done.steps, layout=done.layout)
    out.finish()


@store.command("status")
def status(context: typer.Context) -> None:
    """Show server, schema, and what TimescaleDB does with the tables."""
    out: Output = context.obj
    from arbml.settings import load_settings
    from arbml.store import Store

    config = load_settings()
    with Store.open(config.store, config.home_path) as opened:
        where, layout = opened.where, opened.layout()
    _show(out, where, layout)
    out.fact(layout=layout)
    out.finish()


def _show(out: Output, where: str, layout: "Layout") -> None:
    found = layout.timescale
    kept = "plain tables and indexes" if found.version is None else f"TimescaleDB {found.version} ({UNTRIED})"
    out.line(f"{where}: {layout.server}, schema {layout.schema}, {kept}")
    if found.version is not None:
        out.table("TimescaleDB", ("table", "is", "compressed after d", "dropped after d"), _rows(found))
        if found.edition == "apache":
            out.line("this is the apache edition, which has no compression, retention and bars of its own")
    elif layout.server.startswith("PostgreSQL"):
        create = "can be had: psql -c 'CREATE EXTENSION timescaledb', then arbml store setup"
        out.line(f"TimescaleDB {create if found.available else 'is not installed there'}; "
                 "without it bars are made when they are read, and arbml prune deletes what is old")


def _rows(found: "Found") -> list[tuple[str, str, float | None, float | None]]:
    from arbml.store.timescale import BARS, HYPERTABLES
    from arbml.store.timescale.found import COMPRESSION, RETENTION

    def days(policy: str, name: str, limit: str) -> float | None:
        age_ms = found.policy_ms(policy, name, limit)
        return None if age_ms is None else age_ms / 86_400_000

    rows = [
        (table.name, "hypertable" if table.name in found.hypertables else "plain table",
         days(COMPRESSION, table.name, "compress_after"), days(RETENTION, table.name, "drop_after"))
        for table in HYPERTABLES
    ]  # fmt: skip
    return rows + [(name, "continuous aggregate" if name in found.bars else "missing", None, None) for name in BARS]
