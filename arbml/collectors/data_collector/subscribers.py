"""Those who want to see each record as it comes: each in a thread of its own, so that none holds up recording or another."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_WAITING = 10_000


class Subscribers(Generic[T]):
    """Hands every record to every subscriber, in order. Safe between threads.

    Args:
        max_waiting: records kept for a slow subscriber; the oldest are passed over and counted.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._all: tuple[_Subscriber[T], ...] = ()  # replaced, never changed: `tell` needs no lock
        self._lock = threading.Lock()
        self._gone_errors = self._gone_passed = 0

    def __len__(self) -> int:
        return len(self._all)

    @property
    def errors(self) -> int:
        """Calls that raised."""
        return self._gone_errors + sum(one.errors for one in self._all)

    @property
    def passed_over(self) -> int:
        """Records that slow subscribers did not get."""
        return self._gone_passed + sum(one.passed_over for one in self._all)

    def add(self, callback: Callable[[T], object]) -> Callable[[], None]:
        """Call `callback` with every record from now on; return what ends that, which may be called again."""
        one = _Subscriber(callback, self._max_waiting)
        with self._lock:
            self._all = (*self._all, one)

        def unsubscribe() -> None:
            with self._lock:
                if one in self._all:
                    self._all = tuple(other for other in self._all if other is not one)
                    self._gone_errors += one.errors
                    self._gone_passed += one.passed_over
            one.end()

        return unsubscribe

    def tell(self, record: T) -> None:
        """Hand a record on; never waits."""
        for one in self._all:
            one.put(record)

    def drain(self, timeout_s: float) -> None:
        """Wait until every subscriber has seen what it was told, at most `timeout_s` for each."""
        for one in self._all:
            one.drain(timeout_s)


class _Subscriber(Generic[T]):
    def __init__(self, callback: Callable[[T], object], max_waiting: int) -> None:
        self._callback = callback
        self._max_waiting = max_waiting
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._busy = self._ended = False
        self.errors = self.passed_over = 0
        self._thread = threading.Thread(target=self._run, name="tick-subscriber", daemon=True)
        self._thread.start()

    def put(self, record: T) -> None:
        with self._changed:
            if len(self._waiting) >= self._max_waiting:
                self._waiting.popleft()
                self.passed_over += 1
                if self.passed_over == 1:
                    log.warning("data collector: subscriber %r is slow; of %d records the oldest go", self._callback, self._max_waiting)
            self._waiting.append(record)
            if not self._busy:
                self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._waiting.clear()
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not (self._waiting or self._busy), timeout=timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                if not self._waiting:
                    self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return
                record = self._waiting.popleft()
                self._busy = True
            try:
                self._callback(record)
            except Exception:  # a subscriber's fault is not the collector's
                self.errors += 1
                if self.errors == 1:
                    log.exception("data collector: subscriber %r raised; it is called on, further errors are only counted", self._callback)
