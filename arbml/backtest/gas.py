"""What a unit of gas costs an attempt, by the gas prices that the ticks of its venues stated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arbml.backtest.tape import VALUES, Floats, Tape
from arbml.config import BacktestConfig

MEAN_MS, RECENT_MS = 3_600_000, 600_000
_GAS = VALUES.index("gas_price_gwei")


@dataclass(frozen=True, slots=True)
class Bid:
    """What was offered at the decision, gwei. Average: `most` is the price itself. Dynamic: `most` is what it pays at most."""

    most: float
    tip: float
    fixed: bool

    def paid(self, base_gwei: float) -> float | None:
        """Return the price paid when the base price at landing is `base_gwei`; None if the bid is below it and it never lands.

        >>> Bid(most=12.0, tip=1.0, fixed=False).paid(10.0), Bid(12.0, 1.0, False).paid(11.5), Bid(12.0, 1.0, False).paid(12.5)
        (11.0, 12.0, None)
        """
        if self.fixed:
            return self.most
        return None if self.most < base_gwei else min(self.most, base_gwei + self.tip)


class GasMarket:
    """Bids by what is known at the decision.

    "average": the mean of the last hour's gas prices, whatever the price at landing. "dynamic" (EIP-1559): the bid, a
    percentile of the last ten minutes' gas prices plus the tip, is the most that is paid; landing pays the price there plus
    the tip as far as the bid reaches. The gas price of a tick is taken for the base price at its event time.

    Args:
        tape: of the run. config: of the backtest.
    """

    def __init__(self, tape: Tape, config: BacktestConfig) -> None:
        self._tape, self._config = tape, config

    def bid(self, streams: Sequence[int], now_ms: int, stated_gwei: float | None, default_gwei: float) -> Bid:
        """Return the bid of an order.

        Args:
            streams: that its route goes over.
            now_ms: of the decision.
            stated_gwei: what the strategy bids itself ("dynamic" only).
            default_gwei: taken for a percentile or mean of no ticks at all.
        """
        config = self._config
        if config.gas == "average":
            seen = self._seen(streams, now_ms, MEAN_MS)
            return Bid(float(seen.mean()) if seen.size else default_gwei, 0.0, fixed=True)
        if stated_gwei is not None:
            return Bid(stated_gwei, config.priority_gwei, fixed=False)
        seen = self._seen(streams, now_ms, RECENT_MS)
        level = float(np.percentile(seen, config.gas_percentile)) if seen.size else default_gwei
        return Bid(level + config.priority_gwei, config.priority_gwei, fixed=False)

    def _seen(self, streams: Sequence[int], now_ms: int, window_ms: int) -> Floats:
        """Gas prices of the ticks that happened in the window and are known, any order."""
        column, parts = self._tape.values[_GAS], []
        for stream in sorted(set(streams)):
            one = self._tape.series[stream]
            low = int(np.searchsorted(one.ts_ms, now_ms - window_ms, side="right"))
            high = int(np.searchsorted(one.ts_known_ms, now_ms, side="right"))
            prices = column[one.row[low:high]]
            parts.append(prices[~np.isnan(prices)])
        return np.concatenate(parts)
