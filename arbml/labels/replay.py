"""What would have become of opportunities: the market replayed, with the finder that the bot uses."""

from dataclasses import fields
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from arbml.config import CostsConfig
from arbml.frames import TickFrame, in_order
from arbml.labels.cycles import replay_cycles
from arbml.labels.landing import land
from arbml.labels.opportunities import label_frame
from arbml.labels.series import Array, Series, stream_series
from arbml.market import UNKNOWN_FEE_BPS, Pool, best_opportunity, reprice

STALE_MS = 600_000  # as in the features: what happened longer ago says nothing of now


def replay_labels(ticks: TickFrame, costs: CostsConfig, step_ms: int = 1_000, max_age_ms: int = STALE_MS) -> pd.DataFrame:
    """Return the best opportunity of each moment and pair, and whether it would still have paid when it landed.

    A moment is the end of a step of the clock in which a tick of the pair became known (`moments`), so that venues whose
    ticks arrive milliseconds apart are not compared half old, half new. The finder sees the states held then. The
    transaction lands with the first event on either of its venues at or after `inclusion_delay_ms` later and meets, on both,
    the state of that event time. It succeeds if the same amount still has a positive net profit there; otherwise it reverts
    and pays for it. Moments whose landing the data do not show have no label.

    Of several pairs, the best cycle over them is replayed beside the best opportunity of each pair (`arbml.labels.cycles`).

    Args:
        ticks: in any order.
        costs: of the finder, and the inclusion delay.
        step_ms: step of the clock; 0 looks whenever a tick becomes known.
        max_age_ms: states that happened longer before the moment are not offered to the finder.

    Returns:
        The columns of `opportunity_labels`; request_id is the opportunity's id, profit that of the landed attempt.

    Raises:
        ConfigError: if the price of gas is unknown.
    """
    ordered = in_order(ticks)
    streams = stream_series(ordered)
    by_pair: dict[str, list[Series]] = {}
    for stream, series in streams.items():
        by_pair.setdefault(stream.partition("|")[2], []).append(series)
    rows = []
    alone = [pair for pair in by_pair if len(by_pair) == 1 or _gas_is_known(pair, costs)]
    for pair in alone:
        if len(by_pair[pair]) > 1:
            rows += _replay_pair(ordered, by_pair[pair], costs, step_ms, max_age_ms)
    if len(by_pair) > 1:
        now = moments(ordered["ts_known_ms"].to_numpy(), step_ms)
        rows += replay_cycles(ordered, streams, now, costs, max_age_ms, alone, _states)
    return label_frame(rows)


def _gas_is_known(pair: str, costs: CostsConfig) -> bool:
    """Whether a pair says itself what gas costs in its quote; else the other pairs must."""
    return costs.native_price_quote is not None or pair.partition("/")[0].upper() in costs.native_symbols


def _replay_pair(
    ticks: TickFrame, several: list[Series], costs: CostsConfig, step_ms: int, max_age_ms: int
) -> list[tuple[Any, ...]]:
    now = moments(np.concatenate([one.ts_known_ms for one in several]), step_ms)
    seen = [np.searchsorted(one.ts_known_ms, now, side="right") - 1 for one in several]
    landings = {(a, b): land((several[a], several[b]), now + costs.inclusion_delay_ms)
                for a, b in combinations(range(len(several)), 2)}
    states = []
    for v, one in enumerate(several):
        met = [there.at[pair.index(v)] for pair, there in landings.items() if v in pair]
        states.append(_states(ticks, one, np.unique(np.concatenate([seen[v], *met]))))
    number_of = {one.stream.partition("|")[0]: v for v, one in enumerate(several)}
    held = [[states[v][at] if at >= 0 else None for at in seen[v].tolist()] for v in range(len(several))]
    rows = []
    for i, now_ms in enumerate(now.tolist()):
        fresh = [pool for line in held if (pool := line[i]) is not None and pool.ts_ms >= now_ms - max_age_ms]
        best = best_opportunity(fresh, costs, now_ms)
        if best is None:
            continue
        a, b = sorted(number_of[leg.venue] for leg in best.route.legs)
        there = landings[a, b]
        if not there.known[i]:
            continue
        met_pools = [states[a][there.at[0][i]], states[b][there.at[1][i]]]
        then = reprice(best, [pool for pool in met_pools if pool is not None], costs, int(there.ts_ms[i]))
        if then is not None:
            success = then.net_profit > 0
            profit = then.net_profit if success else -then.revert_cost
            rows.append((best.id, now_ms, int(there.label_end_ms[i]), int(success), profit, best))
    return rows


def moments(known_ms: Array, step_ms: int) -> Array:
    """Return the ends of the steps of a clock in which something became known, ascending; with step 0 the times themselves.

    >>> moments(np.array([1_000, 5_016, 5_120, 9_900]), 1_000).tolist()
    [1000, 6000, 10000]
    """
    return np.unique(-(-known_ms // step_ms) * step_ms if step_ms else known_ms)


def _states(ticks: TickFrame, series: Series, needed: Array) -> list[Pool | None]:
    """Return the state after each tick of a series; only those that are needed are built, the others are None."""
    needed = needed[needed >= 0]
    columns = ticks.take(series.row[needed]).fillna({"fee_bps": UNKNOWN_FEE_BPS})
    built = map(Pool, *[_values(columns[field.name], whole=field.name == "chain_id") for field in fields(Pool) if field.name in columns])
    states: list[Pool | None] = [None] * len(series.ts_ms)
    for number, pool in zip(needed.tolist(), built, strict=True):
        states[number] = pool
    return states


def _values(column: "pd.Series[Any]", whole: bool) -> list[Any]:
    """Return a column of a tick frame as a pool holds it: plain numbers, None for missing."""
    values: list[Any] = column.tolist()
    if not column.isna().any():
        return [int(value) for value in values] if whole else values
    return [None if value != value else int(value) if whole else value for value in values]
