"""Waiting for a store that is gone for a moment."""

import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from arbml.clock import stopwatch_s
from arbml.errors import StoreFull, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)

PATIENCE_S = 300.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class Patience:
    """Does the store's work again while the store cannot be reached; whatever else fails, a full disk too, is raised at once.

    Only for work that may be repeated: an append whose connection was lost during its commit may have been kept.

    Args:
        seconds: longest time without the store.
        wait: sleeps, s. stopwatch: seconds on a clock that never jumps.
    """

    def __init__(
        self, seconds: float = PATIENCE_S, wait: Callable[[float], object] = time.sleep, stopwatch: Callable[[], float] = stopwatch_s
    ) -> None:
        self._seconds, self._wait, self._stopwatch = seconds, wait, stopwatch

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns.

        Raises:
            StoreUnavailable: if it still fails after that time. StoreFull at once, and whatever else `work` raises.
        """
        since_s: float | None = None
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                done = work(*args, **kwargs)
            except StoreFull:
                raise
            except StoreUnavailable as error:
                now_s = self._stopwatch()
                if since_s is None:
                    since_s = now_s
                    log.warning("the store cannot be had, trying for %g s: %s", self._seconds, error)
                left_s = since_s + self._seconds - now_s
                if left_s <= 0:
                    raise
                self._wait(min(left_s, pause_s * random.uniform(0.5, 1.0)))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            if since_s is not None:
                log.warning("the store is back after %.1f s", self._stopwatch() - since_s)
            return done
