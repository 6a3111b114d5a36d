"""`arbml patterns`: what pays more often than usual."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from arbml.cli.output import Output, shortened
from arbml.cli.session import session
from arbml.errors import ArbmlError

if TYPE_CHECKING:
    from arbml.models.patterns import Pattern

HEADER = ("pattern", "hits", "of", "hit rate", "95 % interval", "usual", "q", "mean profit", "95 % interval", "token")


def add_commands(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command()(patterns)


def patterns(
    context: typer.Context,
    listed: Annotated[bool, typer.Option("--list", help="Show the active patterns; look for none.")] = False,
) -> None:
    """Find what pays more often than usual in the stored data, confirm it on the later part, and keep it for the service."""
    out: Output = context.obj
    if listed:
        _list(out)
        return
    from arbml.clock import iso

    with session(out, "patterns"):
        from flows.patterns import patterns_flow
        from flows.workspace import Selection

        found = patterns_flow(Selection())
    detection = found.detection
    if isinstance(detection, str):
        raise ArbmlError(f"{detection}; {len(found.active)} patterns stay active")
    out.line(f"{detection.found_rows} opportunities before {iso(detection.split_ms)} suggested {detection.promising} of "
             f"{detection.looked_at} conditions; {detection.confirmed_rows} after it tested {len(detection.tested)} of them and "
             f"confirmed {len(detection.patterns)}")
    show(out, "confirmed, as measured in the later period", detection.patterns)
    for note in found.notes:
        out.line(f"note: {shortened(note)}")
    kept = len(found.active)
    out.line(f"active now: {kept} ({found.new} new, {found.retired} retired){'; next: arbml build' if kept else ''}")
    out.fact(patterns=found)
    out.finish()


def show(out: Output, title: str, several: "Sequence[Pattern]") -> None:
    """Print patterns, best first."""
    if not several:
        out.line("no pattern is confirmed: nothing pays clearly more often than usual")
        return
    rows = []
    for one in several:
        c = one.confirmed
        earned = c.profit is not None and c.profit_low is not None and c.profit_high is not None
        interval = f"{c.profit_low:+.2f} .. {c.profit_high:+.2f}" if earned else None
        rows.append((f"{one.kind}: {one.description}", c.hits, c.support, f"{c.hit_rate:.2f}", f"{c.low:.2f} .. {c.high:.2f}",
                     f"{c.base_rate:.2f}", f"{one.q_value:.2g}", f"{c.profit:+.2f}" if earned else None, interval, one.profit_token))
    out.table(title, HEADER, rows)


def _list(out: Output) -> None:
    from arbml.clock import SystemClock
    from arbml.models.patterns.shelf import active
    from arbml.settings import load_settings
    from arbml.store import Store

    config = load_settings()
    with Store.open(config.store, config.home_path) as store:
        found, notes = active(store, config.patterns.max_age_days, SystemClock().now_ms())
    if found:
        show(out, "active patterns, as measured in the period that confirmed them", found)
    else:
        out.line("no pattern is active; arbml patterns looks for some")
    for note in notes:
        out.line(f"note: {note}")
    out.fact(active=[one.told() for one in found], notes=notes)
    out.finish()
