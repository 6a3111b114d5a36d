"""Features of one tick at a time, with the same bits as the batch."""

import hashlib
import json
from collections.abc import Iterable

import numpy as np

from arbml.errors import DataError, FeatureSetMismatch, SchemaError
from arbml.features.spec import FEATURE_NAMES, feature_set_id
from arbml.features.state import FeatureVector, Floats, PairBoard, StreamState
from arbml.frames import TickFrame, frame_to_ticks
from arbml.market import Tick

_FORMAT = 1
_FIRST_ROWS = 256  # room for the ticks of a new stream; doubled when the window needs it, up to twice MAX_ROWS
_NAN, _INFINITY = float("nan"), float("inf")


class FeatureStream:
    """Computes features tick by tick, in the order in which ticks become known.

    One writer at a time. Memory is bounded: at most MAX_ROWS ticks (in twice that room) and `history` feature rows of
    each of `max_streams` streams. When one more stream appears, the one that has been silent longest is forgotten; should
    it come back, it starts cold.

    Args:
        history: feature rows kept of each stream for `window`.
        max_streams: streams kept.
    """

    def __init__(self, history: int = 128, max_streams: int = 1024) -> None:
        from arbml.features import kernels  # compiles, or loads what was compiled: not at import

        if history < 1 or max_streams < 1:
            raise DataError(f"a FeatureStream keeps at least 1 row and 1 stream, not {history} and {max_streams}")
        self.history = history
        self.max_streams = max_streams
        self._kernels = kernels
        self._advance, self._late, self._full = kernels.advance, kernels.LATE, kernels.FULL
        self._scratch = np.empty(kernels.MAX_ROWS)
        self._states: dict[str, StreamState] = {}
        self._boards: dict[str, PairBoard] = {}
        self._turn = 0

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams known, in the order of their first tick."""
        return tuple(self._states)

    def update(self, tick: Tick) -> FeatureVector | None:
        """Take in one tick.

        Returns:
            Its features; None if the tick is late (not after the newest of its stream by event time, then log index): it
            changes nothing then.

        Raises:
            SchemaError: if the price is not a positive finite number.
        """
        name = tick.stream
        if not 0.0 < tick.price < _INFINITY:
            raise SchemaError(f"tick of {name} at {tick.ts_ms}: price {tick.price!r} must be a positive number")
        state = self._states.get(name) or self._open(name, tick.pair)
        while (status := self._step(state, tick)) == self._full:
            state.make_room()
        if status == self._late:
            return None
        self._turn += 1
        state.turn = self._turn
        values = state.history[state.cursor[3] - 1].copy()
        values.setflags(write=False)
        state.latest = FeatureVector(tick.ts_ms, tick.ts_known_ms, tick.venue, tick.pair, tick.price, values)
        return state.latest

    def replay(self, ticks: TickFrame | Iterable[Tick]) -> int:
        """Take in many ticks in the given order (a frame must be checked); return how many were not late."""
        every: Iterable[Tick] = frame_to_ticks(ticks) if hasattr(ticks, "columns") else ticks
        return sum(self.update(tick) is not None for tick in every)

    def latest(self, stream: str) -> FeatureVector | None:
        """Return the features of the newest tick of `stream` ("venue|PAIR"); None if none is known."""
        state = self._states.get(stream)
        return None if state is None else state.latest

    def window(self, stream: str, length: int) -> Floats:
        """Return the newest feature rows of `stream`, oldest first: (<= length, n_features), a copy.

        Raises:
            DataError: if `length` is more than the rows this object keeps.
        """
        if length > self.history:
            raise DataError(f"{length} rows are more than the {self.history} kept; use FeatureStream(history={length})")
        state = self._states.get(stream)
        return np.empty((0, len(FEATURE_NAMES))) if state is None else state.newest(length)

    def dump(self) -> bytes:
        """Return the whole state: one line of JSON, then the live rows of every stream, little endian."""
        body, entries = bytearray(), []
        for state in self._states.values():
            last = state.latest
            assert last is not None  # the tick that opens a stream is never late
            entries.append({"venue": last.venue, "pair": last.pair, "ts_known_ms": last.ts_known_ms, **state.write(body)})
        header = {
            "format": _FORMAT, "feature_set_id": feature_set_id(), "history": self.history, "max_streams": self.max_streams,
            "turn": self._turn, "sha256": hashlib.sha256(body).hexdigest(), "streams": entries,
        }
        return json.dumps(header).encode() + b"\n" + bytes(body)

    @classmethod
    def load(cls, data: bytes) -> "FeatureStream":
        """Rebuild what `dump` wrote; it goes on with the same bits.

        Raises:
            DataError: if it is cut short, damaged or of another format.
            FeatureSetMismatch: if it was written with another set of features.
        """
        line, _, rest = data.partition(b"\n")
        try:
            header = json.loads(line)
            known = header["format"] == _FORMAT and header["sha256"] == hashlib.sha256(rest).hexdigest()
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("the saved feature state has no readable header; replay the last ticks instead") from error
        if not known:
            raise DataError("the saved feature state is damaged, cut short or of another format; replay the last ticks instead")
        if header["feature_set_id"] != feature_set_id():
            raise FeatureSetMismatch(
                f"the saved feature state is of feature set {header['feature_set_id']}, this code computes {feature_set_id()}; "
                "replay the last ticks instead"
            )
        stream, body = cls(header["history"], header["max_streams"]), memoryview(rest)
        for entry in header["streams"]:
            body = body[stream._restore(entry, body) :]
        stream._turn = header["turn"]
        return stream

    def _step(self, state: StreamState, tick: Tick) -> int:
        board = state.board
        status: int = self._advance(
            state.ts, state.columns, state.cursor, state.history, board.ts, board.log_price, len(board.members), state.own,
            tick.ts_ms, tick.log_index, tick.price,
            _NAN if tick.fee_bps is None else tick.fee_bps,
            _NAN if tick.volume is None else tick.volume,
            _NAN if tick.liquidity is None else tick.liquidity,
            _NAN if tick.gas_price_gwei is None else tick.gas_price_gwei,
            _NAN if tick.reserve_base is None else tick.reserve_base,
            _NAN if tick.reserve_quote is None else tick.reserve_quote,
            self._scratch,
        )
        return status

    def _open(self, name: str, pair: str, rows: int = _FIRST_ROWS) -> StreamState:
        """Make room for one more stream."""
        kernels = self._kernels
        if len(self._states) >= self.max_streams:
            self._forget(min(self._states, key=lambda key: self._states[key].turn))
        board = self._boards.get(pair)
        if board is None:
            board = self._boards[pair] = PairBoard(np.empty(4, np.int64), np.empty(4))
        state = StreamState(
            board, np.empty(rows, np.int64), np.empty((kernels.N_COLUMNS, rows)),
            np.zeros(kernels.N_CURSOR, np.int64), np.empty((2 * self.history, kernels.N_FEATURES)),
        )
        board.join(state, kernels.NEVER)
        self._states[name] = state
        return state

    def _forget(self, name: str) -> None:
        state = self._states.pop(name)
        state.board.leave(state)
        if not state.board.members:
            self._boards = {pair: board for pair, board in self._boards.items() if board is not state.board}

    def _restore(self, entry: dict[str, int | str], body: memoryview) -> int:
        venue, pair, rows = str(entry["venue"]), str(entry["pair"]), int(entry["rows"])
        state = self._open(f"{venue}|{pair}", pair, max(_FIRST_ROWS, 1 << (2 * rows - 1).bit_length()))
        used = state.read(entry, body)
        state.board.ts[state.own], state.board.log_price[state.own] = state.ts[rows - 1], state.columns[0, rows - 1]
        ts_ms, price, values = int(state.ts[rows - 1]), float(state.columns[1, rows - 1]), state.newest(1)[0]
        values.setflags(write=False)
        state.latest = FeatureVector(ts_ms, int(entry["ts_known_ms"]), venue, pair, price, values)
        return used
