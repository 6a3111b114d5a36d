"""What would have become of opportunities: the market replayed, with the finder that the bot uses."""

from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from arbml.config import CostsConfig
from arbml.frames import TickFrame
from arbml.labels.opportunities import label_frame
from arbml.labels.series import Array, Series, in_order, stream_series
from arbml.market import Pool, best_opportunity, reprice
from arbml.market.book import UNKNOWN_FEE_BPS

STALE_MS = 600_000  # as in the features: what happened longer ago says nothing of now


def replay_labels(ticks: TickFrame, costs: CostsConfig, step_ms: int = 0, max_age_ms: int = STALE_MS) -> pd.DataFrame:
    """Return the best opportunity of each moment and pair, and whether it would still have paid when it landed.

    A moment is when one or more ticks of the pair became known; the finder sees the states held then. The transaction lands
    with the first event of the pair at or after `inclusion_delay_ms` later and meets, on each of its venues, the state of
    that event time. It succeeds if the same amount still has a positive net profit there; otherwise it reverts and pays
    for it. Moments whose landing the data do not show have no label.

    Args:
        ticks: in any order.
        costs: of the finder, and the inclusion delay.
        step_ms: least time between two moments of a pair; 0 takes all.
        max_age_ms: states that happened longer before the moment are not offered to the finder.

    Returns:
        The columns of `opportunity_labels`; request_id is the opportunity's id, profit that of the landed attempt.

    Raises:
        ConfigError: if the price of gas is unknown.
    """
    ordered = in_order(ticks)
    by_pair: dict[str, list[Series]] = {}
    for stream, series in stream_series(ordered).items():
        by_pair.setdefault(stream.partition("|")[2], []).append(series)
    rows = []
    for several in by_pair.values():
        if len(several) > 1:
            rows += _replay_pair(ordered, several, costs, step_ms, max_age_ms)
    return label_frame(rows)


def _replay_pair(
    ticks: TickFrame, several: list[Series], costs: CostsConfig, step_ms: int, max_age_ms: int
) -> list[tuple[Any, ...]]:
    moments = _moments(several, step_ms)
    events = np.unique(np.concatenate([series.ts_ms for series in several]))
    landing = np.searchsorted(events, moments + costs.inclusion_delay_ms, side="left")
    moments, landing = moments[landing < len(events)], landing[landing < len(events)]
    landing_ms = events[landing]
    held, met, known = [], [], {}
    for series in several:
        seen, landed = _states(ticks, series, np.searchsorted(series.ts_known_ms, moments, side="right") - 1, series.asof(landing_ms))
        held.append(seen)
        met.append(landed)
        known[series.stream.partition("|")[0]] = _known_ms(series, landing_ms)
    rows = []
    for i, (now_ms, then_ms) in enumerate(zip(moments.tolist(), landing_ms.tolist(), strict=True)):
        fresh = [pool for states in held if (pool := states[i]) is not None and pool.ts_ms >= now_ms - max_age_ms]
        best = best_opportunity(fresh, costs, now_ms)
        if best is None:
            continue
        ends = [end for leg in best.route.legs if (end := known[leg.venue][i]) is not None]
        then = reprice(best, [pool for states in met if (pool := states[i]) is not None], costs, then_ms)
        if then is None or len(ends) < len(best.route.legs):
            continue
        success = then.net_profit > 0
        rows.append((best.id, now_ms, max(ends), int(success), then.net_profit if success else -then.revert_cost, best))
    return rows


def _moments(several: list[Series], step_ms: int) -> Array:
    """Return the times at which something of the pair became known, at least `step_ms` apart."""
    moments = np.unique(np.concatenate([series.ts_known_ms for series in several]))
    if step_ms <= 0:
        return moments
    taken: list[int] = []
    for moment in moments.tolist():
        if not taken or moment >= taken[-1] + step_ms:
            taken.append(moment)
    return np.array(taken, dtype=np.int64)


def _states(ticks: TickFrame, series: Series, *numbers: Array) -> list[list[Pool | None]]:
    """Return for each array of tick numbers the states after those ticks; None for -1. Only what is asked for is built."""
    needed = np.unique(np.concatenate(numbers))
    needed = needed[needed >= 0]
    columns = ticks.take(series.row[needed]).fillna({"fee_bps": UNKNOWN_FEE_BPS})
    pools = list(map(Pool, *[_values(columns[field.name], whole=field.name == "chain_id") for field in fields(Pool)]))
    at = [(np.searchsorted(needed, one), one >= 0) for one in numbers]
    return [[pools[i] if is_held else None for i, is_held in zip(where.tolist(), held.tolist(), strict=True)] for where, held in at]


def _values(column: "pd.Series[Any]", whole: bool) -> list[Any]:
    """Return a column of a tick frame as a pool holds it: plain numbers, None for missing."""
    values: list[Any] = column.tolist()
    if not column.isna().any():
        return [int(value) for value in values] if whole else values
    return [None if value != value else int(value) if whole else value for value in values]


def _known_ms(series: Series, at_ms: Array) -> list[int | None]:
    """Return when the venue's state at each event time was settled; None where the data end before."""
    settled = series.settled(at_ms)
    ends = series.ts_known_ms[np.minimum(settled, len(series.ts_ms) - 1)]
    return [end if within else None for end, within in zip(ends.tolist(), (settled < len(series.ts_ms)).tolist(), strict=True)]
