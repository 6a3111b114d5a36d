"""Several strategies over the same ticks, costs and competition: the bot with ML, without it, without each model, and others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from arbml.backtest.bot_strategy import BotStrategy
from arbml.backtest.comparison import Arm, Comparison, Role, compare
from arbml.backtest.decisions import mix
from arbml.backtest.engine import Backtester
from arbml.backtest.metrics import metrics
from arbml.backtest.strategy import Strategy
from arbml.config import PromotionConfig
from arbml.errors import ConfigError
from arbml.frames import TickFrame

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Contender:
    """A strategy that takes part.

    Attributes:
        name: for people, different from all others.
        role: "rule" is what the others are compared with; "oracle" knows what nobody can know.
        make: builds it, fresh for each run.
        without: the model that is left out, for the role "without".
    """

    name: str
    role: Role
    make: Callable[[], Strategy]
    without: str = ""


def run_comparative(
    ticks: TickFrame,
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
        ticks: checked; those before the start warm up.
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
    arms = []
    for number, contender in enumerate(contenders):
        stage = f"backtest {number + 1} of {len(contenders)}: {contender.name}"
        if progress is not None:
            progress(stage, 0.0)
        arms.append(run_arm(ticks, contender, backtester(), start_ms, end_ms, trials))
        if progress is not None:
            progress(stage, 1.0)
    return compare(arms, rules, seed)


def run_arm(
    ticks: TickFrame, contender: Contender, backtester: Backtester, start_ms: int | None, end_ms: int | None, trials: int
) -> Arm:
    """Run one contender."""
    strategy = contender.make()
    try:
        result = backtester.run(ticks, strategy, start_ms, end_ms)
    finally:
        if isinstance(strategy, BotStrategy):
            strategy.close()
    arm = Arm(contender.name, contender.role, result, metrics(result, trials), without=contender.without)
    if not isinstance(strategy, BotStrategy):
        return arm
    return replace(arm, mix=mix(strategy.decisions), trainings=strategy.trainings, notes=strategy.notes)
