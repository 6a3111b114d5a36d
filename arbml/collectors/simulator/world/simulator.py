"""The world as a collector: ticks, a bot's executions, and, for evaluation only, the truth behind them."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.collectors.base import RECORDED_BATCH
from arbml.collectors.simulator.world.attempts import Attempts
from arbml.collectors.simulator.world.bot import Sent, WorldBot
from arbml.collectors.simulator.world.config import WorldConfig
from arbml.collectors.simulator.world.history import History
from arbml.collectors.simulator.world.kernels import columns
from arbml.collectors.simulator.world.layout import YEAR_S
from arbml.config import CostsConfig
from arbml.frames import EXECUTIONS, TICKS, ExecutionFrame, TickFrame, sort_by_knowing

FIRST_BLOCK = 19_000_000


class World:
    """A market of several pairs and chains that is the same for the same settings, on every machine up to the last bits of its logarithms.

    Args:
        config: the world. costs: what the bot's finder reckons with.
        batch_size: most rows in one frame.

    The collector hands on what a bot could have seen. `truth` and `paths` are for evaluation; they never go into a store.
    """

    def __init__(self, config: WorldConfig | None = None, costs: CostsConfig | None = None, batch_size: int = RECORDED_BATCH) -> None:
        self._config, self._costs, self._batch_size = config or WorldConfig(), costs or CostsConfig(), batch_size
        self.history = History(self._config)

    @property
    def name(self) -> str:
        """Seed and a hash of all settings but the length: a longer run continues a shorter one."""
        text = self._config.model_dump_json(exclude={"hours"}) + self._costs.model_dump_json()
        return f"world:{self._config.seed}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def config(self) -> WorldConfig:
        """The world's settings."""
        return self._config

    @property
    def total(self) -> int:
        """How many ticks it gives."""
        return self._config.steps * len(self._config.pools)

    def ticks(self) -> Iterator[TickFrame]:
        """Yield its ticks in the order of knowing."""
        # all ticks of a poll are known before the next one
        polls = max(1, self._batch_size // len(self._config.pools))
        for first in range(0, self._config.steps, polls):
            yield self._frame(slice(first, min(first + polls, self._config.steps)))

    def executions(self) -> Iterator[ExecutionFrame]:
        """Yield the bot's executions in the order of knowing."""
        df = self._executions
        for start in range(0, len(df), self._batch_size):
            yield df.iloc[start : start + self._batch_size].reset_index(drop=True)

    def truth(self) -> pd.DataFrame:
        """Return request_id, true success_probability and expected_profit (route's token) of every execution. For evaluation only."""
        odds = [self.attempts.odds(sent.opportunity, sent.opportunity.ts_ms) for sent in self._sent]
        return pd.DataFrame(
            {
                "request_id": [self._request_id(sent) for sent in self._sent],
                "success_probability": [one.success for one in odds],
                "expected_profit": [one.profit for one in odds],
            }
        )

    def paths(self) -> pd.DataFrame:
        """Return what no venue shows, one row for each poll. For evaluation only.

        Columns: ts_ms (UTC ms); efficient_price_TOKEN (USDC) and volatility_TOKEN (standard deviation of the efficient log-return
        of the interval, without jumps) of each token; base_fee_CHAIN (of the next block, gwei), fullness_CHAIN (of the last block,
        part of its limit) and competition_CHAIN (log eagerness of the rivals) of each chain.
        """
        seen, shown = self.history.seen, dict[str, npt.NDArray[Any]](ts_ms=self._poll_ms(slice(None)))
        for t, token in enumerate(self._config.tokens, start=1):
            shown[f"efficient_price_{token.name}"] = np.exp(seen.token[:, t])
            shown[f"volatility_{token.name}"] = token.volatility_annual * np.sqrt(self._config.interval_s / YEAR_S) * seen.sigma
        for c, chain in enumerate(self._config.chains):
            shown[f"base_fee_{chain.chain_id}"], shown[f"fullness_{chain.chain_id}"] = seen.fee[:, c], seen.full[:, c]
            shown[f"competition_{chain.chain_id}"] = seen.eager[:, c]
        return pd.DataFrame(shown)

    @cached_property
    def attempts(self) -> Attempts:
        """What becomes of attempts. For evaluation, and for worlds that bots are tried in."""
        return Attempts(self._config, self.history, self._costs)

    @cached_property
    def _latency_ms(self) -> npt.NDArray[np.int64]:
        median = np.array([pool.latency_ms for pool in self._config.pools])
        rng = np.random.default_rng(np.random.SeedSequence(self._config.seed).spawn(1)[0])
        latency = median * np.exp(0.5 * rng.standard_normal((self._config.steps, len(median))))
        # below the interval: a pool's ticks become known in their order
        return np.clip(np.ceil(latency), 1, self._config.interval_ms - 1).astype(np.int64)

    @cached_property
    def bot(self) -> WorldBot:
        """The bot whose executions are recorded."""
        return WorldBot(self._config, self._costs, self.history.seen, self.history.rules, self._latency_ms, self.attempts)

    @cached_property
    def _sent(self) -> list[Sent]:
        return list(self.bot.sent())

    @cached_property
    def _executions(self) -> ExecutionFrame:
        rows = [self.bot.execution(sent, self._request_id(sent)) for sent in self._sent]
        return sort_by_knowing(EXECUTIONS.check(pd.DataFrame(rows), self.name)) if rows else EXECUTIONS.empty()

    def _frame(self, polls: slice) -> TickFrame:
        """The ticks of some polls, in the order of knowing."""
        config, seen, ts_ms = self._config, self.history.seen, self._poll_ms(polls)
        n, m = len(ts_ms), len(config.pools)
        chains = self.history.rules.pool[:, columns.CHAIN].astype(np.int64)
        block_ms = 1000 * self.history.rules.chain[:, columns.BLOCK_S].astype(np.int64)
        root, liquidity = seen.root[polls].ravel(), seen.liquidity[polls].ravel()
        base, quote, ts = liquidity / root, liquidity * root, np.repeat(ts_ms, m)
        gas = seen.fee[polls] + [chain.tip_gwei for chain in config.chains]
        shown = {
            "ts_known_ms": ts + self._latency_ms[polls].ravel(),
            "ts_ms": ts,
            "venue": np.tile(np.array([pool.venue for pool in config.pools], dtype=object), n),
            "pair": np.tile(np.array([pool.pair for pool in config.pools], dtype=object), n),
            "price": quote / base,
            "chain_id": np.tile(np.array([float(pool.chain_id) for pool in config.pools]), n),
            "fee_bps": np.tile(np.array([pool.fee_bps for pool in config.pools]), n),
            "volume": seen.volume[polls].ravel(),
            "liquidity": 2.0 * quote,
            "gas_price_gwei": gas[:, chains].ravel(),
            "reserve_base": base,
            "reserve_quote": quote,
            "block_number": (FIRST_BLOCK + (ts_ms[:, None] - config.start_ts_ms) // block_ms[chains]).astype(np.float64).ravel(),
        }
        return sort_by_knowing(TICKS.check(pd.DataFrame(shown), self.name))

    def _request_id(self, sent: Sent) -> str:
        return f"{self.name}:{sent.poll}"

    def _poll_ms(self, polls: slice) -> npt.NDArray[np.int64]:
        return self._config.start_ts_ms + np.arange(self._config.steps, dtype=np.int64)[polls] * self._config.interval_ms
