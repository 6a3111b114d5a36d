"""How much of the past a service must see before it can answer as if it had always been there."""

from arbml.features.spec import WARM_UP_S
from arbml.frames import TickFrame, sort_by_knowing

MAX_WARM_ROWS = 50_000
MAX_WARM_S = 24 * 3600


def warm_ticks(ticks: TickFrame, sequence_length: int) -> TickFrame:
    """Return the end of `ticks` from which every live stream starts warm.

    That is `sequence_length` ticks of each stream that was alive at the end, and WARM_UP_S before them; at most MAX_WARM_S
    and MAX_WARM_ROWS.
    """
    ticks = sort_by_knowing(ticks)
    if ticks.empty:
        return ticks
    known_ms = ticks["ts_known_ms"]
    last_ms = int(known_ms.iloc[-1])
    recent = ticks[known_ms > last_ms - MAX_WARM_S * 1000]
    # of each stream its sequence_length-th last tick; a stream that has fewer gives all that it has
    nth = recent.groupby(["venue", "pair"], sort=False)["ts_known_ms"].nth(-sequence_length)
    start_ms = min([int(nth.min()) if len(nth) else last_ms, last_ms]) - WARM_UP_S * 1000
    return recent[recent["ts_known_ms"] > start_ms].tail(MAX_WARM_ROWS).reset_index(drop=True)
