"""Features of a whole frame of ticks at once."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.errors import SchemaError
from arbml.features.spec import FEATURE_NAMES, FEATURE_SCHEMA
from arbml.frames import ORDER_OF_KNOWING, TICKS, FeatureFrame, TickFrame

Ints = npt.NDArray[np.int64]
_INPUTS = ("price", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote")  # rows of `observe_all`'s inputs
_TIES = [column.name for column in TICKS.columns if column.dtype == "float64" and column.name not in ORDER_OF_KNOWING]


def compute_features(ticks: TickFrame) -> FeatureFrame:
    """Compute the features of every tick that is not late.

    Rows are taken in the order of knowing, whatever order they come in. A tick that is not after the newest of its stream
    (event time, then log index) is late, or the same tick again; it gives no row and enters no window.

    Args:
        ticks: checked tick frame, in any order, of any number of streams.

    Returns:
        A frame of `FEATURE_SCHEMA`: one row per tick that is not late, in the order of knowing.

    Raises:
        SchemaError: if a column is missing or a price is not a positive finite number.
    """
    from arbml.features import kernels  # compiles, or loads what was compiled: not at import

    if ticks.empty:
        return FEATURE_SCHEMA.empty()
    order = _order(ticks)

    def column(name: str, dtype: str = "float64") -> npt.NDArray[Any]:
        values = ticks[name].to_numpy(dtype=dtype)
        return np.ascontiguousarray(values) if order is None else values[order]

    slot, first, last = _slots(ticks)
    slot = slot if order is None else slot[order]
    ts, n = column("ts_ms", "int64"), len(ticks)
    inputs = np.empty((len(_INPUTS), n))
    for row, name in enumerate(_INPUTS):
        inputs[row] = column(name)
    columns, venues = np.empty((kernels.N_COLUMNS, n)), np.empty(n, np.int64)
    kernels.observe_all(slot, first, last, ts, column("log_index", "int64"), inputs, columns, venues)

    taken = np.flatnonzero(venues >= 0)
    target = np.argsort(slot[taken], kind="stable")  # stream after stream, inside a stream in the order of knowing
    grouped = taken[target]
    bounds = np.searchsorted(slot[grouped], np.arange(first.size + 1))
    values = np.empty((taken.size, kernels.N_FEATURES))
    fee = column("fee_bps")[grouped]
    kernels.rows_all(bounds, ts[grouped], columns.take(grouped, axis=1), fee, venues[grouped], target, values)

    df = pd.DataFrame(values, columns=list(FEATURE_NAMES), copy=False)
    for position, spec in enumerate(FEATURE_SCHEMA.columns[: -len(FEATURE_NAMES)]):
        df.insert(position, spec.name, column(spec.name, spec.dtype)[taken])
    return df


def in_order_of_knowing(ticks: TickFrame) -> TickFrame:
    """Return the rows in the order of knowing, with a plain index; conflicting rows of one key by their values.

    Unlike `sort_by_knowing` the result does not depend on the order of rows that the keys do not tell apart.

    Raises:
        SchemaError: if a column is missing or a price is not a positive finite number.
    """
    order = _order(ticks)
    return ticks.reset_index(drop=True) if order is None else ticks.take(order).reset_index(drop=True)


def _order(ticks: TickFrame) -> Ints | None:
    """The positions of the rows in the order of knowing; None if they are in it, and no two have the same keys."""
    missing = [name for name in TICKS.names if name not in ticks.columns]
    if missing:
        raise SchemaError(f"ticks: columns {', '.join(missing)} are missing; pass the frame through TICKS.check first")
    price = ticks["price"].to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~((price > 0) & (price < np.inf)))
    if bad.size:
        raise SchemaError(f"ticks: column 'price', row {bad[0]}: {price[bad[0]]} must be a positive number")
    keys = [_sortable(ticks[name]) for name in ORDER_OF_KNOWING]
    if _strictly_sorted(keys):
        return None
    order = np.lexsort([key for key in reversed(keys) if (key != key[0]).any()] or [keys[0]])
    if _strictly_sorted([key[order] for key in keys]):
        return order
    return np.lexsort([*(_sortable(ticks[name]) for name in _TIES), *reversed(keys)])


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


def _slots(ticks: TickFrame) -> tuple[Ints, Ints, Ints]:
    """Number the streams, those of a pair next to each other: slot of each tick, and of each slot its pair's range."""
    venue, venues = pd.factorize(ticks["venue"], sort=True)
    pair, _ = pd.factorize(ticks["pair"], sort=True)
    codes, slot = np.unique(pair.astype(np.int64) * len(venues) + venue, return_inverse=True)
    pair_of = codes // len(venues)
    first, last = np.searchsorted(pair_of, pair_of, "left"), np.searchsorted(pair_of, pair_of, "right")
    return slot.astype(np.int64), first.astype(np.int64), last.astype(np.int64)
