"""What the features are: names, units, lookbacks and formulas, in the one order that every path uses.

This module is light (no numba): everything that only needs to know the names imports from here. The arithmetic is in
`kernels`, which fills a row in exactly this order; a test compares each column with a slow reference of the same name.

Notation of the formulas: t is the event time of the tick, p its price, v volume, d depth, g gas price, x the log price
gap to the other venue; W(h) are the ticks of the same stream with t - h < ts <= t, known so far, at most 1024 of them;
asof(h) is the last tick with ts <= t - h. A value is NaN where the stream lacks the input, or where W does not yet reach
back over the lookback; nothing is ever filled in.
"""

import hashlib
import json
from dataclasses import dataclass

from arbml.frames import Column, Schema

KERNEL_VERSION = 1
"""Raised by hand whenever a kernel gives other values; a golden test fails until it is."""

WINDOW_S = 600
"""Longest lookback, and the age at which another venue's price no longer counts, s."""

MAX_ROWS = 1024
"""Most ticks of one stream that a window holds; a busier stream sees a shorter time."""

WARM_UP_S = 2 * WINDOW_S
"""A path started at time k gives the same bits as one started earlier for every tick that happened at or after
k + WARM_UP_S: the window's own 10 minutes, and before its oldest tick the 10 minutes for which a price of another
venue counts."""


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature: its name, unit, lookback in seconds (0: the tick alone), meaning, formula and source."""

    name: str
    unit: str
    lookback_s: int
    description: str
    formula: str
    source: str = ""


def _momentum(label: str, lookback_s: int) -> FeatureSpec:
    return FeatureSpec(
        f"momentum_{label}", "log return", lookback_s,
        f"price change against the price that stood {label} ago (carried forward on slow streams)",
        f"ln p - ln p_asof({label})",
    )


FEATURES: tuple[FeatureSpec, ...] = (
    _momentum("5s", 5),
    _momentum("15s", 15),
    _momentum("30s", 30),
    _momentum("1m", 60),
    _momentum("5m", 300),
    FeatureSpec("volume_ma", "ln(1 + quote)", 300, "level of traded volume per tick", "ln(1 + mean v over W(5m))"),
    FeatureSpec("volume_ratio", "ratio", 300, "this tick's volume against the usual", "v / mean v over W(5m)"),
    FeatureSpec("vwap_deviation", "log ratio", 300, "price against the volume-weighted mean price",
                "ln p - ln(sum v p / sum v over W(5m))", "Berkowitz, Logue and Noser 1988"),
    FeatureSpec("liquidity_depth", "ln quote", 0, "quote reserve of the pool, else the venue's stated liquidity", "ln d"),
    FeatureSpec("liquidity_ratio", "log ratio", 300, "depth against the usual", "ln(d / mean d over W(5m))"),
    FeatureSpec("half_spread_bps", "bps", 0, "proxy of the half spread: the venue's fee, around its mid price", "fee_bps"),
    FeatureSpec("price_dispersion_bps", "bps", 300, "how far prices scatter; a stated proxy of a quoted spread, which ticks lack",
                "1e4 x standard deviation of ln p over W(5m)"),
    FeatureSpec("price_dispersion_trend", "log ratio", 300, "whether prices scatter more than before",
                "ln(dispersion over W(1m) / dispersion over W(5m))"),
    FeatureSpec("gas_level", "ln gwei", 0, "gas price", "ln g"),
    FeatureSpec("gas_percentile", "share", 600, "mid-rank of the gas price among recent ones",
                "(count(g_i < g) + count(g_i = g) / 2) / n over W(10m)"),
    FeatureSpec("gas_trend", "log ratio", 300, "whether gas is getting dearer", "ln(mean g over W(1m) / mean g over W(5m))"),
    FeatureSpec("realized_volatility", "log return / sqrt(s)", 300, "realized volatility of the recent past",
                "sqrt(sum of squared log returns / seconds between first and last tick of W(5m))",
                "Andersen, Bollerslev, Diebold and Labys 2003"),
    FeatureSpec("atr", "log ratio", 300, "average true range of the last five minutes, on log prices of observed ticks",
                "mean over minutes of max(high, previous close) - min(low, previous close)", "Wilder 1978"),
    FeatureSpec("hour_of_day_sin", "", 0, "time of day, UTC", "sin(2 pi x part of the day)"),
    FeatureSpec("hour_of_day_cos", "", 0, "time of day, UTC", "cos(2 pi x part of the day)"),
    FeatureSpec("day_of_week_sin", "", 0, "time of week, UTC, from Monday", "sin(2 pi x part of the week)"),
    FeatureSpec("day_of_week_cos", "", 0, "time of week, UTC, from Monday", "cos(2 pi x part of the week)"),
    FeatureSpec("tick_interval_s", "s", 600, "time since the stream's previous tick", "t - previous t"),
    FeatureSpec("tick_spacing_s", "s", 300, "usual time between ticks", "(t - first t of W(5m)) / (n - 1)"),
    FeatureSpec("cross_spread_bps", "bps", 600,
                "log gap to the other venue whose last known price is farthest; positive: the other is dearer",
                "1e4 x, x = ln p_other - ln p; prices older than 10 min do not count"),
    FeatureSpec("cross_spread_mean_1m", "bps", 60, "usual gap", "1e4 x mean x over W(1m)"),
    FeatureSpec("cross_spread_trend", "bps", 60, "change of the gap in a minute", "1e4 x (x - x_asof(1m))"),
    FeatureSpec("cross_spread_age_s", "s", 600, "how long the gap has been on this side and at least half as wide as now",
                "t - t of the first tick of that unbroken run in W(10m)"),
    FeatureSpec("cross_venues", "count", 600, "other venues with a price of the pair not older than 10 min", "count"),
    FeatureSpec("mempool_congestion", "share", 600,
                "proxy (no mempool is watched): part of the gas price that is premium over its recent median",
                "max(0, 1 - median g over W(10m) / g)"),
    FeatureSpec("searcher_density", "share", 300,
                "proxy of competing searchers: how often a gap of at least 1 bp is more than halved within one tick",
                "count(|x_i| < |x_(i-1)| / 2 and |x_(i-1)| >= 1 bp) / pairs with both gaps, over W(5m)"),
    FeatureSpec("mev_risk", "share", 600, "blend of the two proxies", "0.4 mempool_congestion + 0.6 searcher_density"),
)

ROUTE_FEATURES: tuple[FeatureSpec, ...] = (
    FeatureSpec("route_hops", "count", 0, "swaps in the route", "n legs"),
    FeatureSpec("route_fees_bps", "bps", 0, "sum of the legs' fees", "sum fee_bps"),
    FeatureSpec("route_gas_bps", "bps", 0, "gas against the amount put in", "1e4 x gas_cost / amount_in"),
    FeatureSpec("route_slippage_bps", "bps", 0, "price impact against the amount put in", "1e4 x slippage_cost / amount_in"),
    FeatureSpec("route_liquidity_mean", "ln quote", 0, "mean depth of the legs; NaN if one is unknown", "ln(mean depth)"),
    FeatureSpec("route_liquidity_min", "ln quote", 0, "smallest depth of the legs; NaN if one is unknown", "ln(min depth)"),
    FeatureSpec("route_depth_share", "share", 0, "amount put in against the smallest depth", "amount_in / min depth"),
    FeatureSpec("route_complexity", "count", 0, "hops, venues and pairs beyond the first of each", "hops + venues + pairs - 3"),
    FeatureSpec("route_edge_bps", "bps", 0, "log price gap between the venues", "edge_bps"),
    FeatureSpec("route_net_bps", "bps", 0, "profit after fees, impact and gas against the amount put in",
                "1e4 x net_profit / amount_in"),
    FeatureSpec("route_amount", "ln quote", 0, "amount put in", "ln amount_in"),
)

FEATURE_NAMES: tuple[str, ...] = tuple(spec.name for spec in FEATURES)
ROUTE_FEATURE_NAMES: tuple[str, ...] = tuple(spec.name for spec in ROUTE_FEATURES)
SCORER_FEATURE_NAMES: tuple[str, ...] = FEATURE_NAMES + ROUTE_FEATURE_NAMES

FEATURE_SCHEMA = Schema(
    "features",
    (
        Column("ts_known_ms", "int64", "UTC ms", required=True),
        Column("ts_ms", "int64", "UTC ms", required=True),
        Column("venue", "object", required=True),
        Column("pair", "object", "BASE/QUOTE", required=True),
        Column("price", "float64", "quote per base", required=True, positive=True),
        *(Column(spec.name, "float64", spec.unit) for spec in FEATURES),
    ),
)


def feature_set_id() -> str:
    """Return the name of this set of features: 12 hex digits of its ordered definitions and the kernel version.

    Wording may change; names, units, lookbacks, formulas, their order and the kernel version may not.
    """
    specs = [[spec.name, spec.unit, spec.lookback_s, spec.formula] for spec in FEATURES + ROUTE_FEATURES]
    text = json.dumps([KERNEL_VERSION, WINDOW_S, MAX_ROWS, specs], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
