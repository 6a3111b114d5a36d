"""What the price did after a row of features."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from arbml.frames import FeatureFrame, TickFrame, in_order
from arbml.labels.series import rows_by_stream, stream_series


def forward_returns(ticks: TickFrame, features: FeatureFrame, horizons_s: Sequence[int]) -> pd.DataFrame:
    """Return the log-return of each feature row's own stream over each horizon, and when it was known.

    The price at `ts_ms + horizon` is the last one that had happened by then (carried forward, no interpolation). Late ticks
    count neither here nor in the features.

    Args:
        ticks: in any order, of the same streams as `features`.
        features: columns ts_ms, venue, pair, price are read.
        horizons_s: seconds, increasing.

    Returns:
        A frame in the order of `features` with `log_return_{h}s` for each horizon, NaN where the data end before it is
        settled, and `label_end_ms` (float64, UTC ms): when the longest was known, NaN where it never was.

    >>> from arbml.frames import TICKS
    >>> ticks = TICKS.check(pd.DataFrame({"ts_ms": [0, 5_000, 10_000], "ts_known_ms": [100, 5_100, 10_100], "venue": "a",
    ...                                   "pair": "WETH/USDC", "price": [100.0, 101.0, 99.0]}))
    >>> forward_returns(ticks, ticks, (5, 7)).round(4)
       log_return_5s  log_return_7s  label_end_ms
    0           0.01           0.01       10100.0
    1          -0.02            NaN           NaN
    2            NaN            NaN           NaN
    """
    returns = np.full((len(features), len(horizons_s)), np.nan)
    label_end = np.full(len(features), np.nan)
    series = stream_series(in_order(ticks))
    event_ms, price = features["ts_ms"].to_numpy(), features["price"].to_numpy()
    for stream, rows in rows_by_stream(features).items():
        if stream not in series:
            continue
        one = series[stream]
        for column, horizon_s in enumerate(horizons_s):
            at_ms = event_ms[rows] + horizon_s * 1_000
            settled = one.settled(at_ms)
            known = settled < len(one.ts_ms)
            returns[rows[known], column] = np.log(one.price[one.asof(at_ms[known])] / price[rows[known]])
            if column == len(horizons_s) - 1:
                label_end[rows[known]] = one.ts_known_ms[settled[known]]
    frame = pd.DataFrame(returns, columns=[f"log_return_{h}s" for h in horizons_s])
    return frame.assign(label_end_ms=label_end)
