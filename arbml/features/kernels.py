"""The only feature arithmetic: compiled functions on a window of the last ticks of one stream.

Batch and stream call the same `feature_row` on the same window, so their bits are equal by construction. What keeps it so:

* no fastmath: LLVM then keeps the order of every sum, whatever it inlines or vectorises;
* no running add/remove sums: each row is computed anew, so where a path started does not matter;
* log and sin stand outside innermost loops: in one, LLVM may take the vector versions of SVML where that is installed,
  and those differ in the last bit;
* a value that is not finite leaves as the one NaN constant.

numba looks at this file alone to tell whether its cache is stale. So nothing that is compiled here may depend on a
constant of another file: the few that also stand in `spec` are compared by a test.
"""
# mypy: allow-untyped-defs

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

SECOND = 1_000
MINUTE = 60_000
DAY = 86_400_000
WINDOW = 600_000  # ms
MAX_ROWS = 1024
HORIZONS = (5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE)
MIN_GAP = 1e-4    # narrower gaps between venues are noise, not prey

# rows of the column block of a stream; its ts stand beside it as int64
LOG_PRICE, PRICE, VOLUME, DEPTH, GAS, GAP, N_COLUMNS = 0, 1, 2, 3, 4, 5, 6

# where each group of features starts in a row
MOMENTUM, FLOW, LIQUIDITY, SPREAD, GAS_PRICE, VOLATILITY, TIME, PACE, CROSS, MEV = 0, 5, 8, 10, 13, 16, 18, 22, 24, 29
N_FEATURES = 32

NEVER, NAN = -(2**62), np.nan

# what a cursor holds: the window is start..stop of the ticks; log index of the newest; feature rows written
START, STOP, INDEX, ROWS, N_CURSOR = 0, 1, 2, 3, 4
LATE, DONE, FULL = 0, 1, 2

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


@_inner
def _first_after(ts, lo, hi, limit):
    """First index in lo..hi whose ts > limit; ts is sorted."""
    while lo < hi:
        middle = (lo + hi) >> 1
        if ts[middle] > limit:
            hi = middle
        else:
            lo = middle + 1
    return lo


@_inner
def _log(x):
    return np.log(x) if x > 0.0 else NAN


@_inner
def _known(x):
    return x if np.isfinite(x) else NAN


@_inner
def _depth(liquidity, reserve_base, reserve_quote):
    """Quote-side depth, as `Pool.depth_quote` defines it."""
    return _known(reserve_quote if reserve_base > 0.0 and reserve_quote > 0.0 else liquidity)


@_inner
def _mean(values, lo, hi):
    """Mean of what is there; NaN if nothing is."""
    total, n = 0.0, 0
    for i in range(lo, hi):
        if not np.isnan(values[i]):
            total += values[i]
            n += 1
    return total / n if n > 0 else NAN


@_inner
def _deviation(values, lo, hi):
    """Standard deviation in two passes, from the last value; NaN below two rows."""
    n = hi - lo
    if n < 2:
        return NAN
    origin, total = values[hi - 1], 0.0
    for i in range(lo, hi):
        total += values[i] - origin
    mean, squares = total / n, 0.0
    for i in range(lo, hi):
        difference = values[i] - origin - mean
        squares += difference * difference
    return np.sqrt(squares / n)


@_inner
def _select(values, n, k):
    """The k-th smallest of values[:n], which is overwritten.

    Each round counts, then keeps the side of the pivot on which rank k lies; neither loop has a branch to mispredict, and
    equal values, which gas prices often are, end it at once.
    """
    while True:
        pivot, below, same = values[n >> 1], 0, 0
        for i in range(n):
            below += values[i] < pivot
            same += values[i] == pivot
        if below <= k < below + same:
            return pivot
        left, kept = k < below, 0
        for i in range(n):
            value = values[i]
            values[kept] = value
            kept += value < pivot if left else value > pivot
        n = kept
        if not left:
            k -= below + same


@_inner
def _median(values, lo, hi, scratch, n):
    """Median of values[lo:hi]; scratch[:n] holds those of them that are not NaN, and is overwritten."""
    k = n >> 1
    upper = _select(scratch, n, k)
    if n & 1:
        return upper
    lower, below = -np.inf, 0
    for i in range(lo, hi):
        if values[i] < upper:
            lower = max(lower, values[i])
            below += 1
    return (lower + upper) / 2.0 if below == k else upper


@_inner
def _momentum(ts, log_price, lo, hi, out):
    now, last, i = ts[hi - 1], log_price[hi - 1], hi
    for k in range(5):
        i = _first_after(ts, lo, i, now - HORIZONS[k])
        if i > lo:
            out[MOMENTUM + k] = last - log_price[i - 1]


@_inner
def _flow(price, volume, lo, hi, out):
    total, value, n = 0.0, 0.0, 0
    for i in range(lo, hi):
        if not np.isnan(volume[i]):
            total += volume[i]
            value += volume[i] * price[i]
            n += 1
    if n > 0:
        mean = total / n
        out[FLOW] = np.log1p(mean)
        if mean > 0.0:
            out[FLOW + 1] = volume[hi - 1] / mean
            out[FLOW + 2] = -np.log(value / total / price[hi - 1])


@_inner
def _gas(gas, lo, i_1m, i_5m, hi, scratch, out):
    now = gas[hi - 1]
    if np.isnan(now):
        return
    below, same, n = 0, 0, 0
    for i in range(lo, hi):
        g = gas[i]
        if not np.isnan(g):
            scratch[n] = g
            n += 1
            below += g < now
            same += g == now
    out[GAS_PRICE + 1] = (below + 0.5 * same) / n
    out[GAS_PRICE + 2] = _log(_mean(gas, i_1m, hi) / _mean(gas, i_5m, hi))
    if now > 0.0:  # most values are not below now: no premium, and no need to know the median
        out[MEV] = 1.0 - min(_median(gas, lo, hi, scratch, n) / now, 1.0) if 2 * below >= n else 0.0


@_inner
def _realized_volatility(ts, log_price, lo, hi):
    elapsed = ts[hi - 1] - ts[lo]
    if hi - lo < 3 or elapsed <= 0:
        return NAN
    squares = 0.0
    for i in range(lo + 1, hi):
        step = log_price[i] - log_price[i - 1]
        squares += step * step
    return np.sqrt(squares / (elapsed / SECOND))


@_inner
def _mean_true_range(ts, log_price, lo, i_5m, hi):
    """Mean over the five minutes up to now of the log range of the ticks, the close before them included."""
    now, i, total, n = ts[hi - 1], max(i_5m, lo + 1), 0.0, 0
    for minute in range(5):
        end = now - (4 - minute) * MINUTE
        if i < hi and ts[i] <= end:
            high = low = log_price[i - 1]
            while i < hi and ts[i] <= end:
                high = max(high, log_price[i])
                low = min(low, log_price[i])
                i += 1
            total += high - low
            n += 1
    return total / n if n > 0 else NAN


@_inner
def _time(now, out):
    day = 2.0 * np.pi * (now % DAY) / DAY
    week = 2.0 * np.pi * ((now + 3 * DAY) % (7 * DAY)) / (7 * DAY)  # 1970-01-01 was a Thursday
    out[TIME], out[TIME + 1] = np.sin(day), np.cos(day)
    out[TIME + 2], out[TIME + 3] = np.sin(week), np.cos(week)


@_inner
def _cross(ts, gap, lo, i_1m, hi, out):
    now = gap[hi - 1]
    if np.isnan(now):
        return
    out[CROSS] = 1e4 * now
    first = hi - 1
    while first > lo and now != 0.0 and (gap[first - 1] >= now / 2.0 if now > 0.0 else gap[first - 1] <= now / 2.0):
        first -= 1
    out[CROSS + 3] = (ts[hi - 1] - ts[first]) / SECOND
    if i_1m > lo or hi - lo == MAX_ROWS:
        out[CROSS + 1] = 1e4 * _mean(gap, i_1m, hi)
    if i_1m > lo:
        out[CROSS + 2] = 1e4 * (now - gap[i_1m - 1])


@_inner
def _halvings(gap, lo, hi):
    n, halved = 0, 0
    for i in range(lo + 1, hi):
        before, after = abs(gap[i - 1]), abs(gap[i])
        if not (np.isnan(before) or np.isnan(after)):
            n += 1
            halved += before >= MIN_GAP and after < before / 2.0
    return halved / n if n > 0 else NAN


@_inner
def window_start(ts, lo, hi):
    """Where the window of the row hi - 1 starts: at most 10 minutes and MAX_ROWS rows, and not before lo."""
    return _first_after(ts, max(lo, hi - MAX_ROWS), hi, ts[hi - 1] - WINDOW)


@_inner
def feature_row(ts, columns, lo, hi, fee, venues, scratch, out):
    """Write the features of row hi - 1, whose window is lo..hi, into `out`.

    Args:
        ts, columns: (n,), (N_COLUMNS, n): ticks of one stream; ts in ms, not decreasing.
        fee, venues: bps, NaN if unknown; how many other venues had a price.
        scratch, out: (MAX_ROWS,), (N_FEATURES,).
    """
    for k in range(N_FEATURES):
        out[k] = NAN
    log_price, price, volume, now = columns[LOG_PRICE], columns[PRICE], columns[VOLUME], ts[hi - 1]
    depth, gas, gap = columns[DEPTH], columns[GAS], columns[GAP]
    i_5m = _first_after(ts, lo, hi, now - 5 * MINUTE)
    i_1m = _first_after(ts, i_5m, hi, now - MINUTE)
    full = hi - lo == MAX_ROWS

    _momentum(ts, log_price, lo, hi, out)
    _time(now, out)
    _cross(ts, gap, lo, i_1m, hi, out)
    out[LIQUIDITY] = _log(depth[hi - 1])
    out[SPREAD] = fee
    out[GAS_PRICE] = _log(gas[hi - 1])
    out[CROSS + 4] = venues
    if hi - lo > 1:
        out[PACE] = (now - ts[hi - 2]) / SECOND
    if i_5m > lo or full:  # the five minutes are covered
        _flow(price, volume, i_5m, hi, out)
        out[LIQUIDITY + 1] = _log(depth[hi - 1] / _mean(depth, i_5m, hi))
        dispersion = _deviation(log_price, i_5m, hi)
        out[SPREAD + 1] = 1e4 * dispersion
        out[SPREAD + 2] = _log(_deviation(log_price, i_1m, hi) / dispersion)
        _gas(gas, lo, i_1m, i_5m, hi, scratch, out)
        out[VOLATILITY] = _realized_volatility(ts, log_price, i_5m, hi)
        out[VOLATILITY + 1] = _mean_true_range(ts, log_price, lo, i_5m, hi)
        if hi - i_5m > 1:
            out[PACE + 1] = (now - ts[i_5m]) / SECOND / (hi - 1 - i_5m)
        out[MEV + 1] = _halvings(gap, i_5m, hi)
        out[MEV + 2] = 0.4 * out[MEV] + 0.6 * out[MEV + 1]
    for k in range(N_FEATURES):
        if not np.isfinite(out[k]):
            out[k] = NAN


@_inner
def _is_late(newest_ts, newest_index, ts, index):
    """True unless the tick comes after the newest of its stream: late, or the same tick again (the first known wins)."""
    return ts < newest_ts or (ts == newest_ts and index <= newest_index)


@_inner
def _cross_gap(board_ts, board_log, first, last, own, ts, log_price):
    """Log gap to the farthest of the other venues first..last, and how many have a price; the order of venues is irrelevant."""
    gap, n = NAN, 0
    for k in range(first, last):
        if k == own or abs(ts - board_ts[k]) >= WINDOW:
            continue
        n += 1
        other = board_log[k] - log_price
        if n == 1 or abs(other) > abs(gap) or (abs(other) == abs(gap) and other > gap):
            gap = other
    return gap, n


@_entry("void(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], float64[:, ::1], float64[:, ::1], int64[::1])")
def observe_all(slot, first, last, ts, index, inputs, columns, venues):
    """Walk all ticks in the order of knowing and write what the windows hold; venues = -1 where a tick is late.

    Args:
        slot, ts, index: (n,) number of each tick's stream, event time ms, log index.
        first, last: (streams,) range of numbers that the streams of the same pair have.
        inputs: (6, n) price, volume, liquidity, gas price, base and quote reserve.
        columns: (N_COLUMNS, n), venues: (n,): written.
    """
    n_slots = first.size
    board_ts, board_index, board_log = np.full(n_slots, NEVER), np.zeros(n_slots, np.int64), np.zeros(n_slots)
    for i in range(ts.size):
        own = slot[i]
        if _is_late(board_ts[own], board_index[own], ts[i], index[i]):
            venues[i] = -1
            continue
        log_price = np.log(inputs[0, i])
        columns[GAP, i], venues[i] = _cross_gap(board_ts, board_log, first[own], last[own], own, ts[i], log_price)
        columns[LOG_PRICE, i], columns[PRICE, i], columns[VOLUME, i] = log_price, inputs[0, i], _known(inputs[1, i])
        columns[DEPTH, i], columns[GAS, i] = _depth(inputs[2, i], inputs[4, i], inputs[5, i]), _known(inputs[3, i])
        board_ts[own], board_index[own], board_log[own] = ts[i], index[i], log_price


@_entry("void(int64[::1], int64[::1], float64[:, ::1], float64[::1], int64[::1], int64[::1], float64[:, ::1])")
def rows_all(bounds, ts, columns, fee, venues, target, out):
    """Compute the features of all ticks, stream after stream.

    Args:
        bounds: (streams + 1,) where each stream starts in the arrays that follow.
        ts, columns, fee, venues: (n,), (N_COLUMNS, n), (n,), (n,): the ticks that are not late, grouped by stream.
        target: (n,) row of `out` (n, N_FEATURES) that each tick fills.
    """
    scratch = np.empty(MAX_ROWS)
    for s in range(bounds.size - 1):
        for i in range(bounds[s], bounds[s + 1]):
            lo = window_start(ts, bounds[s], i + 1)
            feature_row(ts, columns, lo, i + 1, fee[i], venues[i], scratch, out[target[i]])


@_entry(
    "int64(int64[::1], float64[:, ::1], int64[::1], float64[:, ::1], int64[::1], float64[::1], int64, int64,"
    "int64, int64, float64, float64, float64, float64, float64, float64, float64, float64[::1])"
)
def advance(ts, columns, cursor, history, board_ts, board_log, board_size, own, when, index, price, fee,
            volume, liquidity, gas, reserve_base, reserve_quote, scratch):
    """Take one tick into its stream and write its features as the next row of `history`.

    Returns:
        DONE; LATE: nothing changed; FULL: nothing changed, the caller must make room and ask again.
    """
    i, row = cursor[STOP], cursor[ROWS]
    if i > cursor[START] and _is_late(ts[i - 1], cursor[INDEX], when, index):
        return LATE
    if i == ts.size or row == history.shape[0]:
        return FULL
    ts[i] = when
    log_price = np.log(price)
    columns[GAP, i], venues = _cross_gap(board_ts, board_log, 0, board_size, own, when, log_price)
    columns[LOG_PRICE, i], columns[PRICE, i] = log_price, price
    columns[VOLUME, i], columns[GAS, i] = _known(volume), _known(gas)
    columns[DEPTH, i] = _depth(liquidity, reserve_base, reserve_quote)
    board_ts[own], board_log[own] = when, log_price
    cursor[START] = window_start(ts, cursor[START], i + 1)
    cursor[STOP], cursor[INDEX], cursor[ROWS] = i + 1, index, row + 1
    feature_row(ts, columns, cursor[START], i + 1, fee, venues, scratch, history[row])
    return DONE
