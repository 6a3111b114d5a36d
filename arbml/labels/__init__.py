"""Labels, each with the time at which it became known."""

from arbml.labels.landing import Landing, land
from arbml.labels.opportunities import LABELS, opportunity_labels
from arbml.labels.replay import STALE_MS, moments, replay_labels
from arbml.labels.returns import forward_returns
from arbml.labels.series import (
    Series,
    observable_horizons,
    rows_by_stream,
    spacing_ms,
    stream_names,
    stream_series,
    stream_spacing_ms,
)

__all__ = [
    "LABELS",
    "STALE_MS",
    "Landing",
    "Series",
    "forward_returns",
    "land",
    "moments",
    "observable_horizons",
    "opportunity_labels",
    "replay_labels",
    "rows_by_stream",
    "spacing_ms",
    "stream_names",
    "stream_series",
    "stream_spacing_ms",
]
