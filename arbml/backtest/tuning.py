"""The threshold that a careful person would have found without any model: the baseline that ML has to beat to be worth its trouble."""

from collections.abc import Callable

import numpy as np

from arbml.backtest.engine import Backtester
from arbml.backtest.strategy import Strategy
from arbml.backtest.tape import Tape
from arbml.frames import TickFrame

SHARES = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9)  # of the attempts that a floor leaves out


def best_floor(
    tester: Backtester, ticks: TickFrame | Tape, make: Callable[[float], Strategy], start_ms: int, end_ms: int
) -> float:
    """Return the floor above which sending would have earned most in a period, in the token of the routes.

    Tried are nothing and the quantiles (`SHARES`) of what the attempts of the period without a floor were thought to give net.
    Of floors that earn the same, the lowest.

    Args:
        tester: with the costs, settings and fate of the runs to come.
        ticks: checked, or their tape.
        make: the strategy above a floor, e.g. `lambda floor: RuleStrategy(costs, floor)`.
        start_ms, end_ms: a past period, UTC ms: never the one that is judged.
    """
    bare = tester.run(ticks, make(0.0), start_ms, end_ms)
    thought = bare.trades["expected_net"].to_numpy(np.float64)
    if not len(thought):
        return 0.0
    earned = {0.0: bare.net_profit}
    for floor in np.unique(np.quantile(thought, SHARES[1:])).tolist():
        earned[floor] = tester.run(ticks, make(floor), start_ms, end_ms).net_profit
    return max(earned, key=lambda floor: earned[floor])
