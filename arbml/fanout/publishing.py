"""Those who collect: ticks into the stream, behind a small buffer, so that an absent Redis holds up nobody."""

import logging
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from arbml.fanout.stream import ENTRY_TICKS, FIELD, KEPT, STREAM, pack
from arbml.market import Tick

log = logging.getLogger(__name__)

WAITING = 50_000
_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class TickPublisher:
    """Publishes ticks from a thread of its own. Safe between threads.

    While Redis is gone, the latest 50 000 ticks wait; older ones are passed over and counted: they are stored all the same, and
    a live view wants the newest. A tick may be published twice after a lost connection; who reads them sorts that out.

    Args:
        client: see `arbml.fanout.stream.connect`.
        stream: name of the stream. kept: entries that Redis keeps of it, roughly.

    Attributes:
        published, passed_over: ticks. problem: why Redis takes nothing now; empty while it does.
    """

    def __init__(self, client: Any, stream: str = STREAM, kept: int = KEPT, waiting: int = WAITING) -> None:
        self._client, self._stream, self._kept = client, stream, kept
        self._waiting: deque[Tick] = deque()
        self._limit = waiting
        self._changed = threading.Condition()
        self._ended = False
        self.published = self.passed_over = 0
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name="tick-publisher", daemon=True)
        self._thread.start()

    def put(self, ticks: Iterable[Tick]) -> None:
        """Take ticks for publishing; never waits."""
        with self._changed:
            for tick in ticks:
                if len(self._waiting) >= self._limit:
                    self._waiting.popleft()
                    self.passed_over += 1
                self._waiting.append(tick)
            self._changed.notify()

    def record(self, record: object) -> None:
        """Take any record, as a subscriber of a `DataCollector`; only ticks are published."""
        if isinstance(record, Tick):
            self.put([record])

    def close(self, timeout_s: float = 5.0) -> int:
        """Publish what waits and end; return how many ticks were left."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(timeout_s)
        self._client.close()
        return len(self._waiting)

    def _run(self) -> None:
        pause_s = 0.0
        while True:
            with self._changed:
                if pause_s:
                    self._changed.wait_for(lambda: self._ended, timeout=pause_s)
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting or (self._ended and pause_s):
                    return
                batch = [self._waiting.popleft() for _ in range(min(ENTRY_TICKS, len(self._waiting)))]
            if self._tried(batch):
                pause_s = 0.0
                continue
            pause_s = min(max(_PAUSE_S, 2 * pause_s), _LONGEST_PAUSE_S)
            with self._changed:
                self._waiting.extendleft(reversed(batch))

    def _tried(self, batch: list[Tick]) -> bool:
        try:
            self._client.xadd(self._stream, {FIELD: pack(batch)}, maxlen=self._kept, approximate=True)
        except Exception as error:  # the client raises errors of several families
            if not self.problem:
                log.warning("live fan-out: Redis takes no ticks (%s); collection goes on", type(error).__name__)
            self.problem = type(error).__name__
            return False
        if self.problem:
            log.warning("live fan-out: Redis takes ticks again")
        self.problem = ""
        self.published += len(batch)
        return True
