"""What would have become of cycles over several pairs: the market replayed, with the cycle finder that the bot uses."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from arbml.config import CostsConfig
from arbml.frames import TickFrame
from arbml.labels.landing import land
from arbml.labels.series import Array, Series
from arbml.market import Opportunity, Pool, reprice
from arbml.market.native import quote_token

LOOKED_AT = 10  # of a moment, best first: the best may be one of a pair that is replayed by itself
States = Callable[[TickFrame, Series, Array], list[Pool | None]]


class _Found(NamedTuple):
    """A cycle, the moment that it was found at, and the numbers of its streams."""

    opportunity: Opportunity
    now_ms: int
    streams: tuple[int, ...]


def replay_cycles(
    ticks: TickFrame, series: Mapping[str, Series], now: Array, costs: CostsConfig, max_age_ms: int, alone: Collection[str], states: States
) -> list[tuple[Any, ...]]:
    """Return the label of the best cycle of each moment that pays its fees and is not a round trip on a pair of `alone`.

    Cycles of two to four swaps start and end in the token that most pools quote in. The transaction lands as one over two venues does:
    with the first event on any of its pools at or after the inclusion delay, and meets the states of that event time.

    Args:
        ticks: in the order of knowing. series: all streams of them.
        now: (n,) moments, UTC ms, ascending. max_age_ms: states that happened longer before the moment are left out.
        alone: pairs that are replayed by themselves.
        states: builds the states of a series, by number, as far as they are needed.

    Returns:
        Rows as `label_frame` takes them.

    Raises:
        ConfigError: if the price of gas is unknown.
    """
    every = list(series.values())
    seen = [np.searchsorted(one.ts_known_ms, now, side="right") - 1 for one in every]
    held = [states(ticks, one, np.unique(at)) for one, at in zip(every, seen, strict=True)]
    found = _found(series, now, costs, max_age_ms, alone, seen, held)
    rows, by_streams = [], dict[tuple[int, ...], list[_Found]]()
    for one in found:
        by_streams.setdefault(one.streams, []).append(one)
    for streams, several in by_streams.items():
        there = land([every[s] for s in streams], np.array([one.now_ms for one in several]) + costs.inclusion_delay_ms)
        met = [one.asof(there.ts_ms) for one in every]
        needed = [states(ticks, one, np.unique(at)) for one, at in zip(every, met, strict=True)]
        for i in np.flatnonzero(there.known).tolist():
            pools = [pool for line, at in zip(needed, met, strict=True) if at[i] >= 0 and (pool := line[at[i]]) is not None]
            best = several[i].opportunity
            then = reprice(best, pools, costs, int(there.ts_ms[i]))
            if then is not None:
                success = then.net_profit > 0
                profit = then.net_profit if success else -then.revert_cost
                rows.append((best.id, several[i].now_ms, int(there.label_end_ms[i]), int(success), profit, best))
    return rows


def _found(
    series: Mapping[str, Series], now: Array, costs: CostsConfig, max_age_ms: int, alone: Collection[str], seen: Sequence[Array],
    held: Sequence[list[Pool | None]],
) -> list[_Found]:
    """The best cycle of each moment, where there is one."""
    from arbml.market.cycles import CycleFinder  # brings numba

    number = {name: s for s, name in enumerate(series)}
    quote = quote_token([pool for line in held for pool in line if pool is not None], costs)
    if quote is None:
        return []
    finder, last, found = CycleFinder(costs, quote=quote), [-1] * len(held), list[_Found]()
    for i, now_ms in enumerate(now.tolist()):
        for s, line in enumerate(held):
            at = int(seen[s][i])
            if at != last[s] and (pool := line[at]) is not None:
                finder.update(pool)
                last[s] = at
        for one in finder.find([quote], now_ms, limit=LOOKED_AT, max_age_ms=max_age_ms):
            if len(one.route.pairs) > 1 or one.pair not in alone:
                streams = tuple(number[f"{leg.venue}|{leg.pair}"] for leg in one.route.legs)
                found.append(_Found(one, now_ms, streams))
                break
    return found
