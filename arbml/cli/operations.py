"""`arbml schedule`, `retrain`, `status` and `doctor`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arbml.cli.output import Output, shortened
from arbml.cli.session import session
from arbml.cli.steps import KINDS, Model, known, show_decisions
from arbml.errors import ArbmlError, ConfigError

if TYPE_CHECKING:
    from flows.evm import EvmSource


def add_commands(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    for command in (schedule, retrain, status, doctor):
        app.command()(command)


def schedule(
    context: typer.Context,
    cron: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=CRON", help="Another schedule: --cron 'lstm=0 */6 * * *', 'evm=* * * * *'; UTC; may be given again."),
    ] = None,
    pools: Annotated[
        Path | None, typer.Option(help="Pool file: collect its chain up to the head, too, every five minutes; nodes in ETH_RPC_URL.")
    ] = None,
    days: Annotated[float, typer.Option(min=0, help="So many days back begins the collection of a chain in an empty store.")] = 1.0,
) -> None:
    """Serve the retraining deployments (LSTM daily, scorer weekly, volatility daily), and a chain's collection, until Ctrl-C."""
    out: Output = context.obj
    crons = dict(_cron(text) for text in cron or ())
    chain = _chain(pools, days)
    with session(out, "deployments", long_lived=True):
        from flows.deployments import deployments, serve_deployments

        found = deployments(crons, chain)
        out.table("deployments (UTC)", ("deployment", "schedule"), [(d.name, d.when) for d in found])
        out.line("running; Ctrl-C stops it. Missed runs are dropped; one run of each at a time.")
        serve_deployments(found)


def _chain(pools: Path | None, days: float) -> "EvmSource | None":
    """Return the chain to collect; a wrong file or node is found before a server is started."""
    if pools is None:
        return None
    from arbml.settings import load_settings
    from flows.evm import EvmSource
    from flows.sources import checked

    source = EvmSource(pools=pools, days=days, catch_up=True)
    checked([source], load_settings())
    return source


def retrain(context: typer.Context, model: Model) -> None:
    """Train MODEL on the latest data now and promote it if it is better; the same flow that the schedule runs."""
    out: Output = context.obj
    known(model)
    with session(out, "retrain"):
        from flows.retrain import retrain as retrain_flow

        done = retrain_flow(model)
    show_decisions(out, {model: done.decision})
    for note in done.notes:
        out.line(f"note: {note}")
    out.line("next: arbml build && arbml serve")
    out.fact(retrained=done)
    out.finish()


def status(context: typer.Context) -> None:
    """Show data, models, versions, their age, the last decision on each, and the jobs of a running scheduler."""
    out: Output = context.obj
    from arbml.clock import SystemClock, iso
    from arbml.registry import Registry
    from arbml.settings import load_settings
    from arbml.store import Store
    from flows.server import recent_runs, running_server

    config = load_settings()
    now_ms = SystemClock().now_ms()
    stats = Store.open(config.store, config.home_path).ticks.stats()
    newest = iso(stats.newest_ms) if stats.newest_ms else "none"
    out.line(f"home {config.home_path}: {stats.rows} ticks of {stats.streams} streams, newest {newest}")
    registry = Registry(config.registry, config.home_path)
    registry.start()
    rows, models = [], {}
    for kind in KINDS:
        champion, challenger = registry.champion(kind), registry.challenger(kind)
        last = next(reversed(registry.history(kind)), None)
        age_h = round((now_ms - champion.created_ms) / 3_600_000, 1) if champion else None
        rows.append((kind, f"v{champion.number}" if champion else "baseline", age_h, f"v{challenger.number}" if challenger else None,
                     shortened(f"{last.action} v{last.number}: {last.reason}", 120) if last else None))
        models[kind] = {"champion": champion, "challenger": challenger, "last": last}
    out.table("models", ("model", "serves", "age h", "challenger", "last decision"), rows)
    url = running_server(config.home_path)
    runs = recent_runs(url) if url else []
    if url:
        out.table(f"latest jobs ({url})", ("flow", "run", "state", "started"), runs)
    else:
        out.line("no scheduler is running; arbml schedule starts one")
    out.fact(home=str(config.home_path), ticks=stats, models=models, scheduler=url, jobs=runs)
    out.finish()


def doctor(context: typer.Context) -> None:
    """Check what arbml depends on, each finding with its mend; exit 1 if something is broken."""
    out: Output = context.obj
    from arbml.cli.checks import run_checks
    from arbml.settings import load_settings

    checks = run_checks(load_settings())
    for check in checks:
        out.line(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.found}" + ("" if check.ok else f" -- {check.mend}"))
    out.fact(checks=checks)
    out.finish()
    broken = [check for check in checks if not check.ok]
    if broken:
        raise ArbmlError(f"{len(broken)} of {len(checks)} checks failed: " + ", ".join(check.name for check in broken))


def _cron(text: str) -> tuple[str, str]:
    kind, equals, cron = text.partition("=")
    if not equals or kind not in (*KINDS, "evm") or len(cron.split()) != 5:
        raise ConfigError(f"--cron {text!r}: write NAME=CRON with a name of {', '.join(KINDS)}, evm and five cron fields, "
                          "e.g. 'lstm=0 2 * * *'")
    return kind, cron
