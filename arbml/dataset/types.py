"""The data set that every model is fitted, evaluated and compared on."""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from arbml.errors import DataError

Kind: TypeAlias = Literal["lstm", "scorer", "volatility"]
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs known at a moment beside what they led to; rows in the order of knowing.

    Attributes:
        kind: the model it is for.
        X: (n, f) float64 inputs; NaN where the source lacks one.
        y: (n, k) float64 targets, finite.
        ts_ms: (n,) int64, non-decreasing; when the inputs of the row were known, UTC ms.
        label_end_ms: (n,) int64; when the targets of the row were fully known, UTC ms.
        feature_names: names of the f columns of X. target_names: names of the k columns of y.
        feature_set_id: which features these are; a model refuses another.
        streams: names "venue|PAIR" that `stream_of`, (n,) int, points into.
        prices: (n,) price of the row's stream at that moment, quote per base.
        data_hash: sha256 of names and values of everything but the notes; equal data, equal hash.
        window, rows: lstm only: (n, L) row numbers into `rows`, (m, f) float64, oldest first; X is the last of each.
        economics: scorer only: net_profit and revert_cost that the opportunity promised, profit that it gave (NaN where
            not recorded), in the quote token; n rows.
        step_s: volatility only: seconds from one bar to the next.
        routes: scorer only, n rows: route and venues (names), pair, chain_id (of the entry stream, NaN if no tick says it) and
            token of each opportunity. For patterns and people; no model reads it, so the hash leaves it out.
        notes: what was left out or assumed, for people.
    """

    kind: Kind
    X: Array
    y: Array
    ts_ms: Array
    label_end_ms: Array
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    feature_set_id: str
    streams: tuple[str, ...]
    stream_of: Array
    prices: Array
    data_hash: str = ""
    window: Array | None = None
    rows: Array | None = None
    economics: pd.DataFrame | None = None
    step_s: int | None = None
    notes: tuple[str, ...] = ()
    routes: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or self.y.ndim != 2:
            raise DataError(f"{self.kind} data set: X and y have two axes, not {self.X.ndim} and {self.y.ndim}")
        n = len(self.X)
        sizes = {"y": self.y, "ts_ms": self.ts_ms, "label_end_ms": self.label_end_ms, "stream_of": self.stream_of,
                 "prices": self.prices, "window": self.window, "economics": self.economics, "routes": self.routes}
        for name, part in sizes.items():
            if part is not None and len(part) != n:
                raise DataError(f"{self.kind} data set: {name} has {len(part)} rows, X has {n}")
        if self.X.shape[1] != len(self.feature_names) or self.y.shape[1] != len(self.target_names):
            raise DataError(f"{self.kind} data set: X is {self.X.shape}, y is {self.y.shape}, but there are "
                            f"{len(self.feature_names)} feature and {len(self.target_names)} target names")

    def __len__(self) -> int:
        return len(self.X)

    @property
    def horizons_s(self) -> tuple[int, ...]:
        """The horizons that the targets look ahead, in seconds; empty for a target without one."""
        found = [re.search(r"_(\d+)s$", name) for name in self.target_names]
        return tuple(int(match.group(1)) for match in found if match)

    def take(self, idx: Array) -> "Dataset":
        """Return the rows `idx` (numbers or a mask). `rows` is shared: windows may begin before the first row taken."""
        picked = np.flatnonzero(idx) if idx.dtype == np.bool_ else np.asarray(idx, dtype=np.int64)
        return replace(
            self,
            X=self.X[picked],
            y=self.y[picked],
            ts_ms=self.ts_ms[picked],
            label_end_ms=self.label_end_ms[picked],
            stream_of=self.stream_of[picked],
            prices=self.prices[picked],
            window=None if self.window is None else self.window[picked],
            economics=None if self.economics is None else self.economics.iloc[picked].reset_index(drop=True),
            routes=None if self.routes is None else self.routes.iloc[picked].reset_index(drop=True),
            data_hash=hashlib.sha256(self.data_hash.encode() + picked.astype("<i8").tobytes()).hexdigest(),
        )

    def sequences(self, idx: Array | None = None, dtype: Any = np.float32) -> Array:
        """Return the (n, L, f) input sequences of the rows `idx`, or of all, oldest tick first.

        Raises:
            DataError: if the data set has no windows.
        """
        if self.window is None or self.rows is None:
            raise DataError(f"the {self.kind} data set has no sequences; only lstm has")
        window = self.window if idx is None else self.window[idx]
        return self.rows.astype(dtype, copy=False)[window]


def hashed(dataset: Dataset) -> Dataset:
    """Return `dataset` with its `data_hash`.

    The hash covers names and values of everything that a fit or an evaluation reads, as little-endian bytes with one NaN
    and one zero, so that it depends neither on the machine nor on how the data got here.
    """
    digest = hashlib.sha256()
    names = [dataset.kind, dataset.feature_names, dataset.target_names, dataset.feature_set_id, dataset.streams, dataset.step_s]
    digest.update(json.dumps(names).encode())
    economics = None if dataset.economics is None else dataset.economics.to_numpy(dtype=np.float64)
    parts = [dataset.X, dataset.y, dataset.ts_ms, dataset.label_end_ms, dataset.stream_of, dataset.prices, dataset.window,
             dataset.rows, economics]
    for part in parts:
        if part is None:
            digest.update(b"none")
            continue
        digest.update(repr(part.shape).encode())
        digest.update(canonical(part).data)
    return replace(dataset, data_hash=digest.hexdigest())


def canonical(values: Array) -> Array:
    """Return `values` as contiguous little-endian int64 or float64 with one NaN and one zero."""
    if values.dtype.kind in "iub":
        return np.ascontiguousarray(values, dtype="<i8")
    numbers = values.astype("<f8") + 0.0  # -0.0 becomes 0.0
    numbers[np.isnan(numbers)] = np.nan
    return np.ascontiguousarray(numbers)
