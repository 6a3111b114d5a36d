"""Which request ids were answered and settled, on top of the journal: repeats get the same answer, outcomes find their prediction."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from arbml.errors import RequestConflict
from arbml.serving import records
from arbml.serving.journal import Position
from arbml.serving.records import OutcomeRecord, PredictionRecord

MAX_KNOWN = 100_000


class Lines(Protocol):
    """Where records are kept, one line each: a `Journal`, or a memory that a backtest throws away."""

    def append(self, line: bytes) -> Position:
        """Keep one line. Raises StoreError if it cannot."""
        ...

    def read(self, position: Position) -> bytes | None:
        """Return the line at `position`, None if it is gone."""
        ...

    def lines(self) -> Iterator[tuple[Position, bytes]]:
        """Yield what is kept, oldest first."""
        ...

    def skipped(self, position: Position, why: str) -> None:
        """Count a line that could not be read."""
        ...


class Entry(NamedTuple):
    """Digest of what was asked, and where the record is."""

    content: str
    position: Position


class Ledger:
    """An index of the journal. Writes from several threads come one after the other; the oldest ids are forgotten first.

    Args:
        journal: of this process.
        max_known: request ids remembered, predictions and outcomes each.
    """

    def __init__(self, journal: Lines, max_known: int = MAX_KNOWN) -> None:
        self._journal = journal
        self._max_known = max_known
        self._lock = threading.Lock()  # two predictors write here while one takes over from the other
        self._restored = False
        self._predictions: OrderedDict[str, Entry] = OrderedDict()
        self._outcomes: OrderedDict[str, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._predictions)

    def restore(self) -> None:
        """Read the ids of all segments that are kept, after a restart; the second time there is nothing to read."""
        if self._restored:
            return
        for position, line in self._journal.lines():
            try:
                record = records.decode(line)
            except ValueError as error:
                self._journal.skipped(position, str(error))
                continue
            if isinstance(record, PredictionRecord):
                self._remember(self._predictions, record.prediction.request_id, Entry(record.content, position))
            else:
                self._remember(self._outcomes, record.execution.request_id, Entry(record.content, position))
        self._restored = True

    def prediction(self, request_id: str) -> PredictionRecord | None:
        """Return what was answered under an id, None if that is not known here."""
        return self._read(self._predictions.get(request_id), PredictionRecord)

    def repeat(self, request_id: str, content: str) -> PredictionRecord | None:
        """Return the answer to give again, None for a new question.

        Raises:
            RequestConflict: if the id was used for another question.
        """
        entry = self._predictions.get(request_id)
        if entry is None:
            return None
        if entry.content != content:
            raise RequestConflict(f"'{request_id}' was used for another opportunity", "request_id", "send a new request_id, or none")
        return self.prediction(request_id)

    def outcome(self, request_id: str) -> OutcomeRecord | None:
        """Return the outcome recorded under an id, None if that is not known here."""
        return self._read(self._outcomes.get(request_id), OutcomeRecord)

    def write_predictions(self, made: list[PredictionRecord]) -> None:
        """Put predictions into the journal, before they are told. Raises StoreError if the disk refuses."""
        for record in made:
            line = records.encode(record)
            with self._lock:
                position = self._journal.append(line)
                self._remember(self._predictions, record.prediction.request_id, Entry(record.content, position))

    def write_outcome(self, record: OutcomeRecord) -> None:
        """Put an outcome into the journal. Raises StoreError if the disk refuses."""
        line = records.encode(record)
        with self._lock:
            position = self._journal.append(line)
            self._remember(self._outcomes, record.execution.request_id, Entry(record.content, position))

    def _remember(self, index: OrderedDict[str, Entry], request_id: str, entry: Entry) -> None:
        index[request_id] = entry
        if len(index) > self._max_known:
            index.popitem(last=False)

    def _read(self, entry: Entry | None, kind: type[records.R]) -> records.R | None:
        line = self._journal.read(entry.position) if entry is not None else None
        if line is None:
            return None
        record = records.decode(line)
        return record if isinstance(record, kind) else None
