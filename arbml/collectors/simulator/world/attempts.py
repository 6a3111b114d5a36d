"""An opportunity as a transaction in the world: its block, its bid, and what becomes of it."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from arbml.collectors.simulator.world.arrays import Floats
from arbml.collectors.simulator.world.config import ChainSettings, WorldConfig
from arbml.collectors.simulator.world.history import History
from arbml.collectors.simulator.world.kernels import columns
from arbml.config import CostsConfig
from arbml.errors import DataError
from arbml.market import Opportunity, Result

FORKS = 200  # the true probability is known to 0.035 (one standard error) at worst
RESULTS = {columns.SUCCEEDED: Result.SUCCESS, columns.REVERTS: Result.REVERTED, columns.FAILS: Result.FAILED}


class Odds(NamedTuple):
    """What an attempt is worth before anything of its future is drawn: probability of success, and mean profit in its token."""

    success: float
    profit: float


class Landed(NamedTuple):
    """What became of an attempt. `ts_ms` is the time of its block, UTC; profit in its token; gas price paid, gwei, 0 if nothing was."""

    result: Result
    profit: float
    ts_ms: int
    gas_price_gwei: float


class Attempts:
    """What becomes of attempts in a world, whoever makes them.

    An attempt is sent for one block: the first of its chain that is made `bot.latency_ms` or more after the decision. It bids the usual
    priority fee and `bot.bid_share` of its expected net profit. It does not land where the base fee has risen by more than
    `bot.headroom` since the ticks that it was priced on, where a full block takes higher tips only, or where the proposer does not
    take private transactions. Landed, it stands among the transactions of the block by its tip, and succeeds if its amount, swapped on
    what those before it have left, pays more than its gas and bid; otherwise it reverts and pays the configured part of them.

    Its swaps leave no trace in what the world goes on to show: each attempt is made in a copy of the world.
    """

    def __init__(self, config: WorldConfig, history: History, costs: CostsConfig) -> None:
        self._config, self._history, self._costs = config, history, costs
        self._pools = {(pool.venue, pool.pair): number for number, pool in enumerate(config.pools)}
        self._chains = [chain.chain_id for chain in config.chains]
        self._odds = lru_cache(maxsize=4096)(self._weigh)

    def land(self, found: Opportunity, now_ms: int, tip_gwei: float | None = None) -> Landed:
        """Return what becomes of sending `found` at `now_ms`, UTC.

        Args:
            tip_gwei: another priority fee than the world's bot would bid.

        Raises:
            DataError: if the world does not span that moment, or has no such pool.
        """
        decided, sent = self._decided(now_ms), self._attempt(found, now_ms, tip_gwei)
        if sent is None:
            return Landed(Result.FAILED, 0.0, now_ms, 0.0)
        (told,) = self._history.told(sent, decided, self._history.keys(1)).tolist()
        landed_ms = self._config.start_ts_ms + int(sent[columns.AT]) * 1000
        return Landed(RESULTS[told[columns.STATUS]], told[columns.PROFIT], landed_ms, told[columns.PAID_GWEI])

    def odds(self, found: Opportunity, now_ms: int, tip_gwei: float | None = None) -> Odds:
        """Return the true odds of sending `found` at `now_ms`, by letting the world go on from there `FORKS` times; raises as `land`."""
        return self._odds(found, now_ms, tip_gwei)

    def _weigh(self, found: Opportunity, now_ms: int, tip_gwei: float | None) -> Odds:
        decided, sent = self._decided(now_ms), self._attempt(found, now_ms, tip_gwei)
        if sent is None:
            return Odds(0.0, 0.0)
        told = self._history.told(sent, decided, self._history.keys(FORKS + 1)[1:])
        return Odds(float(np.mean(told[:, columns.STATUS] == columns.SUCCEEDED)), float(np.mean(told[:, columns.PROFIT])))

    def _decided(self, now_ms: int) -> int:
        """The last second that has happened by then."""
        config = self._config
        second = (now_ms - config.start_ts_ms) // 1000
        if not 0 <= second < config.steps * config.interval_s:
            spans = f"{config.hours:g} h from {config.start_ts_ms} ms"
            raise DataError(f"no simulated world at {now_ms} ms: it spans {spans}; take more hours")
        return second

    def _attempt(self, found: Opportunity, now_ms: int, tip_gwei: float | None) -> Floats | None:
        """The attempt as `kernels` has it; None for a route over several chains, which no block can hold."""
        bot, legs = self._config.bot, [(self._pool(leg.venue, leg.pair), leg.side == "buy") for leg in found.route.legs]
        chains = {self._config.pools[number].chain_id for number, _ in legs}
        if len(chains) > 1:
            return None
        place = self._chains.index(chains.pop())
        chain = self._config.chains[place]
        per_gwei = found.gas_units * 1e-9 * self._native_price(found)
        bid = bot.bid_share * max(found.net_profit, 0.0) / per_gwei if per_gwei else 0.0
        offer = chain.tip_gwei + bid if tip_gwei is None else tip_gwei
        base_fee = max(found.gas_price_gwei - chain.tip_gwei, 0.0)  # as the ticks have it
        attempt = np.zeros(columns.N_ATTEMPT)
        attempt[: columns.FIRST_LEG] = (
            self._block(chain, now_ms), place, len(legs), offer, base_fee * (1.0 + bot.headroom) + offer, found.amount_in,
            self._native_price(found), found.gas_units, self._costs.revert_gas_fraction,
        )  # fmt: skip
        attempt[columns.FIRST_LEG : columns.FIRST_LEG + 2 * len(legs)] = np.array(legs, dtype=np.float64).ravel()
        return attempt

    def _pool(self, venue: str, pair: str) -> int:
        try:
            return self._pools[venue, pair]
        except KeyError:
            raise DataError(f"the world has no {pair} on {venue}; send routes over its own pools") from None

    def _block(self, chain: ChainSettings, now_ms: int) -> int:
        """The second of the block that it lands in."""
        elapsed_ms, block_ms = now_ms - self._config.start_ts_ms, chain.block_s * 1000
        first = -(-(elapsed_ms + self._config.bot.latency_ms) // block_ms)
        return max(first, elapsed_ms // block_ms + 1) * chain.block_s

    @staticmethod
    def _native_price(found: Opportunity) -> float:
        """Price of the gas token in the token of the route, as the finder had it."""
        reckoned = found.gas_units * found.gas_price_gwei * 1e-9
        return found.gas_cost / reckoned if reckoned else 0.0
