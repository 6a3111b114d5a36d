"""What a backfill brought, as a live collector would have had it."""

import numpy as np
import pandas as pd

from arbml.frames import TickFrame, sort_by_knowing

_SAME = ["chain_id", "block_number", "ts_ms", "ts_known_ms"]


def as_if_live(ticks: TickFrame, late_blocks: pd.DataFrame, lag_ms: int) -> TickFrame:
    """Return ticks in which those of late blocks were known `lag_ms` after their block, in the order of knowing.

    A backfill reads a month within minutes. In the order of really knowing, that month has no past and no future: nothing could be
    learned from it. What a bot would have known, had the collector been running, can.

    Args:
        ticks: of any source; only ticks that were read with one of the late blocks change.
        late_blocks: chain_id, number, ts_ms, ts_known_ms of blocks that were read long after they were made.
        lag_ms: from a block to its being known, live; nothing becomes known later than it was.
    """
    if late_blocks.empty or ticks.empty:
        return ticks
    # the times tell ticks of the block itself from those of a file that names the same block
    blocks = late_blocks.rename(columns={"number": "block_number"})[_SAME]
    keys = ticks[_SAME].merge(blocks.astype(ticks[_SAME].dtypes.to_dict()).assign(late=True), how="left", on=_SAME)
    late = keys["late"].notna().to_numpy()
    known = ticks["ts_known_ms"].to_numpy()
    return sort_by_knowing(ticks.assign(ts_known_ms=np.where(late, np.minimum(known, ticks["ts_ms"].to_numpy() + lag_ms), known)))
