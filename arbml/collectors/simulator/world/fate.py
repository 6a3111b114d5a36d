"""What becomes of an attempt in the world, for paper trading and backtests. For evaluation only: no bot may ask it."""

from arbml.collectors.simulator.world.simulator import World
from arbml.market import Opportunity, Result


class WorldFate:
    """A world as the judge of any bot's attempts; `Attempts` tells how they are sent and what decides over them.

    Two bots that send the same opportunity at the same moment meet the same fate.

    Args:
        world: in which the attempts are made.
    """

    def __init__(self, world: World) -> None:
        self._attempts = world.attempts

    def outcome(
        self, opportunity: Opportunity, request_id: str, now_ms: int, landed_ms: int, tip_gwei: float | None = None
    ) -> tuple[Result, float]:
        """Return the result of sending `opportunity` at `now_ms`, and the profit after everything, in its token.

        Args:
            opportunity: its gas price is the one that the bid is reckoned from. request_id: not used.
            now_ms: UTC. landed_ms: not used; the world's own blocks decide.
            tip_gwei: another priority fee than the recorded bot would bid.

        Raises:
            DataError: if the world does not span that moment, or has no such pool.
        """
        landed = self._attempts.land(opportunity, now_ms, tip_gwei)
        return landed.result, landed.profit

    def success_probability(self, opportunity: Opportunity, now_ms: int) -> float:
        """Return the true probability of success, known to 0.035. Raises as `outcome`."""
        return self._attempts.odds(opportunity, now_ms).success

    def expected_profit(self, opportunity: Opportunity, now_ms: int) -> float:
        """Return the true expectation of the profit, in the opportunity's token. Raises as `outcome`."""
        return self._attempts.odds(opportunity, now_ms).profit
