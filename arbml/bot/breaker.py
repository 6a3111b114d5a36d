"""A circuit breaker: after failures in a row the service is left alone, and from time to time one request tries again.

    closed     everybody may ask; a success forgets the failures before it
    open       nobody may ask until the pause is over
    half-open  one may ask; its success closes the breaker, its failure opens it for another pause

(Nygard, Release It!, 2007.) No clock of its own, no thread, no network.
"""

import threading
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Whether the service is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Permit(NamedTuple):
    """Leave to ask once. Whoever holds it says how it went: `succeeded`, `failed` or `abandoned`."""

    turn: int
    probe: bool


class CircuitBreaker:
    """Safe to share between threads.

    What a request says that was let in before the breaker opened counts no more once it did: a late success of then is no
    sign of life now.

    Args:
        failures: in a row, after which it opens.
        pause_s: how long it stays open; a probe that says nothing for so long is given up, too.
        stopwatch: seconds on a clock that never jumps.

    >>> now = [0.0]
    >>> breaker = CircuitBreaker(2, 5.0, lambda: now[0])
    >>> for _ in range(2):
    ...     breaker.failed(breaker.admit())
    >>> breaker.state.value, breaker.admit()
    ('open', None)
    >>> now[0] = 5.0
    >>> probe = breaker.admit()
    >>> breaker.state.value, breaker.admit()
    ('half_open', None)
    >>> breaker.succeeded(probe)
    >>> breaker.state.value
    'closed'
    """

    def __init__(self, failures: int, pause_s: float, stopwatch: Callable[[], float]) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._state = State.CLOSED
        self._failures = 0
        self._turn = 0         # raised with each change of state: permits of an earlier turn say nothing
        self._until_s = 0.0    # open: when the pause ends; half-open: when the probe is given up
        self.opened = 0

    @property
    def state(self) -> State:
        """The state as of the last call; a pause that is over shows at the next `admit`."""
        return self._state

    @property
    def wait_s(self) -> float:
        """How long nobody may ask, s; 0.0 if somebody may."""
        return 0.0 if self._state is State.CLOSED else max(0.0, self._until_s - self._stopwatch())

    def admit(self) -> Permit | None:
        """Return leave to ask, None if the service is left alone."""
        with self._lock:
            if self._state is State.CLOSED:
                return Permit(self._turn, probe=False)
            if self._stopwatch() < self._until_s:
                return None
            self._become(State.HALF_OPEN)
            return Permit(self._turn, probe=True)

    def succeeded(self, permit: Permit | None) -> None:
        """The service answered, whatever it said."""
        with self._lock:
            if permit is not None and permit.turn == self._turn:
                self._failures = 0
                if self._state is not State.CLOSED:
                    self._become(State.CLOSED)

    def failed(self, permit: Permit | None) -> None:
        """No answer, a late one, or none that can be used."""
        with self._lock:
            if permit is not None and permit.turn == self._turn:
                self._failures += 1
                if permit.probe or self._failures >= self._limit:
                    self._become(State.OPEN)
                    self.opened += 1

    def abandoned(self, permit: Permit | None) -> None:
        """Whoever asked went away before anything was known. A probe leaves its place to the next one."""
        with self._lock:
            if permit is not None and permit.probe and permit.turn == self._turn:
                self._become(State.OPEN)
                self._until_s = self._stopwatch()

    def _become(self, state: State) -> None:
        self._state = state
        self._turn += 1
        self._failures = 0
        self._until_s = self._stopwatch() + self._pause_s
