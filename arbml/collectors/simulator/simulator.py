"""The simulated market as a collector: ticks, a bot's executions, and, for evaluation only, the truth behind them."""

import hashlib
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.collectors.base import RECORDED_BATCH
from arbml.collectors.simulator.bot import Attempt, Bot
from arbml.collectors.simulator.config import SimulatorConfig
from arbml.collectors.simulator.market import Market, run
from arbml.collectors.simulator.shocks import Shocks, draw
from arbml.config import CostsConfig
from arbml.frames import EXECUTIONS, TICKS, ExecutionFrame, TickFrame, sort_by_knowing

FIRST_BLOCK = 19_000_000
BLOCK_MS = 12_000


class Simulator:
    """A market that is the same for the same settings, on every machine up to the last bits of its logarithms.

    Args:
        config: the market. costs: what the bot's finder reckons with.
        batch_size: rows in one frame.

    The collector hands on what a bot could have seen. `truth` and `paths` are for evaluation; they never go into a store.
    """

    def __init__(self, config: SimulatorConfig | None = None, costs: CostsConfig | None = None, batch_size: int = RECORDED_BATCH) -> None:
        self._config, self._costs, self._batch_size = config or SimulatorConfig(), costs or CostsConfig(), batch_size

    @property
    def name(self) -> str:
        """Seed and a hash of all settings but the length: a longer run continues a shorter one."""
        text = self._config.model_dump_json(exclude={"hours"}) + self._costs.model_dump_json()
        return f"sim:{self._config.seed}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def config(self) -> SimulatorConfig:
        """The market's settings."""
        return self._config

    @property
    def total(self) -> int:
        """How many ticks it gives."""
        return self._config.steps * len(self._config.venues)

    def ticks(self) -> Iterator[TickFrame]:
        """Yield its ticks in the order of knowing."""
        yield from self._batches(self._ticks)

    def executions(self) -> Iterator[ExecutionFrame]:
        """Yield the bot's executions in the order of knowing."""
        yield from self._batches(self._executions)

    def truth(self) -> pd.DataFrame:
        """Return request_id and the true success_probability of every execution. For evaluation only."""
        return pd.DataFrame(
            {
                "request_id": [self._request_id(attempt) for attempt in self._attempts],
                "success_probability": [attempt.probability for attempt in self._attempts],
            }
        )

    def paths(self) -> pd.DataFrame:
        """Return what no venue shows, one row for each step. For evaluation only.

        Columns: ts_ms (UTC ms), efficient_price (quote per base), volatility (standard deviation of the efficient log-return
        of the step, without jumps), competition (log eagerness of other searchers, in standard deviations).
        """
        market = self._market
        return pd.DataFrame(
            {
                "ts_ms": self._step_ms(),
                "efficient_price": market.efficient,
                "volatility": market.sigma,
                "competition": market.competition,
            }
        )

    @cached_property
    def _shocks(self) -> Shocks:
        return draw(self._config)

    @cached_property
    def _market(self) -> Market:
        return run(self._config, self._shocks)

    @cached_property
    def _latency_ms(self) -> npt.NDArray[np.int64]:
        median = np.array([venue.latency_ms for venue in self._config.venues])
        # below the interval: a venue's ticks become known in their order
        latency = np.clip(np.ceil(median * np.exp(0.5 * self._shocks.latency)), 1, self._config.interval_ms - 1)
        return latency.astype(np.int64)

    @cached_property
    def bot(self) -> Bot:
        """The bot whose executions are recorded, and the truth behind them. For evaluation only."""
        return Bot(self._config, self._costs, self._market, self._shocks, self._latency_ms)

    @cached_property
    def _attempts(self) -> list[Attempt]:
        return list(self.bot.attempts())

    @cached_property
    def _ticks(self) -> TickFrame:
        market, config = self._market, self._config
        ts_ms = self._step_ms()
        frames = [
            pd.DataFrame(
                {
                    "ts_known_ms": ts_ms + self._latency_ms[:, number],
                    "ts_ms": ts_ms,
                    "venue": venue.name,
                    "pair": config.pair,
                    "price": market.quote[:, number] / market.base[:, number],
                    "chain_id": float(config.chain_id),
                    "fee_bps": venue.fee_bps,
                    "volume": market.volume[:, number],
                    "liquidity": 2.0 * market.quote[:, number],
                    "gas_price_gwei": market.gas_gwei,
                    "reserve_base": market.base[:, number],
                    "reserve_quote": market.quote[:, number],
                    "block_number": (FIRST_BLOCK + (ts_ms - config.start_ts_ms) // BLOCK_MS).astype(np.float64),
                }
            )
            for number, venue in enumerate(config.venues)
        ]
        return sort_by_knowing(TICKS.check(pd.concat(frames, ignore_index=True), self.name))

    @cached_property
    def _executions(self) -> ExecutionFrame:
        if not self._attempts:
            return EXECUTIONS.empty()
        rows = [self.bot.execution(attempt, self._request_id(attempt)) for attempt in self._attempts]
        return sort_by_knowing(EXECUTIONS.check(pd.DataFrame(rows), self.name))

    def _request_id(self, attempt: Attempt) -> str:
        return f"{self.name}:{attempt.step}"

    def _step_ms(self) -> npt.NDArray[np.int64]:
        return self._config.start_ts_ms + np.arange(self._config.steps, dtype=np.int64) * self._config.interval_ms

    def _batches(self, df: pd.DataFrame) -> Iterator[pd.DataFrame]:
        for start in range(0, len(df), self._batch_size):
            yield df.iloc[start : start + self._batch_size].reset_index(drop=True)
