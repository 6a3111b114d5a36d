"""From a live source into a store: through a buffer that outlives the database, until the source ends or somebody stops it."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from arbml.clock import Clock, stopwatch_s
from arbml.collectors.base import Collector
from arbml.collectors.collecting import CollectReport, Tally
from arbml.collectors.data_collector import BufferFull, DataCollector, Record
from arbml.collectors.data_collector.sink import Tables
from arbml.config import CollectionConfig
from arbml.errors import StoreError
from arbml.frames import frame_to_ticks
from arbml.market import Tick

log = logging.getLogger(__name__)

_MOST_GAPS = 10_000


@runtime_checkable
class LiveCollector(Collector, Protocol):
    """A collector whose ticks come as they happen."""

    def gaps(self) -> Sequence[Any]:
        """Return the holes noticed since the last call, each with the fields of an alert."""
        ...


class AlertTable(Protocol):
    """Keeps alerts. Appending the same ones again changes nothing."""

    def append(self, alerts: Sequence[Any]) -> object: ...


class LiveSink(Tables, Protocol):
    """What `collect_live` needs of a store; `arbml.store.Store` is one."""

    @property
    def alerts(self) -> AlertTable: ...


def collect_live(
    collector: LiveCollector, store: LiveSink, collection: CollectionConfig,
    progress: Callable[[int, int | None], None] | None = None, clock: Clock | None = None,
    tell: Callable[[Record], object] | None = None,
) -> CollectReport:
    """Store what the collector gives until it ends; Ctrl-C ends it, too, and what has come by then is stored.

    Rows are stored at `collection.batch_size`, or after `collection.interval_ms`. While the store is gone they wait in memory,
    at most `collection.buffer_rows` of them; after that the source is read no further until there is room again. Gaps become
    alerts that are resolved already.

    Args:
        tell: called with each tick as it comes, see `DataCollector.subscribe`.

    Raises:
        TransientError, SourceError: the source failed; what it gave before is stored.
        StoreError: the store did not take what was left within half a minute.
    """
    started, tally, gaps = stopwatch_s(), Tally(collector.name), _Gaps(store.alerts)
    recorder = DataCollector(store, collection, clock)
    if tell is not None:
        recorder.subscribe(tell)
    with recorder, suppress(KeyboardInterrupt):
        for df in collector.ticks():
            tally.see(df)
            for tick in frame_to_ticks(df):
                _record(recorder, tick)
            gaps.store(collector.gaps())
            if progress:
                progress(tally.rows, None)
    gaps.store(collector.gaps())
    stats = recorder.get_stats()
    tally.new, tally.known, tally.conflicting = stats.stored, stats.known, stats.conflicting
    return tally.report(stopwatch_s() - started)


def _record(recorder: DataCollector, tick: Tick) -> None:
    """Record a tick, however long it takes until there is room."""
    said = False
    while True:
        try:
            recorder.record(tick)
            return
        except BufferFull as error:
            if not said:
                log.warning("%s; the source waits", error)
            said = True


class _Gaps:
    """Gaps on their way into the store; they wait while it is gone, the oldest go first."""

    def __init__(self, alerts: AlertTable) -> None:
        self._alerts = alerts
        self._waiting: list[Any] = []

    def store(self, found: Sequence[Any]) -> None:
        for gap in found:
            log.warning("%s", gap.message)
        self._waiting = [*self._waiting, *found][-_MOST_GAPS:]
        if self._waiting:
            with suppress(StoreError):
                self._alerts.append(self._waiting)
                self._waiting = []
