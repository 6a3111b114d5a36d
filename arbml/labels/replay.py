"""What would have become of opportunities: the market replayed, with the finder that the bot uses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from arbml.config import CostsConfig
from arbml.frames import TickFrame, frame_to_ticks
from arbml.labels.opportunities import label_frame
from arbml.labels.series import Array, Series, in_order, stream_series
from arbml.market import Pool, best_opportunity, pool_of, reprice

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
            rows += _replay_pair([_Venue(one, _states(ordered, one)) for one in several], costs, step_ms, max_age_ms)
    return label_frame(rows)


@dataclass(frozen=True, eq=False)
class _Venue:
    """One venue of the pair: its ticks in order, and the state after each."""

    series: Series
    states: list[Pool]


def _states(ticks: TickFrame, series: Series) -> list[Pool]:
    return [pool_of(tick) for tick in frame_to_ticks(ticks.take(series.row))]


def _replay_pair(venues: list[_Venue], costs: CostsConfig, step_ms: int, max_age_ms: int) -> list[tuple[Any, ...]]:
    moments = _moments(venues, step_ms)
    events = np.unique(np.concatenate([venue.series.ts_ms for venue in venues]))
    landing = np.searchsorted(events, moments + costs.inclusion_delay_ms, side="left")
    moments, landing = moments[landing < len(events)], landing[landing < len(events)]
    landing_ms = events[landing]
    held = [_held(venue, np.searchsorted(venue.series.ts_known_ms, moments, side="right") - 1) for venue in venues]
    met = [_held(venue, venue.series.asof(landing_ms)) for venue in venues]
    known = {venue.states[0].venue: _known_ms(venue.series, landing_ms) for venue in venues}
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


def _moments(venues: list[_Venue], step_ms: int) -> Array:
    """Return the times at which something of the pair became known, at least `step_ms` apart."""
    moments = np.unique(np.concatenate([venue.series.ts_known_ms for venue in venues]))
    if step_ms <= 0:
        return moments
    taken: list[int] = []
    for moment in moments.tolist():
        if not taken or moment >= taken[-1] + step_ms:
            taken.append(moment)
    return np.array(taken, dtype=np.int64)


def _held(venue: _Venue, numbers: Array) -> list[Pool | None]:
    return [venue.states[number] if number >= 0 else None for number in numbers.tolist()]


def _known_ms(series: Series, at_ms: Array) -> list[int | None]:
    """Return when the venue's state at each event time was settled; None where the data end before."""
    settled = series.settled(at_ms)
    ends = series.ts_known_ms[np.minimum(settled, len(series.ts_ms) - 1)]
    return [end if within else None for end, within in zip(ends.tolist(), (settled < len(series.ts_ms)).tolist(), strict=True)]
