"""A steady load."""

import threading
import time
from collections.abc import Callable


class Steady(threading.Thread):
    """Acts at a steady rate until told to stop.

    Args:
        per_second: times. act: gets the number of times before.
    """

    def __init__(self, per_second: float, act: Callable[[int], object]) -> None:
        super().__init__(daemon=True)
        self._per_second, self._act = per_second, act
        self._enough = threading.Event()
        self.count = 0
        self.error: Exception | None = None

    def run(self) -> None:
        began = time.perf_counter()
        try:
            while not self._enough.is_set():
                self._act(self.count)
                self.count += 1
                time.sleep(max(0.0, began + self.count / self._per_second - time.perf_counter()))
        except Exception as error:
            self.error = error

    def end(self) -> None:
        """Stop it; fail if it had failed."""
        self._enough.set()
        self.join(30)
        assert self.error is None
