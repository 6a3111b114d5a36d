"""Features of a whole frame of ticks at once."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.errors import SchemaError
from arbml.features.spec import FEATURE_NAMES, FEATURE_SCHEMA
from arbml.frames import TICKS, FeatureFrame, TickFrame, order_of_knowing

Ints = npt.NDArray[np.int64]
_INPUTS = ("price", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote")  # rows of `observe_all`'s inputs


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
    _check_prices(ticks)
    order = order_of_knowing(ticks)

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


def _check_prices(ticks: TickFrame) -> None:
    missing = [name for name in TICKS.names if name not in ticks.columns]
    if missing:
        raise SchemaError(f"ticks: columns {', '.join(missing)} are missing; pass the frame through TICKS.check first")
    price = ticks["price"].to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~((price > 0) & (price < np.inf)))
    if bad.size:
        raise SchemaError(f"ticks: column 'price', row {bad[0]}: {price[bad[0]]} must be a positive number")


def _slots(ticks: TickFrame) -> tuple[Ints, Ints, Ints]:
    """Number the streams, those of a pair next to each other: slot of each tick, and of each slot its pair's range."""
    venue, venues = pd.factorize(ticks["venue"], sort=True)
    pair, _ = pd.factorize(ticks["pair"], sort=True)
    codes, slot = np.unique(pair.astype(np.int64) * len(venues) + venue, return_inverse=True)
    pair_of = codes // len(venues)
    first, last = np.searchsorted(pair_of, pair_of, "left"), np.searchsorted(pair_of, pair_of, "right")
    return slot.astype(np.int64), first.astype(np.int64), last.astype(np.int64)
