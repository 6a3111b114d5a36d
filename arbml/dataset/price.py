"""Sequences of features and the returns that followed, for the price predictor."""


import numpy as np

from arbml.config import LstmConfig
from arbml.dataset.types import Array, Dataset, hashed
from arbml.errors import NotEnoughData
from arbml.features import FEATURE_NAMES, feature_set_id
from arbml.frames import FeatureFrame, TickFrame, in_order
from arbml.labels import (
    forward_returns,
    observable_horizons,
    rows_by_stream,
    stream_names,
    stream_spacing_ms,
)


def price_dataset(ticks: TickFrame, features: FeatureFrame, lstm: LstmConfig) -> Dataset:
    """Build one row for each feature row that has a full window behind it and all its returns ahead.

    Horizons shorter than the data's spacing are left out, and so are streams too slow for those that remain; `notes` say so.

    Args:
        ticks: of at least the streams in `features`, in any order.
        features: of `compute_features`.
        lstm: window length and horizons.

    Returns:
        Targets `log_return_{h}s`; X is the last feature row of each window of `lstm.sequence_length` ticks of one stream.

    Raises:
        NotEnoughData: if no horizon can be observed, or no row has both window and returns.
    """
    ticks = in_order(ticks)
    features = features_in_order(features)
    spacing_ms = stream_spacing_ms(ticks)
    horizons_s = observable_horizons(ticks, lstm.horizons_s)
    if not horizons_s:
        raise _unobservable(lstm.horizons_s, spacing_ms)
    notes = _horizon_notes(lstm.horizons_s, horizons_s)
    slow = [stream for stream, spacing in spacing_ms.items() if spacing > horizons_s[0] * 1_000]
    notes += [f"{stream} is left out: its events are {spacing_ms[stream] / 1_000:g} s apart" for stream in slow]

    labels = forward_returns(ticks, features, horizons_s)
    targets = labels[[f"log_return_{h}s" for h in horizons_s]].to_numpy()
    ends, window = _windows(features, lstm.sequence_length, slow)
    complete = np.isfinite(targets[ends]).all(axis=1)
    ends, window = ends[complete], window[complete]
    if len(ends) == 0:
        need = lstm.sequence_length + 1
        longest = max((len(rows) for rows in rows_by_stream(features).values()), default=0)
        mend = f"collect longer than {lstm.sequence_length} ticks and {horizons_s[-1]} s, or set ML_LSTM__SEQUENCE_LENGTH lower"
        raise NotEnoughData("ticks of one stream for a sequence and its returns", longest, need, mend)
    rows = features[list(FEATURE_NAMES)].to_numpy(dtype=np.float64)
    streams, stream_of = stream_names(features)
    return hashed(
        Dataset(
            kind="lstm",
            X=rows[ends],
            y=targets[ends],
            ts_ms=features["ts_known_ms"].to_numpy()[ends],
            label_end_ms=labels["label_end_ms"].to_numpy()[ends].astype(np.int64),
            feature_names=tuple(FEATURE_NAMES),
            target_names=tuple(f"log_return_{h}s" for h in horizons_s),
            feature_set_id=feature_set_id(),
            streams=streams,
            stream_of=stream_of[ends],
            prices=features["price"].to_numpy()[ends],
            window=window,
            rows=rows,
            notes=tuple(notes),
        )
    )


def features_in_order(features: FeatureFrame) -> FeatureFrame:
    """Return the feature rows in the order of knowing; rows in that order already keep it, ties included."""
    if features["ts_known_ms"].is_monotonic_increasing:
        return features.reset_index(drop=True)
    return features.sort_values(["ts_known_ms", "ts_ms", "venue", "pair"], kind="stable").reset_index(drop=True)


def _windows(features: FeatureFrame, length: int, slow: list[str]) -> tuple[Array, Array]:
    """Return the feature rows that end a full window, ascending, and the (n, length) rows of their windows."""
    ends, windows = [np.empty(0, np.int64)], [np.empty((0, length), np.int64)]
    for stream, rows in rows_by_stream(features).items():
        if stream not in slow and len(rows) >= length:
            ends.append(rows[length - 1 :])
            windows.append(np.lib.stride_tricks.sliding_window_view(rows, length))
    end, window = np.concatenate(ends), np.concatenate(windows)
    order = np.argsort(end, kind="stable")
    return end[order], window[order]


def _unobservable(horizons_s: tuple[int, ...], spacing_ms: dict[str, float]) -> NotEnoughData:
    spacing_s = min(spacing_ms.values(), default=float("inf")) / 1_000
    listed = ",".join(map(str, horizons_s))
    if not np.isfinite(spacing_s):
        return NotEnoughData("ticks to see any return", len(spacing_ms), 2, "collect longer")
    step = int(np.ceil(spacing_s))
    return NotEnoughData(
        f"observable horizons: horizons {listed} s are shorter than the data's spacing of {spacing_s:g} s", 0, 1,
        f"set horizons of at least {step} s, e.g. ML_LSTM__HORIZONS_S={step},{2 * step},{5 * step}",
    )


def _horizon_notes(asked: tuple[int, ...], kept: tuple[int, ...]) -> list[str]:
    left_out = [h for h in asked if h not in kept]
    if not left_out:
        return []
    return [f"horizons {','.join(map(str, left_out))} s are left out: the data's events are further apart"]
