"""Several strategies over the same ticks, costs and competition: the bot with ML, without it, without each model, and others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from arbml.backtest.bot_strategy import BotStrategy, Bundles
from arbml.backtest.comparison import Arm, Comparison, Role, compare
from arbml.backtest.decisions import mix
from arbml.backtest.engine import Backtester
from arbml.backtest.metrics import metrics
from arbml.backtest.strategy import Strategy, Wake
from arbml.backtest.tape import Tape, make_tape
from arbml.config import Config, PromotionConfig
from arbml.errors import ConfigError
from arbml.frames import TickFrame

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Contender:
    """A strategy that takes part.

    Attributes:
        name: for people, different from all others.
        role: "rule" is what the others are compared with; "tuned" the same above a floor found before; "oracle" knows what nobody can know.
        make: builds it, fresh for each run.
        without: the model that is left out, for the role "without".
        notes: what a reader must know of it.
    """

    name: str
    role: Role
    make: Callable[[], Strategy]
    without: str = ""
    notes: tuple[str, ...] = ()


def run_comparative(
    ticks: TickFrame | Tape,
    contenders: Sequence[Contender],
    backtester: Callable[[], Backtester],
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    trials: int = 1,
    rules: PromotionConfig | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Run every contender over the same ticks and compare them.

    Args:
        ticks: checked, or their tape; those before the start warm up.
        contenders: with different names.
        backtester: makes one for each run, all with the same costs, settings and fate.
        start_ms, end_ms: the period, UTC ms; all of the ticks without them.
        trials: how many strategies or settings were tried on these data; deflates the Sharpe ratios.
        rules: confidence and rounds of the bootstrap.
        seed: of the bootstrap.
        progress: called with the stage and the part done, 0 to 1.

    Raises:
        ConfigError: if two contenders have one name, or there are none.
    """
    names = [one.name for one in contenders]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"a comparison needs contenders with different names, got {', '.join(names) or 'none'}")
    tape = ticks if isinstance(ticks, Tape) else make_tape(ticks)  # checked and sorted once, not for each run
    known_ms = tape.known_ms
    period = (int(known_ms.min()) if start_ms is None else start_ms, int(known_ms.max()) if end_ms is None else end_ms)
    arms = []
    for number, contender in enumerate(contenders):
        stage = f"backtest {number + 1} of {len(contenders)}: {contender.name}"
        if progress is not None:
            progress(stage, 0.0)
        hear = _in_percent(stage, *period, progress) if progress is not None else None
        arms.append(_run_arm(tape, contender, backtester(), start_ms, end_ms, trials, hear))
        if progress is not None:
            progress(stage, 1.0)
    return compare(arms, rules, seed)


def bot_contenders(
    config: Config, bundles: Bundles | None, kinds: Sequence[str], *, wakes: Wake = Wake.ALL, against: bool = True
) -> list[Contender]:
    """Return the bot with ML, with the rule alone, and with each model left out.

    Args:
        config: of the bot.
        bundles: who serves when; None leaves the rule alone.
        kinds: models that may be used.
        wakes: see `BotStrategy`.
        against: False gives the bot with ML only.
    """

    def make(name: str, models: Sequence[str] | None) -> Callable[[], BotStrategy]:
        return lambda: BotStrategy(name, config, (), None if models is None else bundles, models or (), wakes=wakes)

    rule = Contender("ML off", "rule", make("ML off", None))
    if bundles is None:
        return [rule]
    found = [Contender("ML on", "ml", make("ML on", kinds))]
    if not against:
        return found
    found.append(rule)
    for kind in kinds:
        name = f"ML without {kind}"
        found.append(Contender(name, "without", make(name, [other for other in kinds if other != kind]), without=kind))
    return found


def _in_percent(stage: str, start_ms: int, end_ms: int, progress: Progress) -> Callable[[int], None]:
    """Return who turns moments into progress, told at most a hundred times."""
    told = 0

    def hear(now_ms: int) -> None:
        nonlocal told
        percent = (100 * (now_ms - start_ms)) // max(1, end_ms - start_ms)
        if told < percent < 100:
            told = percent
            progress(stage, percent / 100)

    return hear


def _run_arm(
    ticks: Tape,
    contender: Contender,
    backtester: Backtester,
    start_ms: int | None,
    end_ms: int | None,
    trials: int,
    hear: Callable[[int], None] | None,
) -> Arm:
    """Run one contender."""
    strategy = contender.make()
    if isinstance(strategy, BotStrategy):
        strategy.on_moment = hear
    try:
        result = backtester.run(ticks, strategy, start_ms, end_ms)
    finally:
        if isinstance(strategy, BotStrategy):
            strategy.close()
    arm = Arm(contender.name, contender.role, result, metrics(result, trials), notes=contender.notes, without=contender.without)
    if not isinstance(strategy, BotStrategy):
        return arm
    return replace(arm, mix=mix(strategy.decisions), trainings=strategy.trainings, notes=(*contender.notes, *strategy.notes))
