"""What a flow works in: the configuration, the store, the registry, and which ticks it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel

from arbml.clock import Clock, SystemClock
from arbml.config import Config
from arbml.dataset import Dataset, as_if_live, opportunity_dataset, price_dataset, volatility_dataset
from arbml.errors import NotEnoughData
from arbml.features import compute_features
from arbml.frames import ExecutionFrame, FeatureFrame, TickFrame
from arbml.registry import Registry
from arbml.settings import load_settings
from arbml.store import Store

KINDS = ("lstm", "scorer", "volatility")


class Selection(BaseModel, frozen=True):
    """Which ticks the work is about. Without streams: all; without times: the last `history_days` up to the newest tick.

    Attributes:
        streams: "venue|PAIR" names.
        start_ms, end_ms: event time, UTC ms, both inclusive.
        as_of_ms: only what was known then.
    """

    streams: tuple[str, ...] | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    as_of_ms: int | None = None


@dataclass
class Workspace:
    """The open store and registry of one home."""

    config: Config = field(default_factory=load_settings)
    clock: Clock = field(default_factory=SystemClock)

    @property
    def home(self) -> Path:
        """Where everything is written."""
        return self.config.home_path

    @cached_property
    def store(self) -> Store:
        """The store, opened and migrated at first use."""
        return Store.open(self.config.store, self.home)

    @cached_property
    def registry(self) -> Registry:
        """The registry, opened at first use."""
        return Registry(self.config.registry, self.home)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The models that are enabled."""
        config = self.config
        enabled = {"lstm": config.lstm.enabled, "scorer": config.scorer.enabled, "volatility": config.volatility.enabled}
        return tuple(kind for kind in KINDS if enabled[kind])

    def ticks(self, selection: Selection) -> TickFrame:
        """Return the selected ticks in the order of knowing; what a backfill brought as a live collector would have known it.

        Raises:
            NotEnoughData: if there are none.
        """
        streams = selection.streams or ()
        start_ms, end_ms = selection.start_ms, selection.end_ms
        if start_ms is None and end_ms is None:
            newest = self.store.ticks.stats().newest_ms
            start_ms = None if newest is None else newest - self.config.collection.history_days * 86_400_000
        df = self.store.ticks.read(
            venues=sorted({s.split("|")[0] for s in streams}) or None,
            pairs=sorted({s.split("|")[1] for s in streams}) or None,
            start_ms=start_ms, end_ms=end_ms, as_of_ms=selection.as_of_ms,
        )
        if df.empty:
            raise NotEnoughData("ticks in the store", 0, 1, "collect some first: arbml collect sim, or arbml collect file FILE")
        collection = self.config.collection
        first_ms, last_ms = int(df["ts_ms"].min()), int(df["ts_ms"].max())
        late = self.store.chain.late_blocks(collection.late_s * 1_000, first_ms, last_ms + 1, selection.as_of_ms)
        return as_if_live(df, late, collection.live_lag_ms)

    def executions(self, ticks: TickFrame) -> ExecutionFrame:
        """Return the executions of the period that the ticks span."""
        return self.store.executions.read(start_ms=int(ticks["ts_ms"].min()), end_ms=int(ticks["ts_known_ms"].max()))

    def features(self, ticks: TickFrame) -> FeatureFrame:
        """Return the feature rows of the ticks."""
        return compute_features(ticks)

    def dataset(self, kind: str, ticks: TickFrame, features: FeatureFrame) -> Dataset:
        """Build the dataset of one model.

        Raises:
            NotEnoughData: if the ticks cannot give one, with the reason.
        """
        config = self.config
        if kind == "lstm":
            return price_dataset(ticks, features, config.lstm)
        if kind == "scorer":
            return opportunity_dataset(ticks, features, self.executions(ticks), config.costs, config.scorer)
        return volatility_dataset(ticks, config.volatility)


def chosen(models: Sequence[str] | None, workspace: Workspace) -> tuple[str, ...]:
    """Return the kinds to work on: those asked for, or all that are enabled."""
    return tuple(models) if models else workspace.kinds
