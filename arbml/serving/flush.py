"""Carries the journal into the store, behind the answers: a slow or absent store delays no prediction and loses none."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from arbml.errors import ArbmlError
from arbml.market import Execution, Prediction
from arbml.serving import records
from arbml.serving.journal import Journal, Position

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
MAX_PAUSE_S = 60.0
BATCH = 500


class Sink(Protocol):
    """Where records go. Both calls are idempotent by request id: after a crash some records come twice."""

    def predictions(self, predictions: list[Prediction]) -> None:
        """Keep predictions, in order."""
        ...

    def executions(self, executions: list[Execution]) -> None:
        """Keep outcomes, in order."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class JournalFlusher:
    """A background thread that syncs the journal each second and, with a sink, sends it what is new.

    Args:
        journal: the lane of this process.
        open_sink: opens the sink, or gives None while there is none; called in the thread, and again after each failure.
        interval_s: pause between two rounds; doubled after each failure, up to MAX_PAUSE_S.
    """

    def __init__(self, journal: Journal, open_sink: Callable[[], Sink | None], interval_s: float = INTERVAL_S) -> None:
        self._journal = journal
        self._open_sink = open_sink
        self._interval_s = interval_s
        self._sink: Sink | None = None
        self._stored = journal.stored_to()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-flusher", daemon=True)
        self.error = ""  # of the last try; empty if it went well

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Send what is left once more, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def lag_bytes(self) -> int:
        """Bytes of the newest segment that the store does not have yet; all of it where older ones wait too. 0 without a store."""
        if self._sink is None and not self.error:
            return 0
        end = self._journal.end
        return end.offset - self._stored.offset if self._stored.segment == end.segment else end.offset

    def flush(self) -> int:
        """Send everything that is new to the sink; return how many records that were. Nothing without a sink.

        Raises:
            ArbmlError: if the sink refuses; what it took is remembered.
        """
        if self._sink is None:
            self._sink = self._open_sink()
            if self._sink is None:
                return 0
            self._adopt(self._sink)
        count, self._stored = send(self._journal, self._sink, self._stored)
        return count

    def _run(self) -> None:
        failures = 0
        while True:
            last = self._stop.wait(min(self._interval_s * 2**failures, MAX_PAUSE_S))
            failures = 0 if self._try() else min(failures + 1, 10)
            if last:
                self._let_go()
                return

    def _try(self) -> bool:
        try:
            self._journal.sync()
            self.flush()
        except Exception as error:  # the thread must outlive whatever a database driver raises
            if not isinstance(error, ArbmlError | OSError):
                log.exception("flushing the journal failed")
            if str(error) != self.error:
                log.warning("the store does not take predictions, they wait in %s: %s", self._journal.lane, error)
            self.error = str(error) or type(error).__name__
            self._let_go()
            return False
        self.error = ""
        return True

    def _let_go(self) -> None:
        """Close the sink; the next round opens it anew."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _adopt(self, sink: Sink) -> None:
        """Send what services that ended without their last flush left in lanes that nobody holds now."""
        for lane in sorted(self._journal.lane.parent.glob("lane-*")):
            if lane != self._journal.lane:
                flush_lane(lane, sink)


def flush_lane(lane: Path, sink: Sink) -> int:
    """Send the unstored records of a lane that no process holds; return how many. 0 if one holds it."""
    journal = Journal.adopt(lane)
    if journal is None:
        return 0
    try:
        return send(journal, sink, journal.stored_to())[0]
    finally:
        journal.close()


def send(journal: Journal, sink: Sink, start: Position) -> tuple[int, Position]:
    """Send the records from `start` on, in batches, marking each; return how many, and up to where."""
    count = 0
    batch: list[records.Record] = []
    for position, line in journal.lines(start):
        try:
            batch.append(records.decode(line))
        except ValueError as error:
            journal.skipped(position, str(error))
        start = Position(position.segment, position.offset + position.length, 0)
        if len(batch) >= BATCH:
            count += _send(batch, sink)
            journal.mark_stored(start)
            batch = []
    if batch:
        count += _send(batch, sink)
        journal.mark_stored(start)
    return count, start


def _send(batch: Iterable[records.Record], sink: Sink) -> int:
    predictions = [record.prediction for record in batch if isinstance(record, records.PredictionRecord)]
    executions = [record.execution for record in batch if isinstance(record, records.OutcomeRecord)]
    if predictions:
        sink.predictions(predictions)
    if executions:
        sink.executions(executions)
    return len(predictions) + len(executions)
