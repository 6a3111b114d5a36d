"""What becomes of an attempt in the simulated world, for paper trading and backtests. For evaluation only: no bot may ask it."""

from arbml.collectors.simulator.simulator import Simulator
from arbml.errors import DataError
from arbml.market import Opportunity, Result


class SimulatedFate:
    """The world of one simulator as the judge of any bot's attempts.

    The outcome of an attempt is drawn with its true probability (`BotSettings` has the formula) and with the random number
    of its step, which is the same whoever sends: two bots that send the same opportunity meet the same fate.

    Args:
        simulator: the market in which the attempts are made.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def outcome(self, opportunity: Opportunity, request_id: str, now_ms: int, landed_ms: int) -> tuple[Result, float]:
        """Return the result of sending `opportunity` at `now_ms`, and the profit after everything, in its token.

        Raises:
            DataError: if the simulation does not span that moment.
        """
        step = self._step(now_ms)
        return self._simulator.bot.outcome(opportunity, step, self._simulator.bot.probability(opportunity, step))

    def success_probability(self, opportunity: Opportunity, now_ms: int) -> float:
        """Return the true probability of success, which knows the hidden competition too. Raises as `outcome`."""
        return self._simulator.bot.probability(opportunity, self._step(now_ms))

    def expected_profit(self, opportunity: Opportunity, now_ms: int) -> float:
        """Return the true expectation of the profit, in the opportunity's token: what nobody can beat on average."""
        p = self.success_probability(opportunity, now_ms)
        return p * opportunity.net_profit - (1 - p) * self._simulator.config.bot.revert_share * opportunity.revert_cost

    def _step(self, now_ms: int) -> int:
        config = self._simulator.config
        step = (now_ms - config.start_ts_ms) // config.interval_ms
        if not 0 <= step < config.steps:
            spans = f"{config.hours:g} h from {config.start_ts_ms} ms"
            raise DataError(f"no simulated market at {now_ms} ms: it spans {spans}; take more hours")
        return step
