"""The proof that batch and stream give the same bits, and the name of the first value that differs if they do not."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arbml.clock import iso
from arbml.features.batch import compute_features
from arbml.features.spec import FEATURE_NAMES, feature_set_id
from arbml.features.state import FeatureVector
from arbml.features.stream import FeatureStream
from arbml.frames import FeatureFrame, TickFrame, frame_to_ticks, in_order

_COMPARED = ("ts_known_ms", "ts_ms", "price", *FEATURE_NAMES)


@dataclass(frozen=True, slots=True)
class ParityDifference:
    """The first value in which batch and stream differ; `row` counts the feature rows from 0."""

    row: int
    stream: str
    ts_ms: int
    feature: str
    batch_value: float
    stream_value: float

    def text(self) -> str:
        """One line for people."""
        a, b = self.batch_value, self.stream_value
        where = f"row {self.row}, {self.stream} at {iso(self.ts_ms)}, {self.feature}"
        return f"{where}: batch {a!r} ({a.hex()}), stream {b!r} ({b.hex()})"


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What was compared: rows x columns values, with the stream saved and loaded after `restarts_at` feature rows."""

    rows: int
    columns: int
    late: int
    restarts_at: tuple[int, ...]
    feature_set_id: str
    first_difference: ParityDifference | None

    @property
    def equal(self) -> bool:
        """True if every bit is the same."""
        return self.first_difference is None

    def text(self) -> str:
        """One line for people."""
        what = f"{self.rows} rows x {self.columns} columns of feature set {self.feature_set_id}, {self.late} late ticks left out"
        if self.first_difference is None:
            where = ", ".join(map(str, self.restarts_at))
            return f"batch equals stream bit for bit: {what}; the stream was saved and loaded at row {where or 'none'}"
        return f"batch differs from stream: {self.first_difference.text()} ({what})"


def check_parity(ticks: TickFrame, features: FeatureFrame | None = None, restarts: int = 1) -> ParityReport:
    """Compare batch features with those of a stream fed with the same ticks one by one, bit for bit.

    Args:
        ticks: checked ticks, in any order.
        features: what a batch computed from them earlier; computed here if None.
        restarts: how often the stream is saved to bytes and loaded again on the way, evenly spread.
    """
    batch = compute_features(ticks) if features is None else features
    ticks = in_order(ticks)
    cuts = {len(ticks) * (k + 1) // (restarts + 1) for k in range(restarts)}
    stream = FeatureStream(history=1, max_streams=_n_streams(ticks))
    vectors: list[FeatureVector] = []
    restarts_at: list[int] = []
    for i, tick in enumerate(frame_to_ticks(ticks)):
        if i in cuts:
            stream = FeatureStream.load(stream.dump())
            restarts_at.append(len(vectors))
        vector = stream.update(tick)
        if vector is not None:
            vectors.append(vector)
    late = len(ticks) - len(vectors)
    first = _first_difference(batch, vectors)
    return ParityReport(len(vectors), len(_COMPARED), late, tuple(restarts_at), feature_set_id(), first)


def _n_streams(ticks: TickFrame) -> int:
    return max(1, len(ticks[["venue", "pair"]].drop_duplicates()))


def _first_difference(batch: FeatureFrame, vectors: list[FeatureVector]) -> ParityDifference | None:
    n = min(len(batch), len(vectors))
    of_batch = np.ascontiguousarray(batch.loc[:, list(_COMPARED)].to_numpy(dtype=np.float64)[:n])
    rows = [(v.ts_known_ms, v.ts_ms, v.price, *v.values) for v in vectors[:n]]
    of_stream = np.array(rows, dtype=np.float64).reshape(n, len(_COMPARED))
    streams = (batch["venue"] + "|" + batch["pair"]).to_list()
    different = ~_same_bits(of_batch, of_stream)
    other = np.array([a != v.stream for a, v in zip(streams, vectors, strict=False)], dtype=bool)
    offences = np.flatnonzero(different.any(axis=1) | other)
    if offences.size:
        row = int(offences[0])
        vector = vectors[row]
        if other[row]:
            return ParityDifference(row, f"{streams[row]} / {vector.stream}", vector.ts_ms, "stream", np.nan, np.nan)
        column = int(np.flatnonzero(different[row])[0])
        a, b = float(of_batch[row, column]), float(of_stream[row, column])
        return ParityDifference(row, vector.stream, vector.ts_ms, _COMPARED[column], a, b)
    if len(batch) == len(vectors):
        return None
    more = len(vectors) > n
    stream, ts_ms = (vectors[n].stream, vectors[n].ts_ms) if more else (streams[n], int(batch["ts_ms"].iloc[n]))
    return ParityDifference(n, stream, ts_ms, "number of rows", float(len(batch)), float(len(vectors)))


def _same_bits(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Equal bit patterns; all NaNs are one value, and 0.0 is not -0.0."""
    return (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))
