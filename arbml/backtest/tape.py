"""The recorded ticks in columns. Only the engine holds one: it knows the future."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.frames import TICKS, TickFrame, in_order
from arbml.labels import Series, stream_series
from arbml.market import Tick

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
VALUES = ("price", "fee_bps", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote", "chain_id")
_OPTIONAL = ("fee_bps", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote")
_BLOCK = 2_048
_WHOLE = ("chain_id", "block_number")


@dataclass(frozen=True, eq=False)
class Tape:
    """n ticks in the order of knowing.

    Attributes:
        ts_ms, known_ms, log_index: (n,).
        stream: (n,) number of each tick's stream; streams are numbered in the order in which they are first known.
        names: "venue|PAIR" of each stream.
        values: the columns VALUES, (n,) each.
        series: of each stream what was not late, as in the labels.
        columns: name and values of each field of a tick, in the order of its fields.
    """

    ts_ms: Ints
    known_ms: Ints
    log_index: Ints
    stream: Ints
    names: tuple[str, ...]
    values: tuple[Floats, ...]
    series: tuple[Series, ...]
    columns: tuple[tuple[str, npt.NDArray[Any]], ...]

    def __len__(self) -> int:
        return len(self.ts_ms)

    def ticks(self, rows: slice | Sequence[int]) -> list[Tick]:
        """Return some rows as ticks, as recorded."""
        columns = [_plain(column[rows], name) for name, column in self.columns]
        return [Tick(*row) for row in zip(*columns, strict=True)]


class Reader:
    """Ticks of a tape one stretch after another; they are built in blocks, which is faster than a few at a time."""

    def __init__(self, tape: Tape) -> None:
        self._tape, self._first, self._block = tape, 0, list[Tick]()

    def take(self, first: int, last: int) -> list[Tick]:
        """Return the rows from `first` until before `last`, not before those of the call before."""
        taken: list[Tick] = []
        while first < last:
            if not self._first <= first < self._first + len(self._block):
                self._first, self._block = first, self._tape.ticks(slice(first, first + _BLOCK))
            taken += self._block[first - self._first : last - self._first]
            first = self._first + len(self._block)
        return taken


def make_tape(ticks: TickFrame) -> Tape:
    """Check ticks and put them in order.

    Raises:
        SchemaError: naming column, row and value of what a tick frame cannot hold, e.g. a price of zero.
    """
    frame = in_order(TICKS.check(ticks))
    series = stream_series(frame)
    venue_of, venues = pd.factorize(frame["venue"])
    pair_of, pairs = pd.factorize(frame["pair"])
    stream, codes = pd.factorize(venue_of.astype(np.int64) * max(1, len(pairs)) + pair_of)
    names = tuple(f"{venues[code // len(pairs)]}|{pairs[code % len(pairs)]}" for code in codes.tolist())
    return Tape(
        ts_ms=_contiguous(frame, "ts_ms"),
        known_ms=_contiguous(frame, "ts_known_ms"),
        log_index=_contiguous(frame, "log_index"),
        stream=np.ascontiguousarray(stream, dtype=np.int64),
        names=names,
        values=tuple(_contiguous(frame, name) for name in VALUES),
        series=tuple(series[name] for name in names),
        columns=tuple((field.name, frame[field.name].to_numpy()) for field in fields(Tick)),
    )


def _contiguous(frame: TickFrame, name: str) -> npt.NDArray[Any]:
    return np.ascontiguousarray(frame[name].to_numpy())


def _plain(values: npt.NDArray[Any], name: str) -> list[Any]:
    """Return values as a tick holds them: plain numbers, None for missing."""
    plain: list[Any] = values.tolist()
    if name in _OPTIONAL:
        return [None if value != value else value for value in plain]
    return [None if value != value else int(value) for value in plain] if name in _WHOLE else plain
