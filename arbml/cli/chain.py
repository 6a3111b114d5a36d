"""`arbml collect evm`: runs until it is done or told to stop, in this process alone, and says how far it is."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from arbml.cli.output import Output
from arbml.clock import iso, stopwatch_s

if TYPE_CHECKING:
    from arbml.collectors.evm.backfill import Progress
    from arbml.collectors.evm.collector import ChainReport
    from arbml.collectors.evm.head import Polled
    from flows.evm import EvmSource

_EVERY_S = 10.0


def collect_chain(out: Output, source: "EvmSource") -> None:
    """Collect a chain; Ctrl-C and SIGTERM end it after the block at hand.

    Raises:
        ConfigError, SourceError: before anything is stored. TransientError, StoreError: node or store failed for too long.
    """
    from arbml.errors import ConfigError
    from arbml.settings import load_settings
    from arbml.store import Store
    from flows.evm import open_evm

    config = load_settings()
    if not config.collection.enabled:
        raise ConfigError("collection is switched off; set ML_DATA_COLLECTION_ENABLED=true")
    stop = threading.Event()
    with _ended_by_signals(stop):
        collector = open_evm(source, config, stop)
        out.line(f"{collector.name}: {len(collector.pools)} pools; stop with Ctrl-C")
        with Store.open(config.store, config.home_path) as store:
            report = collector.collect_into(store.chain, None if out.as_json else _Shown().show)
    _finish(out, report)


@contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let the first signal ask for an end; the second one ends at once, as ever."""
    before: dict[Any, Any] = {}

    def ask(number: Any, _: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Shown:
    """One line that is written over on a terminal; elsewhere a line now and then."""

    def __init__(self) -> None:
        self._last_s = -_EVERY_S
        self._terminal = sys.stderr.isatty()
        self._blocks = self._orphaned = 0

    def show(self, news: "Progress | Polled") -> None:
        from arbml.collectors.evm.backfill import Progress

        if isinstance(news, Progress):
            text = f"backfill {news.done} of {news.total} blocks ({news.done / news.total:.0%}), {news.blocks_per_s:.0f} blocks/s"
            self._print(text + (f", {_time(news.left_s)} left" if news.left_s else ""), news.done == news.total)
        else:
            self._blocks += len(news.units)
            self._orphaned += sum(reorg.blocks for reorg in news.reorgs)
            if not news.units:
                return
            text = f"block {news.units[-1].number} at {iso(news.units[-1].ts_ms)}, {self._blocks} blocks"
            text += f", {self._orphaned} orphaned" if self._orphaned else ""
            self._print(text + (f", {news.left} behind the head" if news.left else ""), False)

    def _print(self, text: str, now: bool) -> None:
        at_s = stopwatch_s()
        if self._terminal:
            print(f"\r\x1b[K  {text}", end="", file=sys.stderr, flush=True)
        elif now or at_s - self._last_s >= _EVERY_S:
            self._last_s = at_s
            print(f"  {text}", file=sys.stderr, flush=True)


def _time(seconds: float) -> str:
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def _finish(out: Output, report: "ChainReport") -> None:
    if sys.stderr.isatty() and not out.as_json:
        print(file=sys.stderr)
    row = (
        report.source, report.blocks, report.orphaned, report.tip, len(report.streams), report.new, report.executions_new,
        round(report.seconds, 2),
    )  # fmt: skip
    out.table("collected", ("source", "blocks", "orphaned", "last block", "streams", "ticks", "executions", "s"), [row])
    out.line("next: arbml validate")
    out.fact(collected=report)
    out.finish()
