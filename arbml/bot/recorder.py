"""Where an embedded bot's predictions and outcomes are written: the journal of the home, or nowhere, for backtests."""

import logging
from collections import Counter, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbml.bot.memory import PassingLines
from arbml.bot.requests import to_outcome
from arbml.config import Config
from arbml.errors import ArbmlError, RequestConflict, RequestError
from arbml.market import Execution

if TYPE_CHECKING:
    from arbml.serving import Journal, JournalFlusher, Ledger, Predictor

log = logging.getLogger(__name__)

MAX_WAITING = 10_000


class Recorder:
    """The ledger, what carries it into the store, and outcomes that could not be written yet. The caller serialises.

    Args:
        home: the journal is under it.
        config: its store section says where the journal goes behind the answers.
        journal: False writes nothing to disk.
    """

    def __init__(self, home: Path, config: Config, journal: bool) -> None:
        self._home = home
        self._config = config
        self._on_disk = journal
        self._journal: Journal | None = None
        self._flusher: JournalFlusher | None = None
        self.ledger: Ledger | None = None
        self.counts: Counter[str] = Counter()
        self._waiting: deque[Execution] = deque(maxlen=MAX_WAITING)
        self._why = ""  # of the last outcome that could not be written

    def open(self) -> None:
        """Take a lane of the journal. Raises StoreError if the home cannot be written."""
        from arbml.serving import Journal, JournalFlusher, Ledger
        from arbml.serving.store_sink import store_opener

        if self.ledger is not None:
            return
        if not self._on_disk:
            self.ledger = Ledger(PassingLines())
            return
        self._journal = Journal.open(self._home / "journal")
        ledger = Ledger(self._journal)
        ledger.restore()
        self.ledger = ledger  # only now: an outcome that comes meanwhile must find what was there before
        self._flusher = JournalFlusher(self._journal, store_opener(self._config.store, self._home))
        self._flusher.start()

    def record(self, execution: Execution, predictor: "Predictor | None", now_ms: int) -> None:
        """Write an outcome; what the disk does not take waits for the next one. Never raises."""
        if len(self._waiting) == MAX_WAITING:
            self.counts["lost"] += 1
        self._waiting.append(execution)
        self.retry(predictor, now_ms)

    def retry(self, predictor: "Predictor | None", now_ms: int) -> None:
        """Write what waits, in order."""
        while self._waiting:
            try:
                self._settle(self._waiting[0], predictor, now_ms)
                self._why = ""
            except RequestError as error:
                conflict = isinstance(error, RequestConflict)
                self.counts["conflict" if conflict else "refused"] += 1
                log.warning("the outcome of '%s' is not recorded: %s", self._waiting[0].request_id, error)
            except ArbmlError as error:
                if str(error) != self._why:
                    log.warning("outcomes wait: %s", error)
                self._why = str(error)
                return
            self._waiting.popleft()

    def problems(self) -> list[str]:
        """Return what keeps records from where they belong."""
        found = [f"not_recorded: {len(self._waiting)} outcomes wait: {self._why or 'not initialized'}"] if self._waiting else []
        if self._flusher is not None and self._flusher.error:
            found.append(f"store_unavailable: {self._flusher.error}")
        return found

    def figures(self) -> dict[str, Any]:
        """Return where the journal is and how it does, as plain data."""
        return {
            "lane": None if self._journal is None else str(self._journal.lane),
            "lag_bytes": 0 if self._flusher is None else self._flusher.lag_bytes,
            "outcomes_waiting": len(self._waiting),
            **{f"outcomes_{name}": self.counts[name] for name in ("refused", "conflict", "lost")},
        }

    def close(self) -> None:
        """Put everything where it belongs, and let another process take the lane."""
        if self._flusher is not None:
            self._flusher.stop()
        if self._journal is not None:
            self._journal.close()
        self._journal, self._flusher, self.ledger = None, None, None

    def _settle(self, execution: Execution, predictor: "Predictor | None", now_ms: int) -> None:
        from arbml.errors import StoreError
        from arbml.serving.settling import settle

        request = to_outcome(execution)
        if predictor is not None:
            predictor.record_outcome(request, execution.opportunity)
        elif self.ledger is not None:
            settle(self.ledger, request, now_ms, execution.opportunity)
        else:
            raise StoreError(f"{self._home}: the journal is not open; initialize first")
