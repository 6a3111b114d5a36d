"""Regular bars of log-returns and the variance that followed, for the volatility predictor."""

from dataclasses import dataclass

import numpy as np

from arbml.config import VolatilityConfig
from arbml.dataset.types import Array, Dataset, hashed
from arbml.errors import NotEnoughData
from arbml.features import feature_set_id
from arbml.frames import TickFrame, in_order
from arbml.labels import STALE_MS, Series, spacing_ms, stream_series

FEATURES = ("log_return",)
GAP_BARS = 10  # a price carried over more bars (and longer than STALE_MS) is a gap in the data, not a quiet market


@dataclass(frozen=True, eq=False)
class _Bars:
    """Complete rows of one stream, (n,) each."""

    stream: str
    log_return: Array
    realized_variance: Array
    ts_ms: Array
    label_end_ms: Array
    price: Array
    n_gaps: int


def volatility_dataset(ticks: TickFrame, volatility: VolatilityConfig) -> Dataset:
    """Build one row for each bar of each stream whose following window is fully known.

    Bars are `step_s` apart, the median spacing of the busiest stream in whole seconds, on a grid that starts at the stream's
    first event; a bar's price is the last one that had happened by then. The target is the sum of squared log-returns of the
    bars of the next `window_minutes`, the bar's own not among them. It is 0 where the price stood still.

    Args:
        ticks: in any order.
        volatility: the window.

    Returns:
        X (n, 1) `log_return` of the bar, y (n, 1) `realized_variance_{window}s`; streams more than twice as slow as the bars,
        and rows that touch a gap in the data, are left out and counted in `notes`.

    Raises:
        NotEnoughData: if the window is shorter than a bar, or no row is complete.
    """
    series = stream_series(in_order(ticks))
    step_s = bar_step_s(series)
    ahead = volatility.window_minutes * 60 // step_s
    if ahead < 1:
        minutes = int(np.ceil(step_s / 60))
        raise NotEnoughData(
            f"bars in the volatility window: bars are {step_s} s apart, the window is {volatility.window_minutes} min", 0, 1,
            f"set ML_VOLATILITY__WINDOW_MINUTES to {minutes} or more",
        )
    slow = [stream for stream, one in series.items() if spacing_ms(one) > 2_000 * step_s]
    parts = [_bars(one, step_s * 1_000, ahead) for stream, one in series.items() if stream not in slow]
    notes = [f"bars are {step_s} s apart"]
    notes += [f"{stream} is left out: its events are {spacing_ms(series[stream]) / 1_000:g} s apart" for stream in slow]
    notes += [f"{part.stream}: {part.n_gaps} bars are left out beside gaps in the data" for part in parts if part.n_gaps]
    total = sum(len(part.ts_ms) for part in parts)
    if total == 0:
        most = max((len(one.ts_ms) for one in series.values()), default=0)
        raise NotEnoughData(f"ticks of one stream for {volatility.window_minutes} min of bars", most, ahead + 2, "collect longer")
    streams = tuple(part.stream for part in parts)
    stream_of = np.repeat(np.arange(len(parts)), [len(part.ts_ms) for part in parts])
    joined = {name: np.concatenate([getattr(part, name) for part in parts])
              for name in ("log_return", "realized_variance", "ts_ms", "label_end_ms", "price")}
    order = np.lexsort((np.arange(total), joined["ts_ms"]))
    return hashed(
        Dataset(
            kind="volatility",
            X=joined["log_return"][order, None],
            y=joined["realized_variance"][order, None],
            ts_ms=joined["ts_ms"][order],
            label_end_ms=joined["label_end_ms"][order],
            feature_names=FEATURES,
            target_names=(f"realized_variance_{ahead * step_s}s",),
            feature_set_id=feature_set_id(),
            streams=streams,
            stream_of=stream_of[order],
            prices=joined["price"][order],
            step_s=step_s,
            notes=tuple(notes),
        )
    )


def bar_step_s(series: dict[str, Series]) -> int:
    """Return the spacing of the busiest stream in whole seconds, at least 1.

    Raises:
        NotEnoughData: if no stream has two events.
    """
    most = max((len(one.ts_ms) for one in series.values()), default=0)
    spacing = min((spacing_ms(one) for one in series.values() if len(one.ts_ms) == most), default=np.inf)
    if not np.isfinite(spacing):
        raise NotEnoughData("ticks of one stream to see a return", most, 2, "collect longer")
    return max(1, round(spacing / 1_000))


def _bars(one: Series, step_ms: int, ahead: int) -> _Bars:
    at_ms = np.arange(one.ts_ms[0], one.ts_ms[-1] + 1, step_ms)
    last = one.asof(at_ms)
    known_ms = one.ts_known_ms[one.settled(at_ms)]
    price = one.price[last]
    gap = at_ms - one.ts_ms[last] > max(STALE_MS, GAP_BARS * step_ms)
    returns = np.diff(np.log(price), prepend=np.nan)
    returns[gap] = np.nan
    returns[1:][gap[:-1]] = np.nan  # the return over a gap is no return of one bar
    squared = returns * returns
    variance = np.full(len(returns), np.nan)
    if len(returns) > ahead:
        variance[:-ahead] = np.lib.stride_tricks.sliding_window_view(squared[1:], ahead).sum(axis=1)
    complete = np.flatnonzero(np.isfinite(returns) & np.isfinite(variance))
    n_possible = max(0, len(returns) - 1 - ahead)
    return _Bars(
        one.stream, returns[complete], variance[complete], known_ms[complete], known_ms[np.minimum(complete + ahead, len(at_ms) - 1)],
        price[complete], n_possible - len(complete),
    )
