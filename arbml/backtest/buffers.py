"""The states and histories that the event loop keeps of the streams seen so far."""

from typing import Any

import numpy as np
import numpy.typing as npt

HISTORY, N_VALUES = 1024, 8  # of `arbml.backtest.scan`, which compiles and is not imported for that; compared by a test


class Buffers:
    """Arrays of as many streams and pairs as were seen; they grow by one when a new one is met.

    Attributes:
        names, pairs: of the streams ("venue|PAIR") and pairs, in the order in which they were first known.
        newest: (streams, 2) event time and log index of the newest tick. count: (streams,) ticks taken.
        ring_ms: (streams, HISTORY, 2) event time and time of knowing. ring: (streams, HISTORY, N_VALUES) as in `scan`.
        quotes: (streams, 2) bid and ask after fees.
        pair_of, head, after: the streams of a pair, linked. dirty, is_dirty: pairs with a tick in the open step.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.pairs: list[str] = []
        self.newest = np.zeros((0, 2), np.int64)
        self.count, self.pair_of, self.after = (np.zeros(0, np.int64) for _ in range(3))
        self.head, self.dirty, self.is_dirty = (np.zeros(0, np.int64) for _ in range(3))
        self.ring_ms = np.zeros((0, HISTORY, 2), np.int64)
        self.ring = np.zeros((0, HISTORY, N_VALUES))
        self.quotes = np.zeros((0, 2))

    def add(self, name: str) -> None:
        """Make room for a stream that was not seen before."""
        pair = name.partition("|")[2]
        if pair not in self.pairs:
            self.pairs.append(pair)
            self.head, self.dirty, self.is_dirty = longer(self.head, -1), longer(self.dirty), longer(self.is_dirty)
        number, of = len(self.names), self.pairs.index(pair)
        self.names.append(name)
        self.pair_of, self.after = longer(self.pair_of, of), longer(self.after, self.head[of])
        self.head[of] = number
        self.newest, self.count = longer(self.newest), longer(self.count)
        self.ring_ms, self.ring, self.quotes = longer(self.ring_ms), longer(self.ring), longer(self.quotes)

    def arguments(self) -> tuple[Any, ...]:
        """Return the arrays in the order in which `scan` takes them."""
        return (
            self.newest, self.count, self.ring_ms, self.ring, self.quotes,
            self.pair_of, self.head, self.after, self.dirty, self.is_dirty,
        )  # fmt: skip


def longer(array: npt.NDArray[Any], value: Any = 0) -> npt.NDArray[Any]:
    """Return a copy with one more row, filled with `value`."""
    return np.concatenate((array, np.full((1, *array.shape[1:]), value, array.dtype)))
