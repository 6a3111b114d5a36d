"""Features of a whole frame of ticks at once."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.errors import SchemaError
from arbml.features.spec import FEATURE_NAMES, FEATURE_SCHEMA
from arbml.frames import ORDER_OF_KNOWING, TICKS, FeatureFrame, TickFrame

INPUTS = ("price", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote")
_TIES = [name for name in TICKS.names if name not in (*ORDER_OF_KNOWING, "pool")]


def compute_features(ticks: TickFrame) -> FeatureFrame:
    """Compute the features of every tick that is not late.

    Rows are taken in the order of knowing, whatever order they come in. A tick that is not after the newest of its stream
    (event time, then log index) is late, or the same tick again; it gives no row and enters no window.

    Args:
        ticks: checked tick frame, in any order, of any number of streams.

    Returns:
        A frame of `FEATURE_SCHEMA`: one row per tick that is not late, in the order of knowing.

    Raises:
        SchemaError: if a column is missing or a price is not positive.
    """
    from arbml.features import kernels  # compiles or loads the compiled code: not at import

    if ticks.empty:
        return FEATURE_SCHEMA.empty()
    ticks = in_order_of_knowing(ticks)
    slot, first, last = _streams(ticks)
    ts = _column(ticks, "ts_ms", "int64")
    n = len(ticks)
    inputs = np.empty((len(INPUTS), n))
    for row, name in enumerate(INPUTS):
        inputs[row] = _column(ticks, name, "float64")
    columns, venues = np.empty((kernels.N_COLUMNS, n)), np.empty(n, np.int64)
    kernels.observe_all(slot, first, last, ts, _column(ticks, "log_index", "int64"), inputs, columns, venues)

    taken = np.flatnonzero(venues >= 0)
    target = np.argsort(slot[taken], kind="stable")  # stream after stream, inside a stream in the order of knowing
    order = taken[target]
    bounds = np.searchsorted(slot[order], np.arange(first.size + 1))
    values = np.empty((taken.size, kernels.N_FEATURES))
    fee = _column(ticks, "fee_bps", "float64")[order]
    kernels.rows_all(bounds, ts[order], columns.take(order, axis=1), fee, venues[order], target, values)

    rows = ticks.take(taken).reset_index(drop=True)
    names = [name for name in FEATURE_SCHEMA.names if name not in FEATURE_NAMES]
    return pd.concat([rows[names], pd.DataFrame(values, columns=list(FEATURE_NAMES))], axis=1)


def in_order_of_knowing(ticks: TickFrame) -> TickFrame:
    """Return the rows in the order of knowing, with a plain index; conflicting rows of one key by their values.

    Unlike `sort_by_knowing` the result does not depend on the order of rows that the keys do not tell apart.

    Raises:
        SchemaError: if a column is missing or a price is not positive.
    """
    missing = [name for name in TICKS.names if name not in ticks.columns]
    if missing:
        raise SchemaError(f"ticks: columns {', '.join(missing)} are missing; pass the frame through TICKS.check first")
    price = ticks["price"].to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~((price > 0) & (price < np.inf)))
    if bad.size:
        raise SchemaError(f"ticks: column 'price', row {bad[0]}: {price[bad[0]]} must be a positive number")
    keys = [_sortable(ticks[name]) for name in ORDER_OF_KNOWING]
    tied, after = np.ones(max(len(ticks) - 1, 0), bool), np.zeros(max(len(ticks) - 1, 0), bool)
    for key in keys:
        after |= tied & (key[1:] > key[:-1])
        tied &= key[1:] == key[:-1]
    if after.all():
        return ticks if isinstance(ticks.index, pd.RangeIndex) and ticks.index.start == 0 else ticks.reset_index(drop=True)
    keys += [_sortable(ticks[name]) for name in _TIES]
    return ticks.take(np.lexsort(keys[::-1])).reset_index(drop=True)


def _sortable(values: "pd.Series[object]") -> npt.NDArray[np.float64] | npt.NDArray[np.int64]:
    if values.dtype == object:
        return np.asarray(pd.factorize(values, sort=True)[0], dtype=np.int64)
    if values.dtype.kind == "f":
        return np.nan_to_num(values.to_numpy(), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    return np.asarray(values.to_numpy(), dtype=np.int64)


def _column(ticks: TickFrame, name: str, dtype: str) -> npt.NDArray[np.generic]:
    return np.ascontiguousarray(ticks[name].to_numpy(), dtype=dtype)


def _streams(ticks: TickFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Number the streams, those of a pair next to each other: slot of each tick, and of each slot its pair's range."""
    venue, venues = pd.factorize(ticks["venue"], sort=True)
    pair, _ = pd.factorize(ticks["pair"], sort=True)
    codes, slot = np.unique(pair.astype(np.int64) * len(venues) + venue, return_inverse=True)
    pair_of = codes // len(venues)
    first = np.searchsorted(pair_of, pair_of, "left").astype(np.int64)
    last = np.searchsorted(pair_of, pair_of, "right").astype(np.int64)
    return slot.astype(np.int64), first, last
