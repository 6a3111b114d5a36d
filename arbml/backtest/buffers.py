"""The states and histories that the event loop keeps of the streams seen so far."""

from typing import Any

import numpy as np

from arbml.backtest.tape import Floats, Ints

HISTORY, N_VALUES = 1024, 8  # of `arbml.backtest.scan`, which compiles and is not imported for that; compared by a test


_OF_STREAMS = {
    "newest": ((2,), np.int64), "count": ((), np.int64), "ring_ms": ((HISTORY, 2), np.int64), "ring": ((HISTORY, N_VALUES), np.float64),
    "quotes": ((2,), np.float64), "pair_of": ((), np.int64), "after": ((), np.int64),
}  # fmt: skip
_OF_PAIRS = {"head": ((), np.int64), "dirty": ((), np.int64), "is_dirty": ((), np.int64)}


class Buffers:
    """Arrays of as many streams and pairs as were seen.

    Attributes:
        names, pairs: of the streams ("venue|PAIR") and pairs, in the order in which they were first known.
        newest: (streams, 2) event time and log index of the newest tick. count: (streams,) ticks taken.
        ring_ms: (streams, HISTORY, 2) event time and time of knowing. ring: (streams, HISTORY, N_VALUES) as in `scan`.
        quotes: (streams, 2) bid and ask after fees.
        pair_of, head, after: the streams of a pair, linked. dirty, is_dirty: pairs with a tick in the open step.
    """

    newest: Ints
    count: Ints
    ring_ms: Ints
    ring: Floats
    quotes: Floats
    pair_of: Ints
    after: Ints
    head: Ints
    dirty: Ints
    is_dirty: Ints

    def __init__(self) -> None:
        self.names: list[str] = []
        self.pairs: list[str] = []
        self._room = {name: np.zeros((4, *shape), kind) for name, (shape, kind) in (_OF_STREAMS | _OF_PAIRS).items()}
        self._show()

    def add(self, name: str) -> None:
        """Make room for a stream that was not seen before."""
        pair = name.partition("|")[2]
        known = pair in self.pairs
        if not known:
            self.pairs.append(pair)
        self.names.append(name)
        self._show()
        number, of = len(self.names) - 1, self.pairs.index(pair)
        self.pair_of[number], self.after[number] = of, self.head[of] if known else -1
        self.head[of] = number

    def _show(self) -> None:
        """Let the attributes be as long as what was seen; what lies behind them is doubled when it is full."""
        for names, seen in ((_OF_STREAMS, len(self.names)), (_OF_PAIRS, len(self.pairs))):
            for name in names:
                room = self._room[name]
                if seen > len(room):
                    room = self._room[name] = np.concatenate((room, np.zeros_like(room)))
                setattr(self, name, room[:seen])

    def arguments(self) -> tuple[Any, ...]:
        """Return the arrays in the order in which `scan` takes them."""
        return (
            self.newest, self.count, self.ring_ms, self.ring, self.quotes,
            self.pair_of, self.head, self.after, self.dirty, self.is_dirty,
        )  # fmt: skip
