"""The simulated bot: what it knew, when it sent, and what became of it.

Its own swaps do not move the pools: it is one of the searchers whose trades the market already contains.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from arbml.collectors.simulator.config import BotSettings, SimulatorConfig
from arbml.collectors.simulator.market import Market
from arbml.collectors.simulator.shocks import Shocks
from arbml.config import CostsConfig
from arbml.market import Opportunity, Pool, Result
from arbml.market.finder import find_opportunities

RECENT_GAS_S = 600
SLOW_AGE_S = 15.0
EDGE_SCALE_BPS = 8.0
LONGEST_LANDING_MS = 120_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending.

    Attributes:
        step: the step whose ticks prompted it. age_s: how long the edge has been there.
        probability: the true probability of success.
    """

    step: int
    opportunity: Opportunity
    age_s: float
    probability: float


class Bot:
    """Watches the ticks of a market as they become known, and sends.

    Args:
        config: the simulation.
        costs: as the finder takes them.
        market, shocks: what happened.
        latency_ms: (n, m) int64, time from each tick to its being known, below the interval.
    """

    def __init__(
        self, config: SimulatorConfig, costs: CostsConfig, market: Market, shocks: Shocks, latency_ms: npt.NDArray[np.int64]
    ) -> None:
        self._config, self._costs, self._market, self._shocks = config, costs, market, shocks
        # a tick that was not yet known at the decision: the venue's tick before it is what the bot sees
        steps = np.arange(config.steps)[:, None]
        self._seen = np.maximum(steps - (latency_ms > config.bot.reaction_ms), 0)
        self._latency_ms = latency_ms
        self._ages_s = _ages(self._edges_bps() >= config.bot.min_edge_bps) * config.step_s

    def attempts(self) -> Iterator[Attempt]:
        """Yield what it sends, in order of time."""
        bot, step_s = self._config.bot, self._config.step_s
        free_at = 0.0
        # the first steps have no recent past to bid by
        for step in np.flatnonzero(self._ages_s > 0.0).tolist():
            if step * step_s < max(free_at, RECENT_GAS_S):
                continue
            found = find_opportunities(self._pools(step), self._costs, self.decided_ms(step))
            if found:
                free_at = step * step_s + bot.spacing_s
                yield Attempt(step, found[0], float(self._ages_s[step]), self.probability(found[0], step))

    def probability(self, found: Opportunity, step: int) -> float:
        """Return the true probability that sending `found` in a step succeeds; `BotSettings` states the formula."""
        bot: BotSettings = self._config.bot
        net_bps = 1e4 * found.net_profit / found.amount_in
        recent = self._market.gas_gwei[max(0, step - int(RECENT_GAS_S / self._config.step_s)) : step + 1]
        gas = math.log(float(self._market.gas_gwei[step]) / float(recent.mean()))
        logit = (
            bot.base
            + bot.edge * math.tanh(net_bps / EDGE_SCALE_BPS)
            + bot.gas * gas
            + bot.age * math.log1p(float(self._ages_s[step]) / SLOW_AGE_S)
            + bot.volatility * float(self._market.nerves[step])
            + bot.competition * float(self._market.competition[step])
        )
        return 1.0 / (1.0 + math.exp(-logit))

    def outcome(self, found: Opportunity, step: int, probability: float) -> tuple[Result, float]:
        """Return what becomes of sending `found` in a step, and its profit after everything, in its token."""
        result = self._result(step, probability)
        success_profit = found.net_profit + self._config.bot.slippage_bps / 1e4 * found.amount_in * float(self._shocks.slippage[step])
        return result, {Result.SUCCESS: success_profit, Result.FAILED: 0.0, Result.REVERTED: -found.revert_cost}[result]

    def decided_ms(self, step: int) -> int:
        """Return when the ticks of a step prompt a decision, UTC ms."""
        return self._config.start_ts_ms + step * self._config.interval_ms + self._config.bot.reaction_ms

    def execution(self, attempt: Attempt, request_id: str) -> dict[str, Any]:
        """Return the row of `frames.EXECUTIONS` that tells what became of an attempt."""
        bot, found, step = self._config.bot, attempt.opportunity, attempt.step
        result, profit = self.outcome(found, step, attempt.probability)
        landing_ms = min(bot.landing_ms * math.exp(0.3 * self._shocks.landing[step]), LONGEST_LANDING_MS)
        gas_parts = {Result.SUCCESS: 1.0, Result.FAILED: 0.0, Result.REVERTED: self._costs.revert_gas_fraction}
        return {
            "ts_ms": found.ts_ms,
            "ts_known_ms": found.ts_ms + math.ceil(landing_ms),
            "request_id": request_id,
            "result": result.value,
            "chain_id": self._config.chain_id,
            "route": found.route.name,
            "profit": profit,
            "profit_token": found.token,
            "gas_used": found.gas_units * gas_parts[result],
            "gas_price_gwei": found.gas_price_gwei,
            "latency_ms": landing_ms,
            "opportunity": json.dumps(found.to_dict()),
        }

    def _edges_bps(self) -> npt.NDArray[np.float64]:
        prices = np.take_along_axis(self._market.quote / self._market.base, self._seen, axis=0)
        edges: npt.NDArray[np.float64] = 1e4 * np.log(prices.max(axis=1) / prices.min(axis=1))
        return edges

    def _pools(self, step: int) -> list[Pool]:
        return [self._pool(venue, int(seen)) for venue, seen in enumerate(self._seen[step])]

    def _pool(self, venue: int, seen: int) -> Pool:
        settings, market = self._config.venues[venue], self._market
        base, quote = float(market.base[seen, venue]), float(market.quote[seen, venue])
        ts_ms = self._config.start_ts_ms + seen * self._config.interval_ms
        return Pool(
            venue=settings.name,
            pair=self._config.pair,
            price=quote / base,
            fee_bps=settings.fee_bps,
            ts_ms=ts_ms,
            ts_known_ms=ts_ms + int(self._latency_ms[seen, venue]),
            reserve_base=base,
            reserve_quote=quote,
            liquidity=2.0 * quote,
            gas_price_gwei=float(market.gas_gwei[seen]),
            chain_id=self._config.chain_id,
        )

    def _result(self, step: int, probability: float) -> Result:
        if self._shocks.success[step] < probability:
            return Result.SUCCESS
        return Result.REVERTED if self._shocks.revert[step] < self._config.bot.revert_share else Result.FAILED


def _ages(there: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return for each step how many steps in a row, itself included, have been true.

    >>> _ages(np.array([True, True, False, True])).tolist()
    [1, 2, 0, 1]
    """
    steps = np.arange(1, len(there) + 1)
    ages: npt.NDArray[np.int64] = steps - np.maximum.accumulate(np.where(there, 0, steps))
    return ages
