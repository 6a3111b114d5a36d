"""The threshold that a careful person would have found without any model: the baseline that ML has to beat to be worth its trouble."""

import numpy as np

from arbml.backtest.engine import Backtester
from arbml.backtest.strategy import MAX_AGE_MS, RuleStrategy
from arbml.backtest.tape import Tape
from arbml.config import CostsConfig
from arbml.frames import TickFrame

SHARES = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9)  # of the attempts that a floor leaves out


def best_floor(
    tester: Backtester, ticks: TickFrame | Tape, costs: CostsConfig, start_ms: int, end_ms: int, max_age_ms: int = MAX_AGE_MS
) -> float:
    """Return the least net profit above which sending would have earned most in a period, in the token of the routes.

    Tried are nothing and the quantiles (`SHARES`) of what the rule's own attempts of the period were thought to give. Of floors
    that earn the same, the lowest.

    Args:
        tester: with the costs, settings and fate of the runs to come.
        ticks: checked, or their tape.
        costs: of the finder.
        start_ms, end_ms: a past period, UTC ms: never the one that is judged.
        max_age_ms: states that happened longer ago are not traded on.
    """
    bare = tester.run(ticks, RuleStrategy(costs, 0.0, max_age_ms=max_age_ms), start_ms, end_ms)
    thought = bare.trades["expected_net"].to_numpy(np.float64)
    if not len(thought):
        return 0.0
    floors = np.unique(np.quantile(thought, SHARES[1:])).tolist()
    earned = {0.0: bare.net_profit}
    for floor in floors:
        earned[floor] = tester.run(ticks, RuleStrategy(costs, floor, max_age_ms=max_age_ms), start_ms, end_ms).net_profit
    return max(earned, key=lambda floor: earned[floor])
