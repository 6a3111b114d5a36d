"""Schemas of the data frames that travel, with units, and the one function that checks them.

A frame called `df_` is unchecked, `df` has passed `check`. All frames have a plain RangeIndex. Order of rows is the order
of knowing: `ts_known_ms`, ties by `ts_ms`, block, log index, venue, pair.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.errors import SchemaError
from arbml.market import Tick

TickFrame: TypeAlias = pd.DataFrame
ExecutionFrame: TypeAlias = pd.DataFrame
FeatureFrame: TypeAlias = pd.DataFrame


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its dtype ("int64", "float64" or "object"), unit, and what values may be."""

    name: str
    dtype: str
    unit: str = ""
    required: bool = False   # no missing values
    positive: bool = False   # > 0 where present
    non_negative: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """An ordered list of columns."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    def empty(self) -> pd.DataFrame:
        """Return a checked frame without rows."""
        return _empty(self.columns).copy()

    def check(self, df_: pd.DataFrame, source: str | None = None) -> pd.DataFrame:
        """Return `df_` with exactly the schema's columns, dtypes and ranges.

        Optional columns that are absent are added, empty; others than the schema's are dropped.

        Args:
            df_: an unchecked frame.
            source: name for messages, e.g. the file; the schema's name without it.

        Raises:
            SchemaError: naming source, column, row (0-based) and value of the first offence.
        """
        if len(df_) <= _SMALL and self._holds(df_):
            return df_.copy(deep=False)
        where = source or self.name
        out: dict[str, pd.Series[Any]] = {}
        for column in self.columns:
            if column.name not in df_.columns:
                if column.required:
                    has = ", ".join(map(str, df_.columns)) or "no columns"
                    raise SchemaError(f"{where}: column '{column.name}' is missing; it has {has}")
                out[column.name] = _absent(column, len(df_))
                continue
            out[column.name] = _checked(df_[column.name], column, where)
        return pd.DataFrame(out).reset_index(drop=True)

    def checked(self, df_: pd.DataFrame, source: str | None = None) -> pd.DataFrame:
        """Return what `check` does, but the frame itself where it is right already: whoever calls this must not change it."""
        return df_ if self._holds(df_) else self.check(df_, source)

    def _holds(self, df_: pd.DataFrame) -> bool:
        """Whether a frame is as `check` would return it; looking at arrays takes a tenth of the time of making a new frame."""
        index = df_.index
        if not isinstance(index, pd.RangeIndex) or (index.start, index.step) != (0, 1):
            return False
        return list(df_.columns) == self.names and all(_plain(df_[column.name].to_numpy(), column) for column in self.columns)


_SMALL = 1_000  # rows that a live source gives at a time; a frame of so few rows is not made anew


@functools.cache
def _empty(columns: tuple[Column, ...]) -> pd.DataFrame:
    return pd.DataFrame({c.name: pd.Series([], dtype=c.dtype) for c in columns})


def _plain(values: npt.NDArray[Any], column: Column) -> bool:
    """Whether an array needs neither change nor complaint."""
    if values.dtype != column.dtype:
        return False
    if values.dtype == object:
        return set(map(type, values)) <= ({str} if column.required else {str, type(None)})
    if column.positive and not (values > 0).all() and (column.required or not (np.isnan(values) | (values > 0)).all()):
        return False
    if column.non_negative and (values < 0).any():
        return False
    return bool(np.isfinite(values).all() if column.required or values.dtype != np.float64 else not np.isinf(values).any())


def _absent(column: Column, n: int) -> "pd.Series[Any]":
    if column.dtype == "int64":
        return pd.Series(np.zeros(n, np.int64))
    return pd.Series(np.full(n, np.nan) if column.dtype == "float64" else [None] * n, dtype=column.dtype)


def _checked(series_: "pd.Series[Any]", column: Column, where: str) -> "pd.Series[Any]":
    series = series_.reset_index(drop=True)
    if column.dtype == "object":
        series = series.astype(object).where(series.notna(), None)
        _refuse(where, column, series, series.isna() if column.required else None, "is empty")
        return series
    numbers = pd.to_numeric(series, errors="coerce").astype("float64") if series.dtype == object else series
    if series.dtype == object:
        _refuse(where, column, series, numbers.isna() & series.notna(), "is not a number")
    if pd.api.types.is_bool_dtype(numbers) or not pd.api.types.is_numeric_dtype(numbers):
        raise SchemaError(f"{where}: column '{column.name}' is {series.dtype}, not numeric")
    values = numbers.to_numpy(dtype="float64", na_value=np.nan)
    if column.required or column.dtype == "int64":
        _refuse(where, column, series, pd.Series(np.isnan(values)), "is empty (NaN)")
    _refuse(where, column, series, pd.Series(np.isinf(values)), "is infinite")
    if column.positive:
        _refuse(where, column, series, pd.Series(values <= 0), "must be positive")
    if column.non_negative:
        _refuse(where, column, series, pd.Series(values < 0), "must not be negative")
    if column.dtype == "int64":
        if pd.api.types.is_integer_dtype(numbers):
            return pd.Series(numbers.to_numpy(dtype="int64"))
        _refuse(where, column, series, pd.Series(values != np.floor(values)), "must be a whole number")
        return pd.Series(values.astype("int64"))
    return pd.Series(values)


def _refuse(where: str, column: Column, series: "pd.Series[Any]", bad: "pd.Series[Any] | None", why: str) -> None:
    if bad is None or not bool(bad.any()):
        return
    row = int(np.flatnonzero(bad.to_numpy())[0])
    count = int(bad.sum())
    more = f" (and {count - 1} more rows)" if count > 1 else ""
    raise SchemaError(f"{where}: column '{column.name}', row {row}: {series.iloc[row]!r} {why}{more}")


TICKS = Schema(
    "ticks",
    (
        Column("ts_known_ms", "int64", "UTC ms", required=True),
        Column("ts_ms", "int64", "UTC ms", required=True),
        Column("venue", "object", required=True),
        Column("pair", "object", "BASE/QUOTE", required=True),
        Column("price", "float64", "quote per base", required=True, positive=True),
        Column("chain_id", "float64"),
        Column("pool", "object"),
        Column("fee_bps", "float64", "bps", non_negative=True),
        Column("volume", "float64", "quote", non_negative=True),
        Column("liquidity", "float64", "quote", non_negative=True),
        Column("gas_price_gwei", "float64", "gwei", non_negative=True),
        Column("reserve_base", "float64", "base", non_negative=True),
        Column("reserve_quote", "float64", "quote", non_negative=True),
        Column("block_number", "float64"),
        Column("log_index", "int64"),
    ),
)

EXECUTIONS = Schema(
    "executions",
    (
        Column("ts_known_ms", "int64", "UTC ms", required=True),
        Column("ts_ms", "int64", "UTC ms", required=True),
        Column("request_id", "object", required=True),
        Column("result", "object", "success|failed|reverted", required=True),
        Column("chain_id", "float64"),
        Column("route", "object"),
        Column("profit", "float64", "profit_token"),
        Column("profit_token", "object"),
        Column("gas_used", "float64", "gas units", non_negative=True),
        Column("gas_price_gwei", "float64", "gwei", non_negative=True),
        Column("latency_ms", "float64", "ms", non_negative=True),
        Column("opportunity", "object", "JSON of Opportunity.to_dict, or None"),
    ),
)

ORDER_OF_KNOWING = ["ts_known_ms", "ts_ms", "block_number", "log_index", "venue", "pair"]
TICK_KEY = ["venue", "pair", "ts_ms", "log_index"]
_TIES = [column.name for column in TICKS.columns if column.dtype == "float64" and column.name not in ORDER_OF_KNOWING]


def sort_by_knowing(df: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the order of knowing, stable, with a fresh index."""
    keys = [key for key in ORDER_OF_KNOWING if key in df.columns]
    return df.sort_values(keys, kind="stable", na_position="first").reset_index(drop=True)


def in_order(ticks: TickFrame) -> TickFrame:
    """Return checked ticks in the order of knowing, with a plain index; conflicting rows of one key by their values.

    Unlike that of `sort_by_knowing` the result does not depend on the order of rows that the keys do not tell apart.
    """
    order = order_of_knowing(ticks)
    return ticks.reset_index(drop=True) if order is None else ticks.take(order).reset_index(drop=True)


def order_of_knowing(ticks: TickFrame) -> npt.NDArray[np.int64] | None:
    """Return the positions of the rows as `in_order` has them; None if they are in it, and no two have the same keys."""
    keys = [_sortable(ticks[name]) for name in ORDER_OF_KNOWING]
    if _strictly_sorted(keys):
        return None
    order = np.lexsort([key for key in reversed(keys) if (key != key[0]).any()] or [keys[0]])
    if _strictly_sorted([key[order] for key in keys]):
        return order
    return np.lexsort([*(_sortable(ticks[name]) for name in reversed(_TIES)), *reversed(keys)])


def _strictly_sorted(keys: list[npt.NDArray[Any]]) -> bool:
    """True if each row comes after the one before by the first key in which they differ, and they do differ."""
    tied, after = np.ones(keys[0].size, bool)[1:], np.zeros(keys[0].size, bool)[1:]
    for key in keys:
        after |= tied & (key[1:] > key[:-1])
        tied &= key[1:] == key[:-1]
    return bool(after.all())


def _sortable(values: "pd.Series[Any]") -> npt.NDArray[Any]:
    """Numbers that sort like the values, missing ones first."""
    if values.dtype == object:
        return np.asarray(pd.factorize(values, sort=True)[0])
    array: npt.NDArray[Any] = values.to_numpy()
    return np.where(np.isnan(array), -np.inf, array) if array.dtype.kind == "f" else array


def ticks_to_frame(ticks: Iterable[Tick]) -> TickFrame:
    """Return ticks as a checked frame, in the given order."""
    rows = [tuple(getattr(tick, name) for name in TICKS.names) for tick in ticks]
    return TICKS.check(pd.DataFrame(rows, columns=TICKS.names) if rows else TICKS.empty())


def frame_to_ticks(df: TickFrame) -> list[Tick]:
    """Return the rows of a checked tick frame as ticks (NaN becomes None)."""
    names = [field.name for field in fields(Tick)]
    columns: list[Sequence[Any]] = []
    for name in names:
        values = df[name]
        if values.dtype == np.float64 and name != "price":
            whole = name in ("chain_id", "block_number")
            columns.append([None if v != v else int(v) if whole else v for v in values.tolist()])
        else:
            columns.append(values.tolist())
    return [Tick(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]
