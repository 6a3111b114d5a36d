"""The features once more, slowly, from their formulas: plain Python over lists, nothing shared with the compiled engine.

`reference_features` walks the ticks in the order of knowing and recomputes every feature of every row from the ticks known
so far. It is what the kernels are compared with, and the place to read what a feature means.
"""

import itertools
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean, median, pstdev

from arbml.market import Tick

NAN = math.nan


@dataclass
class Row:
    """One accepted tick with what was known of the other venues then."""

    tick: Tick
    log_price: float
    depth: float | None
    gap: float | None
    venues: int


def reference_features(ticks: list[Tick]) -> list[tuple[Tick, dict[str, float]]]:
    """Return the ticks that are not late, each with its features by name. `ticks` are in the order of knowing."""
    rows: dict[tuple[str, str], list[Row]] = {}
    out = []
    for tick in ticks:
        own = rows.setdefault((tick.pair, tick.venue), [])
        if own and (tick.ts_ms, tick.log_index) <= (own[-1].tick.ts_ms, own[-1].tick.log_index):
            continue
        others = [past[-1].tick for (pair, venue), past in rows.items() if pair == tick.pair and venue != tick.venue and past]
        gaps = [math.log(other.price) - math.log(tick.price) for other in others if abs(other.ts_ms - tick.ts_ms) < 600_000]
        gap = max(gaps, key=lambda g: (abs(g), g)) if gaps else None
        own.append(Row(tick, math.log(tick.price), depth(tick), gap, len(gaps)))
        out.append((tick, features(own)))
    return out


def depth(tick: Tick) -> float | None:
    """The quote reserve if both reserves are there, else the stated liquidity."""
    return tick.reserve_quote if tick.reserve_base and tick.reserve_quote else tick.liquidity


def features(past: list[Row]) -> dict[str, float]:
    """Return the features of the last of these rows of one stream."""
    now = past[-1]
    t = now.tick.ts_ms
    window = [row for row in past if row.tick.ts_ms > t - 600_000][-1024:]
    w5 = [row for row in window if row.tick.ts_ms > t - 300_000]
    w1 = [row for row in window if row.tick.ts_ms > t - 60_000]
    full = len(window) == 1024
    values = {**momenta(window, t), **calendar(t), **cross(window, w1, full)}
    values["liquidity_depth"] = log(now.depth)
    values["half_spread_bps"] = missing(now.tick.fee_bps)
    values["gas_level"] = log(now.tick.gas_price_gwei)
    values["tick_interval_s"] = (t - window[-2].tick.ts_ms) / 1000 if len(window) > 1 else NAN
    covered = full or len(w5) < len(window)
    values |= five_minutes(window, w5, w1) if covered else dict.fromkeys(FIVE_MINUTES, NAN)
    return values


def momenta(window: list[Row], t: int) -> dict[str, float]:
    """Log price now against the last price that stood a while ago."""
    out = {}
    for label, seconds in (("5s", 5), ("15s", 15), ("30s", 30), ("1m", 60), ("5m", 300)):
        before = [row for row in window if row.tick.ts_ms <= t - 1000 * seconds]
        out[f"momentum_{label}"] = window[-1].log_price - before[-1].log_price if before else NAN
    return out


def calendar(t: int) -> dict[str, float]:
    """Time of day and week, by the calendar of the standard library."""
    moment = datetime.fromtimestamp(t / 1000, tz=UTC)
    day = (t % 86_400_000) / 86_400_000
    week = (moment.weekday() + day) / 7
    return {
        "hour_of_day_sin": math.sin(math.tau * day), "hour_of_day_cos": math.cos(math.tau * day),
        "day_of_week_sin": math.sin(math.tau * week), "day_of_week_cos": math.cos(math.tau * week),
    }


def cross(window: list[Row], w1: list[Row], full: bool) -> dict[str, float]:
    """The gap to the farthest other venue."""
    names = ("cross_spread_bps", "cross_spread_mean_1m", "cross_spread_trend", "cross_spread_age_s")
    out = dict.fromkeys(names, NAN) | {"cross_venues": float(window[-1].venues)}
    gap = window[-1].gap
    if gap is None:
        return out
    out["cross_spread_bps"] = 1e4 * gap
    before = window[: len(window) - len(w1)]
    if before or full:
        out["cross_spread_mean_1m"] = 1e4 * fmean(row.gap for row in w1 if row.gap is not None)
    if before and before[-1].gap is not None:
        out["cross_spread_trend"] = 1e4 * (gap - before[-1].gap)
    run = [window[-1]]
    for row in window[-2::-1]:
        if gap == 0 or row.gap is None or row.gap * gap <= 0 or abs(row.gap) < abs(gap) / 2:
            break
        run.append(row)
    out["cross_spread_age_s"] = (window[-1].tick.ts_ms - run[-1].tick.ts_ms) / 1000
    return out


FIVE_MINUTES = (
    "volume_ma", "volume_ratio", "vwap_deviation", "liquidity_ratio", "price_dispersion_bps", "price_dispersion_trend",
    "gas_percentile", "gas_trend", "realized_volatility", "atr", "tick_spacing_s", "mempool_congestion", "searcher_density", "mev_risk",
)


def five_minutes(window: list[Row], w5: list[Row], w1: list[Row]) -> dict[str, float]:
    """What needs five covered minutes."""
    now = window[-1]
    out = dict.fromkeys(FIVE_MINUTES, NAN)
    traded = [row for row in w5 if row.tick.volume is not None]
    if traded:
        mean = fmean(row.tick.volume for row in traded)
        out["volume_ma"] = math.log(1 + mean)
        if mean > 0:
            out["volume_ratio"] = missing(now.tick.volume) / mean
            value = sum(row.tick.volume * row.tick.price for row in traded)
            out["vwap_deviation"] = math.log(now.tick.price) - math.log(value / sum(row.tick.volume for row in traded))
    depths = [row.depth for row in w5 if row.depth is not None]
    if now.depth is not None:
        out["liquidity_ratio"] = log(now.depth / fmean(depths)) if now.depth else NAN
    long, short = dispersion(w5), dispersion(w1)
    out["price_dispersion_bps"] = 1e4 * long
    out["price_dispersion_trend"] = log(short / long) if long > 0 else NAN
    gas = now.tick.gas_price_gwei
    if gas is not None:
        recent = [row.tick.gas_price_gwei for row in window if row.tick.gas_price_gwei is not None]
        out["gas_percentile"] = (sum(g < gas for g in recent) + sum(g == gas for g in recent) / 2) / len(recent)
        usual = fmean(row.tick.gas_price_gwei for row in w5 if row.tick.gas_price_gwei is not None)
        latest = fmean(row.tick.gas_price_gwei for row in w1 if row.tick.gas_price_gwei is not None)
        out["gas_trend"] = log(latest / usual) if usual > 0 else NAN
        out["mempool_congestion"] = max(0.0, 1 - median(recent) / gas) if gas > 0 else NAN
    elapsed = (now.tick.ts_ms - w5[0].tick.ts_ms) / 1000
    steps = [b.log_price - a.log_price for a, b in itertools.pairwise(w5)]
    if len(steps) >= 2 and elapsed > 0:
        out["realized_volatility"] = math.sqrt(sum(step**2 for step in steps) / elapsed)
    if steps:
        out["tick_spacing_s"] = elapsed / len(steps)
    out["atr"] = mean_true_range(window)
    pairs = [(abs(a.gap), abs(b.gap)) for a, b in itertools.pairwise(w5) if a.gap is not None and b.gap is not None]
    if pairs:
        out["searcher_density"] = sum(a >= 1e-4 and b < a / 2 for a, b in pairs) / len(pairs)
    out["mev_risk"] = 0.4 * out["mempool_congestion"] + 0.6 * out["searcher_density"]
    return out


def dispersion(rows: list[Row]) -> float:
    """Standard deviation of the log price, from the last one so that equal prices give exactly zero."""
    return pstdev([row.log_price - rows[-1].log_price for row in rows]) if len(rows) > 1 else NAN


def mean_true_range(window: list[Row]) -> float:
    """Mean over the last five minutes of the log range of each, the close before it included."""
    t, ranges = window[-1].tick.ts_ms, []
    for minute in range(5):
        inside = [
            i for i, row in enumerate(window)
            if i > 0 and t - 60_000 * (minute + 1) < row.tick.ts_ms <= t - 60_000 * minute
        ]
        if inside:
            prices = [window[i].log_price for i in (inside[0] - 1, *inside)]
            ranges.append(max(prices) - min(prices))
    return fmean(ranges) if ranges else NAN


def missing(x: float | None) -> float:
    """NaN for None."""
    return NAN if x is None else x


def log(x: float | None) -> float:
    """Logarithm; NaN where there is none."""
    return math.log(x) if x is not None and x > 0 else NAN
