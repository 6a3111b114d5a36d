"""Those who want ticks: from the stream into a callback, in order, on from where the last one was."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from arbml.clock import Clock, SystemClock
from arbml.fanout.stream import FIELD, STREAM, unpack
from arbml.market import Tick

log = logging.getLogger(__name__)

LOOKBACK_S = 20 * 60   # what a service needs to be of use again
_BLOCK_MS = 1000
_ENTRIES = 100
_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class TickFeed:
    """Reads the stream in a thread of its own, and outlives a Redis that goes and comes.

    It begins `lookback_s` ago, so that a process that was started anew catches up, and after a lost connection goes on after the
    last entry that it read. A tick may come twice; what is not newer than the last of its stream is for the callback to leave out.

    Args:
        client: see `arbml.fanout.stream.connect`.
        take: called with ticks, oldest first; what it raises is counted and logged once, and the feed goes on.
        clock: says when `lookback_s` ago was.

    Attributes:
        taken, errors: ticks handed over, calls that raised and entries that could not be read.
        problem: why Redis gives nothing now; empty while it does.
    """

    def __init__(
        self, client: Any, take: Callable[[Sequence[Tick]], object], clock: Clock | None = None, stream: str = STREAM,
        lookback_s: float = LOOKBACK_S,
    ) -> None:
        self._client, self._take, self._stream = client, take, stream
        self._last = f"{max(0, (clock or SystemClock()).now_ms() - round(lookback_s * 1000))}-0".encode()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tick-feed", daemon=True)
        self.taken = self.errors = 0
        self.problem = ""

    def start(self) -> "TickFeed":
        """Begin."""
        self._thread.start()
        return self

    def stop(self, timeout_s: float = 3.0) -> None:
        """End."""
        self._stop.set()
        self._thread.join(timeout_s)
        self._client.close()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            try:
                found = self._client.xread({self._stream: self._last}, count=_ENTRIES, block=_BLOCK_MS)
            except Exception as error:  # the client raises errors of several families
                if not self.problem:
                    log.warning("live fan-out: Redis gives no ticks (%s); asking again until it does", type(error).__name__)
                self.problem = type(error).__name__
                pause_s = min(max(_PAUSE_S, 2 * pause_s), _LONGEST_PAUSE_S)
                continue
            if self.problem:
                log.warning("live fan-out: Redis gives ticks again")
            self.problem, pause_s = "", 0.0
            for _, entries in found or ():
                for number, fields in entries:
                    self._hand_over(fields)
                    self._last = number

    def _hand_over(self, fields: dict[bytes, bytes]) -> None:
        try:
            ticks = unpack(fields[FIELD])
            self._take(ticks)
        except Exception as error:  # one bad entry, or one that the callback refuses, does not end the feed
            self.errors += 1
            if self.errors == 1:
                log.warning("live fan-out: an entry could not be taken: %s", error)
            return
        self.taken += len(ticks)
