"""From a collector into a store: in batches, each with its checkpoint, so that a killed collection can simply be run again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd

from arbml.checkpoint import Checkpoint
from arbml.clock import stopwatch_s
from arbml.collectors.base import Collector
from arbml.collectors.patience import Patience
from arbml.config import CollectionConfig
from arbml.frames import ExecutionFrame, TickFrame

_DONE = "done"


class Written(Protocol):
    """What a write did: rows that are new, rows that were there already, rows that were there with other values."""

    @property
    def new(self) -> int: ...

    @property
    def known(self) -> int: ...

    @property
    def conflicting(self) -> int: ...


class TickSink(Protocol):
    """Keeps ticks. Appending the same ones again changes nothing."""

    def append(self, ticks: TickFrame, checkpoint: Any = None) -> Written:
        """Store rows and checkpoint in one transaction; the checkpoint is anything with the fields of `Checkpoint`."""
        ...


class ExecutionSink(Protocol):
    """Keeps executions. Appending the same ones again changes nothing."""

    def append(self, executions: ExecutionFrame, checkpoint: Any = None) -> Written:
        """Store rows and checkpoint in one transaction."""
        ...


class Stored(Protocol):
    """A checkpoint as the sink gives it back."""

    @property
    def position(self) -> str: ...


class Sink(Protocol):
    """What `collect` needs of a store; `arbml.store.Store` is one."""

    @property
    def ticks(self) -> TickSink: ...

    @property
    def executions(self) -> ExecutionSink: ...

    def checkpoint(self, source: str) -> Stored | None: ...

    def set_checkpoint(self, checkpoint: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a collection did.

    Attributes:
        source: the collector's name. streams: "venue|PAIR" of its ticks, sorted.
        start_ms, end_ms: first and last event, UTC ms; None without ticks.
        new, known, conflicting: ticks stored, there before, there before with other values (the first known was kept).
        executions_new: executions stored. seconds: wall time.
    """

    source: str
    streams: tuple[str, ...]
    start_ms: int | None
    end_ms: int | None
    new: int
    known: int
    conflicting: int
    executions_new: int
    seconds: float


def collect(
    collector: Collector,
    store: Sink,
    collection: CollectionConfig,
    progress: Callable[[int, int | None], None] | None = None,
    patience: Patience | None = None,
) -> CollectReport:
    """Store everything the collector gives.

    Recorded and simulated sources come in batches of their own, larger than `collection.batch_size`; the small frames of a
    live source are gathered until there are that many rows. A collection that was killed goes on after the last batch it
    stored; one that was finished starts over, which finds every row known and brings back those that were deleted.

    While the store cannot be reached, the source waits. Rows of a write whose connection was lost during the commit may be
    counted as known: they were stored.

    Args:
        collector: where from. store: where to.
        collection: `batch_size` is used.
        progress: called after every write with the ticks done and the total, None where that is unknown.
        patience: how long a store that is gone is waited for; 5 minutes without it.

    Raises:
        TransientError: the source may answer later; what it gave before is stored.
        SourceError, SchemaError: the source is wrong; a file is then checked before anything is stored.
        StoreError: the store refused, or was gone for longer than `patience` lasts; batches before this one are stored.
    """
    started = stopwatch_s()
    tally, patiently = Tally(collector.name), patience or Patience()
    resumed_after = patiently(_resume_after, collector, store)
    for df in _gathered(collector.ticks(), collection.batch_size):
        before = tally.rows
        tally.see(df)
        fresh = df.iloc[max(0, resumed_after - before) :].reset_index(drop=True)
        tally.known += len(df) - len(fresh)
        if len(fresh):
            tally.count(patiently(store.ticks.append, fresh, checkpoint=tally.checkpoint(str(tally.rows))))
        if progress:
            progress(tally.rows, collector.total)
    for executions in collector.executions():
        written = patiently(store.executions.append, executions)
        tally.executions_new += written.new
        tally.conflicting += written.conflicting
    patiently(store.set_checkpoint, tally.checkpoint(_DONE))
    return tally.report(stopwatch_s() - started)


def _resume_after(collector: Collector, store: Sink) -> int:
    """Return how many ticks of a source that repeats itself are stored already; 0 to start over."""
    found = store.checkpoint(collector.name)
    return int(found.position) if found and collector.total is not None and found.position.isdecimal() else 0


def _gathered(frames: Iterator[TickFrame], at_least: int) -> Iterator[TickFrame]:
    """Join small frames until they have `at_least` rows; when the source fails, hand on what it gave before."""
    waiting: list[TickFrame] = []
    failure: Exception | None = None
    while True:
        try:
            df = next(frames, None)
        except Exception as error:  # whatever it is, it is raised again below
            failure, df = error, None
        if df is not None:
            waiting.append(df)
        if waiting and (df is None or sum(map(len, waiting)) >= at_least):
            yield waiting[0] if len(waiting) == 1 else pd.concat(waiting, ignore_index=True)
            waiting = []
        if df is None:
            break
    if failure is not None:
        raise failure


class Tally:
    """Counts a collection as it goes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._streams: set[str] = set()
        self._start_ms: int | None = None
        self._end_ms: int | None = None
        self._known_ms = 0
        self.rows = self.new = self.known = self.conflicting = self.executions_new = 0

    def see(self, df: TickFrame) -> None:
        """Take in what the source gave, stored before or not."""
        self.rows += len(df)
        self._streams.update(f"{venue}|{pair}" for venue, pair in df[["venue", "pair"]].drop_duplicates().itertuples(index=False))
        first, last = int(df["ts_ms"].min()), int(df["ts_ms"].max())
        self._start_ms = first if self._start_ms is None else min(first, self._start_ms)
        self._end_ms = last if self._end_ms is None else max(last, self._end_ms)
        self._known_ms = int(df["ts_known_ms"].max())

    def count(self, written: Written) -> None:
        """Add what a write did."""
        self.new += written.new
        self.known += written.known
        self.conflicting += written.conflicting

    def checkpoint(self, position: str) -> Checkpoint:
        """Return where the collection stands."""
        return Checkpoint(self._source, position, self._end_ms or 0, self._known_ms)

    def report(self, seconds: float) -> CollectReport:
        """Return the sum of it."""
        return CollectReport(
            self._source,
            tuple(sorted(self._streams)),
            self._start_ms,
            self._end_ms,
            self.new,
            self.known,
            self.conflicting,
            self.executions_new,
            seconds,
        )
