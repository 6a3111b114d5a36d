"""The very bot as a strategy: its finder, its orchestrator, its judgement, on a clock that stands where the backtest stands."""

import re
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Protocol

from arbml.backtest.decisions import Decision
from arbml.backtest.recording import Event, RecordingAdvisor
from arbml.backtest.strategy import Order, View, Wake
from arbml.backtest.training import Training
from arbml.bot.advisor import Advisor
from arbml.bot.ml import MLOrchestrator
from arbml.bot.orchestrator import ArbitrageOrchestrator
from arbml.clock import ReplayClock
from arbml.config import Config, changed
from arbml.errors import ModelError
from arbml.market import Execution, Tick

Advise = Callable[[Path, ReplayClock], Advisor]


class Bundles(Protocol):
    """What serves when, e.g. `arbml.backtest.retraining.WalkForward`."""

    def stage(self, now_ms: int) -> int:
        """Return a number that grows whenever another bundle serves."""
        ...

    def bundle(self, now_ms: int, kinds: Sequence[str]) -> Path:
        """Return the bundle that serves at a moment (UTC ms), with models of these kinds only."""
        ...

    def trainings(self, now_ms: int) -> tuple[Training, ...]:
        """Return what was trained until a moment."""
        ...


class BotStrategy:
    """Runs `ArbitrageOrchestrator`, with `MLOrchestrator` as its advisor where there are bundles.

    Repeatable: the clock is that of the backtest, the stopwatch stands still (no latency budget fires because this machine
    is busy), request ids are counted, nothing is written to the journal, and everything happens in one thread.

    Args:
        name: of the arm.
        config: costs, bot, inference and model sections.
        tokens: routes start and end in one of them; in that of the backtest without them.
        bundles: who serves when; without them ML is off and the rule decides.
        kinds: models that may be used.
        wakes: at which moments it looks; EDGE is as good as ALL where all ticks are of one pair, and faster.
        record: keep all that passes between bot and advisor in `events`, ticks included.
        advise: makes the advisor of a bundle; in process without it.
    """

    listens = True

    def __init__(
        self,
        name: str,
        config: Config,
        tokens: Sequence[str] = (),
        bundles: Bundles | None = None,
        kinds: Sequence[str] = (),
        *,
        wakes: Wake = Wake.ALL,
        record: bool = False,
        advise: Advise | None = None,
    ) -> None:
        self.name, self.wakes = name, wakes
        self.decisions: list[Decision] = []
        self.on_moment: Callable[[int], None] | None = None  # told each moment (UTC ms), for progress
        self._config, self._tokens = config, tuple(tokens)
        self._bundles, self._kinds = bundles, tuple(kinds)
        self._record, self._advise = record, advise or self._in_process
        self._clock = ReplayClock(0)
        self._advisor: Advisor | None = None
        self._recording: RecordingAdvisor | None = None
        self._bot: ArbitrageOrchestrator | None = None
        self._stage, self._begun = 0, False

    @property
    def events(self) -> list[Event]:
        """What passed between bot and advisor, in order, if it was recorded."""
        return self._recording.events if self._recording is not None else []

    @property
    def trainings(self) -> tuple[Training, ...]:
        """What was trained so far."""
        return self._bundles.trainings(self._clock.now_ms()) if self._bundles is not None and self._stage else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What one must know of this arm, for people."""
        if self._bundles is None:
            return ()
        said = []
        if "scorer" not in self._kinds or not any(one.kind == "scorer" and one.promoted for one in self.trainings):
            does = "sends what pays by the rule" if self._config.bot.without_ml == "rule" else "holds: it sends nothing"
            said.append(f"while no scorer serves, the baseline answers and the bot {does} (ML_BOT__WITHOUT_ML)")
        return tuple(said)

    def start(self, view: View) -> None:
        """Begin with an empty head."""
        self._tokens = self._tokens or (view.token,)
        self._clock = ReplayClock(0)
        self._bot = ArbitrageOrchestrator(
            self._config.costs,
            changed(self._config.bot, max_wait_ms=0),  # in this thread, however long it takes
            self._clock,
            stopwatch=_still,
            new_id=_counted(self.name),
        )

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Hand the ticks on; of those before the first decision the last ones, as a bundle brings its own past along."""
        assert self._bot is not None, "start comes first"
        if not self._begun:
            since_ms = ticks[-1].ts_known_ms - self._config.bot.max_pool_age_ms
            ticks = [tick for tick in ticks if tick.ts_known_ms > since_ms]
        self._bot.observe(ticks)

    def decide(self, now_ms: int) -> list[Order]:
        """Return what the bot wants sent."""
        assert self._bot is not None, "start comes first"
        self._begun = True
        self._clock.see(now_ms)
        if self.on_moment is not None:
            self.on_moment(now_ms)
        if self._bundles is not None and (stage := self._bundles.stage(now_ms)) > self._stage:
            self._stage = stage
            self._serve(self._bundles.bundle(now_ms, self._kinds), self._bot)
        found = self._bot.find_opportunities(self._tokens)
        self.decisions += [Decision.of(now_ms, one) for one in found]
        return [Order(one.request_id, one.opportunity, one.prediction) for one in found if one.execute]

    def settle(self, execution: Execution) -> None:
        """Tell the bot."""
        assert self._bot is not None, "start comes first"
        self._clock.see(execution.ts_known_ms)
        self._bot.record_outcome(execution)

    def close(self) -> None:
        """Let go of models and files."""
        if self._bot is not None:
            self._bot.close()
        if self._advisor is not None:
            self._advisor.close()

    def _serve(self, bundle: Path, bot: ArbitrageOrchestrator) -> None:
        """Let a bundle serve: the first one begins, a later one takes over warm.

        Raises:
            ModelError: if it cannot be loaded: a backtest that goes on without its models would measure something else.
        """
        if self._advisor is None:
            self._advisor = advisor = self._advise(bundle, self._clock)
            self._recording = RecordingAdvisor(advisor) if self._record else None
            bot.enable_ml(self._recording or advisor)
        elif isinstance(self._advisor, MLOrchestrator):
            self._advisor.reload(bundle)
        stats = self._advisor.get_stats()
        failed = [text for text in stats["problems"] if text.startswith(("no_bundle", "no_journal", "reload_failed", "not_ready"))]
        if failed:
            raise ModelError(f"{self.name}: the bundle {bundle} does not serve: {failed[0]}")

    def _in_process(self, bundle: Path, clock: ReplayClock) -> Advisor:
        return MLOrchestrator(bundle, self._config, clock=clock, journal=False, stopwatch=_still)


def _still() -> float:
    """A stopwatch that stands still."""
    return 0.0


def _counted(name: str) -> Callable[[], str]:
    slug, numbers = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-"), count(1)
    return lambda: f"{slug}-{next(numbers)}"
