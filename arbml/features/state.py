"""What a FeatureStream remembers: the last ticks and feature rows of each stream, and the last prices of each pair."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from arbml.features.spec import FEATURE_NAMES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureVector:
    """The features of one tick, `values` (n_features,) in the order of FEATURE_NAMES; NaN where unknown."""

    ts_ms: int
    ts_known_ms: int
    venue: str
    pair: str
    price: float
    values: Floats

    @property
    def stream(self) -> str:
        """The name of the series, "venue|PAIR"."""
        return f"{self.venue}|{self.pair}"

    def to_dict(self) -> dict[str, float | None]:
        """Name to value, None where unknown: plain data, ready for JSON."""
        return {name: None if v != v else v for name, v in zip(FEATURE_NAMES, self.values.tolist(), strict=True)}


@dataclass(slots=True, eq=False)
class PairBoard:
    """The last price of each venue of one pair; `members` are the streams, in the order of the arrays."""

    ts: Ints
    log_price: Floats
    members: list["StreamState"] = field(default_factory=list)

    def join(self, state: "StreamState", ts: int, log_price: float = 0.0) -> None:
        """Give a stream its place."""
        if len(self.members) == self.ts.size:
            self.ts = np.concatenate((self.ts, self.ts))
            self.log_price = np.concatenate((self.log_price, self.log_price))
        state.own = len(self.members)
        self.ts[state.own], self.log_price[state.own] = ts, log_price
        self.members.append(state)

    def leave(self, state: "StreamState") -> None:
        """Take a stream off; the last one moves into its place (the order of venues changes no feature)."""
        last = self.members.pop()
        if last is not state:
            self.members[state.own] = last
            self.ts[state.own], self.log_price[state.own] = self.ts[last.own], self.log_price[last.own]
            last.own = state.own


@dataclass(slots=True, eq=False)
class StreamState:
    """One stream.

    Attributes:
        ts, columns: the ticks, (rows,) and (columns, rows); the window is cursor[0]..cursor[1].
        cursor: start and stop of the window, log index of the newest tick, feature rows written.
        history: (2 x kept, features), feature rows up to cursor[3].
        own: its place on the board. turn: when it last moved, in updates.
    """

    board: PairBoard
    ts: Ints
    columns: Floats
    cursor: Ints
    history: Floats
    own: int = 0
    turn: int = 0
    latest: FeatureVector | None = None

    def make_room(self) -> None:
        """Move the window and the newer half of the history to the front; double a block that the window fills by half."""
        start, stop, _, rows = self.cursor.tolist()
        n, kept = stop - start, self.history.shape[0] // 2
        if stop == self.ts.size:
            if 2 * n > self.ts.size:
                self.ts, self.columns = np.concatenate((self.ts, self.ts)), np.concatenate((self.columns, self.columns), axis=1)
            self.ts[:n], self.columns[:, :n] = self.ts[start:stop], self.columns[:, start:stop]
            self.cursor[:2] = 0, n
        if rows == 2 * kept:
            self.history[:kept] = self.history[kept:]
            self.cursor[3] = kept

    def newest(self, length: int) -> Floats:
        """The newest feature rows, oldest first: (<= length, n_features), a copy."""
        rows = int(self.cursor[3])
        return self.history[max(0, rows - length) : rows].copy()

    def write(self, body: bytearray) -> dict[str, Any]:
        """Append the live rows to `body` and return what else is needed to rebuild the stream."""
        start, stop, log_index, _ = self.cursor.tolist()
        history = self.newest(self.history.shape[0] // 2)
        for array in (self.ts[start:stop], self.columns[:, start:stop], history):
            body += array.astype(array.dtype.newbyteorder("<")).tobytes()
        return {"rows": stop - start, "history": len(history), "log_index": log_index, "turn": self.turn}

    def read(self, entry: dict[str, Any], body: memoryview) -> int:
        """Fill the blocks, which must be large enough, from what `write` appended; return the bytes used."""
        rows, kept = entry["rows"], entry["history"]
        n_columns, n_features = self.columns.shape[0], self.history.shape[1]
        at, end = 8 * rows, 8 * rows * (1 + n_columns)
        stop = end + 8 * kept * n_features
        self.ts[:rows] = np.frombuffer(body[:at], "<i8")
        self.columns[:, :rows] = np.frombuffer(body[at:end], "<f8").reshape(n_columns, rows)
        self.history[:kept] = np.frombuffer(body[end:stop], "<f8").reshape(kept, n_features)
        self.cursor[:] = 0, rows, entry["log_index"], kept
        self.turn = entry["turn"]
        return stop
