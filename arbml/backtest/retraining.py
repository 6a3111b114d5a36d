"""Walk-forward: at each scheduled time the models are trained on what was known then, gated, and bundled for the bot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from arbml.backtest.training import Champion, Standing, Training, baseline_only, train_once
from arbml.clock import FixedClock, iso
from arbml.config import Config
from arbml.dataset import Dataset, opportunity_dataset, price_dataset, volatility_dataset
from arbml.errors import ConfigError, NotEnoughData
from arbml.features import compute_features
from arbml.frames import ExecutionFrame, FeatureFrame, TickFrame, sort_by_knowing
from arbml.models.base import read_meta
from arbml.serving import write_bundle

KINDS = ("lstm", "scorer", "volatility")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Schedule:
    """When each model is trained: once at the start, then every so many hours; what is not in `every_h` is never trained."""

    every_h: Mapping[str, float]

    @classmethod
    def of(cls, config: Config, kinds: Sequence[str] | None = None, every_h: float | None = None) -> "Schedule":
        """Return the schedule of the configuration, for the enabled models.

        Args:
            config: retrain intervals of the models.
            kinds: those to train, without it all that are enabled.
            every_h: one interval for all of them, in place of their own, h.

        Raises:
            ConfigError: if an interval is not positive.
        """
        own: dict[str, float] = {
            "lstm": config.lstm.retrain_interval_hours,
            "scorer": config.scorer.retrain_interval_days * 24,
            "volatility": config.volatility.retrain_interval_hours,
        }
        enabled = {"lstm": config.lstm.enabled, "scorer": config.scorer.enabled, "volatility": config.volatility.enabled}
        if every_h is not None and not every_h > 0:
            raise ConfigError(f"models are retrained every {every_h:g} h; give a positive number of hours")
        return cls({kind: every_h or own[kind] for kind in KINDS if (kind in kinds if kinds is not None else enabled[kind])})

    def times(self, start_ms: int, end_ms: int) -> list[tuple[int, tuple[str, ...]]]:
        """Return when which models are due, from the start until before the end, UTC ms.

        >>> [(ms // HOUR_MS, kinds) for ms, kinds in Schedule({"lstm": 2, "scorer": 3}).times(0, 5 * HOUR_MS)]
        [(0, ('lstm', 'scorer')), (2, ('lstm',)), (3, ('scorer',)), (4, ('lstm',))]
        """
        due: dict[int, list[str]] = {start_ms: list(self.every_h)} if self.every_h else {}
        for kind, hours in self.every_h.items():
            for ms in range(start_ms + int(hours * HOUR_MS), end_ms, max(1, int(hours * HOUR_MS))):
                due.setdefault(ms, []).append(kind)
        return [(ms, tuple(due[ms])) for ms in sorted(due)]


class WalkForward:
    """Trains when asked what serves, each training once however many arms ask. Knows all ticks, uses those known then.

    Args:
        ticks: checked, from before the start on: the first training needs a past.
        executions: recorded outcomes, or None: then labels are replayed from the ticks.
        config: training, promotion, costs and model sections.
        schedule: when which model is trained.
        given: models that serve throughout, in place of trained ones; see `refuse_lookahead`.
        folder: models and bundles are written under it.
        start_ms, end_ms: the period of the backtest, UTC ms.
        progress: called with the stage and the part done, 0 to 1.
    """

    def __init__(
        self,
        ticks: TickFrame,
        executions: ExecutionFrame | None,
        config: Config,
        schedule: Schedule,
        folder: Path,
        start_ms: int,
        end_ms: int,
        progress: Progress | None = None,
        given: Mapping[str, Champion] | None = None,
    ) -> None:
        self._ticks, self._executions = sort_by_knowing(ticks), executions
        self._config, self._folder, self._progress = config, folder, progress
        self._given = given or {}
        self._times = schedule.times(start_ms, end_ms) if given is None else [(start_ms, KINDS)]
        self._standings: list[dict[str, Standing]] = []
        self._trained = () if given is not None else tuple(schedule.every_h)
        self._bundles: dict[tuple[int, tuple[str, ...]], Path] = {}
        self._kinds = tuple(schedule.every_h) if given is None else tuple(given)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The models that may serve."""
        return self._kinds

    def stage(self, now_ms: int) -> int:
        """Return how many of the scheduled times have come: another bundle serves when this grows."""
        return sum(ms <= now_ms for ms, _ in self._times)

    def bundle(self, now_ms: int, kinds: Sequence[str]) -> Path:
        """Return the bundle that serves at a moment, with the market as it was known then to start warm.

        Args:
            now_ms: UTC ms.
            kinds: models that the bot may use; a champion of another kind is left out, its baseline stays.

        Raises:
            NotEnoughData: if nothing was known yet.
        """
        key = (now_ms, tuple(sorted(kinds)))
        if key not in self._bundles:
            standing = self._standing(self.stage(now_ms))
            champions = {kind: one.champion for kind, one in standing.items() if one.champion is not None and kind in kinds}
            dest = self._folder / "bundles" / f"{now_ms}-{'-'.join(key[1]) or 'none'}"
            self._bundles[key] = write_bundle(
                {kind: champion.path for kind, champion in champions.items()},
                {kind: one.baseline for kind, one in standing.items()},
                self._config,
                self._known(now_ms),
                dest,
                versions={kind: champion.version for kind, champion in champions.items()},
                coverage=champions["lstm"].coverage if "lstm" in champions else {},
                clock=FixedClock(now_ms),
            )
        return self._bundles[key]

    def trainings(self, now_ms: int) -> tuple[Training, ...]:
        """Return what was trained until a moment, oldest first."""
        done = []
        for number in range(1, self.stage(now_ms) + 1):
            standing = self._standing(number)
            done += [standing[kind].training for kind in self._times[number - 1][1]]
        return tuple(done)

    def _standing(self, stage: int) -> dict[str, Standing]:
        """Return who answers after so many scheduled times; trains what has not been trained yet."""
        while len(self._standings) < stage:
            due_ms, kinds = self._times[len(self._standings)]
            before = self._standings[-1] if self._standings else {}
            self._standings.append(before | {kind: self._train(kind, due_ms, before.get(kind)) for kind in kinds})
        return self._standings[stage - 1] if stage else {}

    def _train(self, kind: str, due_ms: int, before: Standing | None) -> Standing:
        stage = f"train {kind} on what was known at {iso(due_ms)}"
        if self._progress is not None:
            self._progress(stage, 0.0)
        try:
            dataset, folder = self._dataset(kind, due_ms), self._folder / f"{kind}-{due_ms}"
            if kind in self._trained:
                standing = train_once(kind, dataset, due_ms, before, self._config, folder)
            else:
                standing = baseline_only(kind, dataset, due_ms, self._given.get(kind), self._config, folder)
        except NotEnoughData as error:  # not even a dataset
            champion, baseline = (before.champion, before.baseline) if before else (self._given.get(kind), None)
            serves = "the baseline" if champion is None else f"the model {champion.version}"
            standing = Standing(champion, baseline, Training(kind, due_ms, 0, False, serves, f"not trained: {error}", 0.0))
        if self._progress is not None:
            self._progress(stage, 1.0)
        return standing

    def _dataset(self, kind: str, due_ms: int) -> Dataset:
        since_ms = due_ms - self._config.collection.history_days * DAY_MS
        ticks = self._known(due_ms, since_ms)
        if ticks.empty:
            raise NotEnoughData(f"ticks known before {iso(due_ms)}", 0, 1, "start the backtest later, or collect an earlier past")
        if kind == "volatility":
            return volatility_dataset(ticks, self._config.volatility)
        known_ms = self._features["ts_known_ms"].to_numpy()
        features = self._features[(known_ms > since_ms) & (known_ms <= due_ms)].reset_index(drop=True)
        if kind == "lstm":
            return price_dataset(ticks, features, self._config.lstm)
        return opportunity_dataset(ticks, features, self._told(due_ms, since_ms), self._config.costs, self._config.scorer)

    @cached_property
    def _features(self) -> FeatureFrame:
        """Of all ticks, once: a row depends on nothing that became known after it, so that cutting rows is as good as cutting ticks."""
        return compute_features(self._ticks)

    def _known(self, now_ms: int, since_ms: int | None = None) -> TickFrame:
        """Return the ticks known at a moment, and after another one."""
        known_ms = self._ticks["ts_known_ms"].to_numpy()
        first = 0 if since_ms is None else int(np.searchsorted(known_ms, since_ms, side="right"))
        return self._ticks.iloc[first : int(np.searchsorted(known_ms, now_ms, side="right"))].reset_index(drop=True)

    def _told(self, now_ms: int, since_ms: int) -> ExecutionFrame | None:
        if self._executions is None:
            return None
        told_ms = self._executions["ts_known_ms"].to_numpy()
        return self._executions[(told_ms > since_ms) & (told_ms <= now_ms)].reset_index(drop=True)


def refuse_lookahead(champions: Mapping[str, Path], start_ms: int, chosen_to_ms: Mapping[str, int] | None = None) -> None:
    """Refuse models that know the backtest: trained on it, or chosen because they did well on it.

    Args:
        champions: directory of each model.
        start_ms: first moment of the backtest, UTC ms.
        chosen_to_ms: end of the data on which the gate chose the model, UTC ms, where that is known.

    Raises:
        ConfigError: naming model, dates and the mend.
    """
    for kind, path in champions.items():
        trained, chosen = read_meta(path).trained_to_ms, (chosen_to_ms or {}).get(kind, 0)
        if max(trained, chosen) >= start_ms:
            how = "trained on" if trained >= chosen else "promoted for doing well on"
            raise ConfigError(
                f"the champion of {kind} was {how} data up to {iso(max(trained, chosen))}, which reaches into the backtest from "
                f"{iso(start_ms)}: start later (--start), or leave --champions out to train walk-forward on what was known"
            )
