"""What every volatility model does with streams, whether the rows of a dataset or ticks as they come: one code for both."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arbml.errors import FeatureSetMismatch, NotFitted
from arbml.models.bars import RegularBars, Series, series_of
from arbml.models.base import ModelMeta, check_features
from arbml.models.intervals import RatioIntervals, VarianceForecast, measured_horizons, realised

if TYPE_CHECKING:
    from arbml.dataset import Dataset

Floats = NDArray[np.float64]

MAX_STREAMS = 512  # the least recently updated stream is forgotten beyond


@dataclass(slots=True)
class _Live:
    """One stream: its bars, the state after the last of them and before it, and how many came without a gap."""

    bars: RegularBars
    state: Any = None
    before: Any = None
    seen: int = 0


class LiveVolatility(ABC):
    """A recursion per stream. Causal: an answer depends on rows and ticks up to its own time only.

    A stream starts at the model's state at the end of its training, moved to the first bar by its own forecast, if that bar
    is later; otherwise from the variance of the training. From there on each bar is one step.

    Not safe to share between threads without a lock: `update` changes state.
    """

    kind = "volatility"

    def __init__(self) -> None:
        self._live: OrderedDict[str, _Live] = OrderedDict()

    # what a model brings -------------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def meta(self) -> ModelMeta:
        """What is known of the model. Raises NotFitted before `fit`."""

    @property
    @abstractmethod
    def window_s(self) -> int:
        """Horizon of `predict`, s."""

    @property
    @abstractmethod
    def step_s(self) -> int:
        """Length of a bar, s."""

    @abstractmethod
    def intervals(self, stream: str) -> RatioIntervals:
        """Return how far forecasts stray; that of the default for a stream not seen in training."""

    @abstractmethod
    def _start(self, stream: str, ts_ms: int) -> Any:
        """Return the state before the bar that ends at `ts_ms`; states are plain JSON data."""

    @abstractmethod
    def _after(self, stream: str, state: Any, log_return: float, step: int) -> Any:
        """Return the state after a bar that ends `step` bars after the one before."""

    @abstractmethod
    def _total(self, stream: str, state: Any, bars: float) -> float:
        """Return the variance over the next `bars` bars."""

    # datasets ------------------------------------------------------------------------------------------------------
    def predict(self, ds: "Dataset") -> Floats:
        """Return for each row the variance forecast of the window after it, (n,), log-return^2.

        The state runs along the rows of each stream, so give a whole block: a single row has no past.

        Raises:
            NotFitted: before `fit`.
            FeatureSetMismatch: if the rows are of another kind than the training's.
        """
        return self.predict_interval(ds)[:, 0]

    def predict_interval(self, ds: "Dataset") -> Floats:
        """Return (n, 3): forecast, lower and upper end of the 90 % interval of the realised variance."""
        self._check(ds)
        out = np.full((len(ds), 3), np.nan)
        for series in series_of(ds):
            totals = [self._total(series.stream, state, self.horizon_bars) for state in self._states(series)]
            out[series.rows] = np.outer(totals, self.intervals(series.stream).around(1.0, self.horizon_bars))
        return out

    def ratios(self, ds: "Dataset") -> list[tuple[str, dict[int, Floats]]]:
        """Return for each stream, by horizon in bars, realised / forecast variance of the rows where it is known."""
        found = []
        for series in series_of(ds):
            states = list(self._states(series))
            by_bars = {}
            for bars in measured_horizons(self.horizon_bars):
                totals = np.array([self._total(series.stream, state, bars) for state in states])
                with np.errstate(divide="ignore", invalid="ignore"):
                    by_bars[bars] = realised(series, bars) / totals
            found.append((series.stream, by_bars))
        return found

    def _check(self, ds: "Dataset") -> None:
        check_features(self.meta, ds.feature_names, ds.feature_set_id)
        if ds.step_s is not None and ds.step_s != self.step_s:
            raise FeatureSetMismatch(
                f"{self.meta.model} was trained on bars of {self.step_s} s, the data has {ds.step_s} s; "
                "train again: arbml train volatility"
            )

    def _states(self, series: Series) -> Iterable[Any]:
        state = self._start(series.stream, int(series.ts_ms[0]))
        for log_return, step in zip(series.log_returns.tolist(), series.steps.tolist(), strict=True):
            state = self._after(series.stream, state, log_return, step)
            yield state

    @property
    def horizon_bars(self) -> int:
        """The length of the window in bars, at least 1."""
        return max(1, round(self.window_s / self.step_s))

    # ticks ---------------------------------------------------------------------------------------------------------
    def update(self, stream: str, ts_ms: int, price: float) -> None:
        """Take a tick: UTC ms, quote per base. Costs one recursion step for each bar that it completes."""
        live = self._live.get(stream)
        if live is None:
            live = self._live[stream] = _Live(RegularBars(self.step_s))
            if len(self._live) > MAX_STREAMS:
                self._live.popitem(last=False)
        else:
            self._live.move_to_end(stream)
        revised = live.bars.revise(ts_ms, price)
        if revised is not None:
            live.state = self._after(stream, live.before, revised.log_return, revised.step)
        for log_return, step in live.bars.update(ts_ms, price):
            live.before = live.state if live.state is not None else self._start(stream, ts_ms)
            live.state = self._after(stream, live.before, log_return, step)
            live.seen = live.seen + 1 if step == 1 else 1

    def ready(self, stream: str) -> bool:
        """True once as many bars as the window is long were seen."""
        live = self._live.get(stream)
        return live is not None and live.seen >= self.horizon_bars

    def forecast(self, stream: str, horizons_s: Sequence[float]) -> tuple[VarianceForecast, ...]:
        """Return the variance of the log-return over each horizon (s), from the state after the last complete bar.

        Raises:
            NotFitted: if no bar of the stream is complete yet.
        """
        live = self._live.get(stream)
        if live is None or live.state is None:
            raise NotFitted(f"volatility of {stream}: no complete bar yet; give it ticks with update first")
        intervals = self.intervals(stream)
        lengths = [horizon_s / self.step_s for horizon_s in horizons_s]
        return tuple(intervals.around(self._total(stream, live.state, bars), bars) for bars in lengths)

    def dump(self) -> dict[str, Any]:
        """Return the state of all streams as plain data, ready for JSON."""
        return {
            stream: {"bars": live.bars.dump(), "state": live.state, "before": live.before, "seen": live.seen}
            for stream, live in self._live.items()
        }

    def restore(self, data: dict[str, Any]) -> None:
        """Continue where `dump` of the same model was taken."""
        self._live.clear()
        for stream, saved in data.items():
            bars = RegularBars(self.step_s)
            bars.load(saved["bars"])
            self._live[stream] = _Live(bars, saved["state"], saved["before"], int(saved["seen"]))


