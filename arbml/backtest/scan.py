"""The compiled event loop: ticks in, states and histories kept, and out again only where somebody must be asked.

Everything it writes is in arrays of the view, which hold the past alone; of the tape it reads no row before its time. As in
`arbml.features.kernels` nothing that is compiled here depends on a constant of another file.
"""
# mypy: allow-untyped-defs

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

NEVER = -(2**62)
HISTORY = 1024          # ticks kept of each stream; a power of two
DEFAULT_FEE_BPS = 30.0  # compared with market.UNKNOWN_FEE_BPS by a test
MAX_AGE_MS = 600_000    # of the states between which an edge is looked for; compared with strategy.MAX_AGE_MS by a test

# columns of a row of the history; times stand beside it as int64: TS, KNOWN
PRICE, FEE, VOLUME, LIQUIDITY, GAS, RESERVE_BASE, RESERVE_QUOTE, CHAIN, N_VALUES = 0, 1, 2, 3, 4, 5, 6, 7, 8
TS, KNOWN = 0, 1

# what a cursor holds: next row; the step that is open, the last one closed; counts in the period; its first and last moment; dirty pairs
ROW, OPEN, CLOSED, TICKS, MOMENTS, EDGES, FIRST, LAST, DIRTY, N_CURSOR = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
# what limits a scan: the clock; who wakes; closing a step at or after DUE stops, and so does opening one at or after BEFORE
STEP, WAKES, DUE, BEFORE, START, END, N_LIMITS = 0, 1, 2, 3, 4, 5, 6
WAKE_NONE, WAKE_EDGE, WAKE_ALL = 0, 1, 2
STOPPED, WOKEN, NEW_STREAM, DONE = 0, 1, 2, 4  # DONE and WOKEN may come together

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": False}
_inner = njit(**_OPTIONS)


def _entry(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile for one signature; kept on disk between processes wherever a folder can be written."""

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return njit(signature, cache=True, **_OPTIONS)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return njit(signature, **_OPTIONS)(function)  # neither package nor user cache is writable: compile each time

    return compiled


@_entry("float64(int64, int64[::1], float64[::1], int64, float64)")
def displacement(n, ms, size, at_ms, half_life_ms):
    """Log-price by which own trades have moved a pool at an event time: the last that landed by then, decayed since.

    ms, size: landing times, ascending, and the displacement right after each; the first n count.
    """
    for k in range(n - 1, -1, -1):
        if ms[k] <= at_ms:
            return size[k] * 0.5 ** ((at_ms - ms[k]) / half_life_ms)
    return 0.0


@_entry("UniTuple(float64, 3)(float64, float64, float64, float64)")
def displaced(price, reserve_base, reserve_quote, log_price):
    """The state of a pool moved along its curve: the product of the reserves stays."""
    root = np.exp(0.5 * log_price)
    return price * (root * root), reserve_base / root, reserve_quote * root


@_inner
def _ceil(ms, step):
    return -(-ms // step) * step if step > 0 else ms


@_inner
def _take_in(s, row, moved, ts, known, log, values, newest, count, ring_ms, ring, quotes):
    """Take one tick into the state of its stream; false if it is late."""
    if count[s] > 0 and (ts < newest[s, 0] or (ts == newest[s, 0] and log <= newest[s, 1])):
        return False
    newest[s, 0], newest[s, 1] = ts, log
    place = count[s] & (HISTORY - 1)
    count[s] += 1
    ring_ms[s, place, TS], ring_ms[s, place, KNOWN] = ts, known
    price, fee, volume, liquidity, gas, base, quote, chain = values
    price, fee = price[row], fee[row]
    base, quote = base[row], quote[row]
    if moved != 0.0:
        price, base, quote = displaced(price, base, quote, moved)
    line = ring[s, place]
    line[PRICE], line[FEE], line[VOLUME], line[LIQUIDITY] = price, fee, volume[row], liquidity[row]
    line[GAS], line[RESERVE_BASE], line[RESERVE_QUOTE], line[CHAIN] = gas[row], base, quote, chain[row]
    spot = quote / base if base > 0.0 and quote > 0.0 else price
    keep = 1.0 - (DEFAULT_FEE_BPS if np.isnan(fee) else fee) / 10_000.0
    quotes[s, 0] = spot * keep if keep > 0.0 else 0.0
    quotes[s, 1] = spot / keep if keep > 0.0 else np.inf
    return True


@_inner
def _has_edge(pair, now, head, after, newest, quotes):
    """Whether what one venue pays after its fee is more than what another asks after its own; stale venues do not count."""
    bid, ask, s = 0.0, np.inf, head[pair]
    while s >= 0:
        if newest[s, 0] >= now - MAX_AGE_MS:
            bid, ask = max(bid, quotes[s, 0]), min(ask, quotes[s, 1])
        s = after[s]
    return bid > ask


_SIGNATURE = (
    "int64(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], UniTuple(float64[::1], 8), "
    "int64[:, ::1], int64[::1], int64[:, :, ::1], float64[:, :, ::1], float64[:, ::1], "
    "int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], float64[:, ::1], float64)"
)


@_entry(_SIGNATURE)
def scan(
    cursor, limits, known_ms, ts_ms, log_index, stream, values,
    newest, count, ring_ms, ring, quotes,
    pair_of, head, after, dirty, is_dirty, n_impacts, impact_ms, impact, half_life_ms,
):  # fmt: skip
    """Take in ticks until somebody must be asked; return why it stopped.

    Args:
        cursor, limits: see the constants above; the cursor is moved.
        known_ms, ts_ms, log_index, stream, values: the tape, n ticks in the order of knowing.
        newest, count, ring_ms, ring, quotes: of each stream its newest (event time, log index), the ticks taken, the last
            HISTORY of them, and (bid, ask) after fees.
        pair_of, head, after: the pair of each stream; the streams of a pair are head, after[head], ... until -1.
        dirty, is_dirty: numbers of the pairs with a tick in the open step (cursor[DIRTY] of them), and a flag for each pair.
        n_impacts, impact_ms, impact, half_life_ms: own impact on each stream (`displacement`).
    """
    n = known_ms.size
    while True:
        i = cursor[ROW]
        moment = _ceil(known_ms[i], limits[STEP]) if i < n else NEVER
        if cursor[OPEN] != NEVER and moment != cursor[OPEN]:
            now, edges = cursor[OPEN], 0
            inside = limits[START] <= now < limits[END]
            for k in range(cursor[DIRTY]):
                is_dirty[dirty[k]] = 0
                edges += _has_edge(dirty[k], now, head, after, newest, quotes)
            cursor[DIRTY] = 0
            cursor[CLOSED], cursor[OPEN] = now, moment
            if inside:
                if cursor[MOMENTS] == 0:
                    cursor[FIRST] = now
                cursor[MOMENTS] += 1
                cursor[EDGES] += edges
                cursor[LAST] = now
            woken = inside and (limits[WAKES] == WAKE_ALL or (limits[WAKES] == WAKE_EDGE and edges > 0))
            if i == n:
                return DONE | WOKEN if woken else DONE
            if woken:
                return WOKEN
            if now >= limits[DUE] or moment >= limits[BEFORE]:
                return STOPPED
        if i == n:
            return DONE
        s = stream[i]
        if s >= count.size:
            return NEW_STREAM
        cursor[OPEN] = moment
        moved = displacement(n_impacts[s], impact_ms[s], impact[s], ts_ms[i], half_life_ms) if n_impacts[s] > 0 else 0.0
        if _take_in(s, i, moved, ts_ms[i], known_ms[i], log_index[i], values, newest, count, ring_ms, ring, quotes):
            pair = pair_of[s]
            if is_dirty[pair] == 0:
                is_dirty[pair] = 1
                dirty[cursor[DIRTY]] = pair
                cursor[DIRTY] += 1
        cursor[TICKS] += limits[START] <= moment < limits[END]
        cursor[ROW] = i + 1
