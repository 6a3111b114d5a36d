"""Rows on their way into the database: columns of plain values, cut into chunks so that memory stays bounded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.errors import SchemaError

Values = npt.NDArray[Any] | list[Any]

_CHUNK = 4_096  # rows made into Python values at once: they stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the rows of one append.

    Attributes:
        new: were stored.
        known: were there already with the same content; only their time of knowing may differ.
        conflicting: were there already with other content. The stored row stands: what was known first is what
            everything after it was computed from.
    """

    new: int = 0
    known: int = 0
    conflicting: int = 0

    def __add__(self, other: "Appended") -> "Appended":
        return Appended(self.new + other.new, self.known + other.known, self.conflicting + other.conflicting)


class Batch:
    """Named columns of equal length that iterate, as often as asked, as rows of plain Python values.

    Args:
        columns: lists are passed through as they are; in arrays NaN becomes None.
        whole: names of float columns that are whole numbers in the database.

    >>> list(Batch({"a": np.array([1.5, np.nan]), "b": np.array([7.0, np.nan])}, whole=("b",)))
    [(1.5, 7), (None, None)]
    """

    def __init__(self, columns: Mapping[str, Values], whole: Sequence[str] = ()) -> None:
        self._columns = dict(columns)
        self._whole = frozenset(whole)
        lengths = {len(values) for values in self._columns.values()}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        self._length = lengths.pop()

    @property
    def names(self) -> list[str]:
        """Column names, in the order of the values of a row."""
        return list(self._columns)

    @property
    def columns(self) -> dict[str, Values]:
        """The columns as they were given, in the order of the values of a row."""
        return self._columns

    @property
    def numeric(self) -> bool:
        """Whether every column is an array."""
        return all(isinstance(values, np.ndarray) and values.dtype != object for values in self._columns.values())

    def lists(self) -> list[list[Any]]:
        """Return each column as plain Python values."""
        return [_plain(values, name in self._whole) for name, values in self._columns.items()]

    def take(self, rows: npt.NDArray[Any]) -> "Batch":
        """Return the rows with these numbers, or where a mask is true, of a numeric batch."""
        return Batch({name: np.asarray(values)[rows] for name, values in self._columns.items()}, tuple(self._whole))

    def sorted_by(self, keys: Sequence[str]) -> "Batch":
        """Return a numeric batch in the order of `keys`; of rows with one key the first stays first."""
        columns = [np.asarray(self._columns[key]) for key in keys]
        if len(columns[0]) < 2 or _ascending(columns):
            return self
        return self.take(np.lexsort(columns[::-1]))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        # without a generator of ours between the rows and the driver: that would run Python code for each row
        return chain.from_iterable(map(self._rows, range(0, self._length, _CHUNK)))

    def _rows(self, start: int) -> Iterator[tuple[Any, ...]]:
        chunk = slice(start, start + _CHUNK)
        return zip(*(_plain(values[chunk], name in self._whole) for name, values in self._columns.items()), strict=True)


def _ascending(columns: Sequence[npt.NDArray[Any]]) -> bool:
    """Whether rows are in the order of the columns, the first of which counts most."""
    in_order = columns[-1][1:] >= columns[-1][:-1]
    for column in columns[-2::-1]:
        in_order = (column[1:] > column[:-1]) | ((column[1:] == column[:-1]) & in_order)
    return bool(in_order.all())


def _plain(values: Values, whole: bool) -> list[Any]:
    if isinstance(values, list):
        return values
    if values.dtype.kind != "f":
        return list(values.tolist())
    missing = np.isnan(values)
    if missing.all():
        return [None] * len(values)
    if not whole and not missing.any():
        return list(values.tolist())
    if not missing.any():
        return list(values.astype(np.int64).tolist())
    plain = np.where(missing, 0, values).astype(np.int64).astype(object) if whole else values.astype(object)
    plain[missing] = None
    return list(plain.tolist())


def storable(df: pd.DataFrame, source: str, whole: Sequence[str] = ()) -> pd.DataFrame:
    """Return a checked frame in the order of `ts_known_ms`, if every value can be stored exactly.

    The order is what makes the first-known row win among rows of one batch with the same key.

    Raises:
        SchemaError: for text with a NUL character or half a surrogate pair, which PostgreSQL cannot keep, and for
            fractions or numbers beyond 64 bits in a `whole` column.
    """
    for name in whole:
        values = df[name].to_numpy()
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero((values != np.floor(values)) & ~np.isnan(values) | (np.abs(values) >= 2.0**63))
        if len(bad):
            raise SchemaError(f"{source}: column '{name}', row {bad[0]}: {values[bad[0]]!r} must be a whole number of at most 64 bits")
    for name, dtype in zip(df.columns, df.dtypes, strict=True):
        if dtype.kind == "O":
            refuse_bad_text(df[name].to_numpy(), name, source, strict=True)
    known = df["ts_known_ms"].to_numpy()
    if bool((known[1:] >= known[:-1]).all()):
        return df
    return df.take(np.argsort(known, kind="stable"))


def refuse_bad_text(values: Values, name: str, source: str, strict: bool = False) -> None:
    """Raise if a text has a NUL character or half a surrogate pair, which PostgreSQL cannot keep.

    Args:
        values: texts, None, and unless `strict` other values, which are not looked at.

    Raises:
        SchemaError: naming the first offender.
    """
    try:
        distinct: Iterable[Any] = pd.unique(values) if isinstance(values, np.ndarray) else dict.fromkeys(values)
    except TypeError:  # something that is not even hashable is among them
        distinct = values
    for text in distinct:
        if text is None or (not strict and not isinstance(text, str)):
            continue
        if not _is_text(text):
            raise SchemaError(f"{source}: column '{name}', row {list(values).index(text)}: {text!r} is not text that a database can keep")


def _is_text(value: Any) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
