"""The bot whose executions are recorded: what it knew, when it sent, and what became of it."""

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from arbml.collectors.simulator.world.arrays import Floats, Rules, Seen
from arbml.collectors.simulator.world.attempts import Attempts
from arbml.collectors.simulator.world.config import USD, WorldConfig
from arbml.collectors.simulator.world.kernels import columns
from arbml.config import CostsConfig
from arbml.market import Opportunity, Pool, Result
from arbml.market.cycles import CycleFinder

LOOSE_USD = 1.0  # the screen passes what is this much below what is sent: the finder has the last word


class Sent(NamedTuple):
    """One sending: the poll whose ticks prompted it, and what was sent."""

    poll: int
    opportunity: Opportunity


class WorldBot:
    """Watches the ticks of a world as they become known, and sends the cycle that pays most, from USDC to USDC.

    Args:
        config: the world. costs: what the finder reckons with.
        seen: what the polls recorded. rules: the world's.
        latency_ms: (n, pools) time from each tick to its being known, below the interval.
        attempts: says what becomes of them.
    """

    def __init__(
        self, config: WorldConfig, costs: CostsConfig, seen: Seen, rules: Rules, latency_ms: npt.NDArray[np.int64], attempts: Attempts
    ) -> None:
        self._config, self._costs, self._seen, self._rules, self._attempts = config, costs, seen, rules, attempts
        self._latency_ms = latency_ms
        # a tick that was not yet known at the decision: the pool's tick before it is what the bot sees
        self._known = np.maximum(np.arange(config.steps)[:, None] - (latency_ms > config.bot.reaction_ms), 0)

    def sent(self) -> Iterator[Sent]:
        """Yield what it sends, in order of time."""
        finder = CycleFinder(self._costs, self._config.bot.max_legs, quote=USD)
        free_at_s = 0
        for poll in np.flatnonzero(self._screen() >= self._config.bot.min_net_usd - LOOSE_USD).tolist():
            if poll * self._config.interval_s < free_at_s:
                continue
            for pool in self._pools(poll):
                finder.update(pool)
            found = finder.find([USD], self.decided_ms(poll), limit=1)
            if found and found[0].net_profit >= self._config.bot.min_net_usd:
                free_at_s = poll * self._config.interval_s + self._config.bot.spacing_s
                yield Sent(poll, found[0])

    def decided_ms(self, poll: int) -> int:
        """Return when the ticks of a poll prompt a decision, UTC ms."""
        return self._config.start_ts_ms + poll * self._config.interval_ms + self._config.bot.reaction_ms

    def execution(self, sent: Sent, request_id: str) -> dict[str, Any]:
        """Return the row of `frames.EXECUTIONS` that tells what became of a sending."""
        found = sent.opportunity
        landed = self._attempts.land(found, found.ts_ms)
        entry = next(pool for pool in self._config.pools if (pool.venue, pool.pair) == (found.route.legs[0].venue, found.pair))
        known_ms = landed.ts_ms + math.ceil(entry.latency_ms)
        gas_parts = {Result.SUCCESS: 1.0, Result.FAILED: 0.0, Result.REVERTED: self._costs.revert_gas_fraction}
        return {
            "ts_ms": found.ts_ms,
            "ts_known_ms": known_ms,
            "request_id": request_id,
            "result": landed.result.value,
            "chain_id": entry.chain_id,
            "route": found.route.name,
            "profit": landed.profit,
            "profit_token": found.token,
            "gas_used": found.gas_units * gas_parts[landed.result],
            "gas_price_gwei": landed.gas_price_gwei if landed.result is not Result.FAILED else found.gas_price_gwei,
            "latency_ms": float(known_ms - found.ts_ms),
            "opportunity": json.dumps(found.to_dict()),
        }

    def _screen(self) -> Floats:
        """For each poll the net profit of the best amount on the best route, USDC, without the bound on amounts; (n,)."""
        best = np.full(self._config.steps, -np.inf)
        gas = (self._seen.fee + [chain.tip_gwei for chain in self._config.chains]) * 1e-9
        for route, start in zip(self._rules.route, self._rules.start, strict=True):
            if start != 0:
                continue  # starts elsewhere than in USDC
            rate, curvature = np.ones(len(best)), np.zeros(len(best))
            for p, buys in route[2 : 2 + 2 * route[1]].reshape(-1, 2).tolist():
                root, liquidity = self._column(self._seen.root, p), self._column(self._seen.liquidity, p)
                keep = self._rules.pool[p, columns.KEEP]
                curvature += rate * keep / (liquidity * root if buys else liquidity / root)
                rate *= keep / root**2 if buys else keep * root**2
            units = self._costs.gas_units_base + route[1] * self._costs.gas_units_per_leg
            amount = np.minimum((np.sqrt(np.maximum(rate, 1.0)) - 1.0) / curvature, self._costs.max_amount_quote)
            native = np.exp(self._seen.token[:, int(self._rules.weather[columns.NATIVE])])
            net = rate * amount / (1.0 + curvature * amount) - amount - units * gas[:, route[0]] * native
            best = np.maximum(best, np.where(rate > 1.0, net, -np.inf))
        return best

    def _column(self, values: Floats, p: int) -> Floats:
        column: Floats = values[self._known[:, p], p]
        return column

    def _pools(self, poll: int) -> list[Pool]:
        return [self._pool(p, int(at)) for p, at in enumerate(self._known[poll])]

    def _pool(self, p: int, at: int) -> Pool:
        settings, seen = self._config.pools[p], self._seen
        root, liquidity = float(seen.root[at, p]), float(seen.liquidity[at, p])
        chain = int(self._rules.pool[p, columns.CHAIN])
        ts_ms = self._config.start_ts_ms + at * self._config.interval_ms
        return Pool(
            venue=settings.venue,
            pair=settings.pair,
            price=liquidity * root / (liquidity / root),
            fee_bps=settings.fee_bps,
            ts_ms=ts_ms,
            ts_known_ms=ts_ms + int(self._latency_ms[at, p]),
            reserve_base=liquidity / root,
            reserve_quote=liquidity * root,
            liquidity=2.0 * liquidity * root,
            gas_price_gwei=float(seen.fee[at, chain]) + self._config.chains[chain].tip_gwei,
            chain_id=settings.chain_id,
        )
