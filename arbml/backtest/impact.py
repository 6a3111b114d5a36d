"""What the bot's own trades do to the pools it trades with, and for how long.

The model: a trade moves a constant-product pool along its curve by some log-price, here and now, exactly as the swap
mathematics say (the fee stays outside of the curve, as in Uniswap v3, where it does not enter the price). Others trade the
pool back towards the market: what is left of the move halves in each half-life. The recording knows nothing of the trade,
so the recorded state of each later event is moved by what is left at its event time, along the curve of that state; moves
of several trades add up. Two things follow from it: a trade that lands meets what earlier ones left, and the ticks that the
strategy observes show it, from the event with which the trade landed. With a half-life of nothing, nothing persists. A pool
without reserves has no curve, and no impact that could persist.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from arbml.market import Pool, Tick
from arbml.market.amm import amount_out, keep_fraction, spot_price


def swapped(pool: Pool, side: str, amount_in: float) -> Pool:
    """Return a pool after a swap; one without reserves as it was.

    Args:
        pool: before. side: "buy": quote in, base out; "sell": base in, quote out.
        amount_in: in the token that goes in, before the fee.

    >>> pool = Pool("a", "WETH/USDC", 2000.0, 0.0, 0, 0, reserve_base=500.0, reserve_quote=1_000_000.0)
    >>> there = swapped(pool, "buy", 1_000_000.0)
    >>> there.reserve_base, there.reserve_quote, there.price
    (250.0, 2000000.0, 8000.0)
    >>> swapped(there, "sell", 250.0) == pool
    True
    """
    if not (pool.reserve_base and pool.reserve_quote):
        return pool
    base, quote, taken = pool.reserve_base, pool.reserve_quote, amount_in * keep_fraction(pool.fee_bps)
    if side == "buy":
        base, quote = base - amount_out(amount_in, quote, base, pool.fee_bps), quote + taken
    else:
        base, quote = base + taken, quote - amount_out(amount_in, base, quote, pool.fee_bps)
    moved = (quote / base) / spot_price(pool)
    return replace(pool, reserve_base=base, reserve_quote=quote, price=pool.price * moved)


class Impacts:
    """The displacement of each pool by own trades. The engine's: it knows of trades before the strategy does.

    Args:
        half_life_s: time in which half of it is gone; with 0 nothing is ever kept.
    """

    def __init__(self, half_life_s: float) -> None:
        from arbml.backtest import scan  # compiles, or loads what was compiled: not at import

        self._displacement, self._displaced = scan.displacement, scan.displaced
        self.half_life_ms = 1000.0 * half_life_s
        self._any = False
        self._n = np.zeros(0, np.int64)                # of each stream, how many moves
        self._ms = np.zeros((0, 8), np.int64)          # their landing times, ascending
        self._size = np.zeros((0, 8))                  # the displacement right after each

    def meet(self) -> None:
        """Make room for one more stream."""
        self._n = np.append(self._n, 0)
        wide = (1, self._ms.shape[1])
        self._ms = np.concatenate((self._ms, np.zeros(wide, np.int64)))
        self._size = np.concatenate((self._size, np.zeros(wide)))

    def arguments(self) -> tuple[Any, ...]:
        """Return the arrays in the order in which `scan` takes them."""
        return self._n, self._ms, self._size, self.half_life_ms

    def __bool__(self) -> bool:
        return self._any

    def left(self, stream: int, at_ms: int) -> float:
        """Return by which log-price a stream is displaced at an event time."""
        n = int(self._n[stream])
        return float(self._displacement(n, self._ms[stream], self._size[stream], at_ms, self.half_life_ms)) if n else 0.0

    def add(self, stream: int, landed_ms: int, log_price: float) -> None:
        """Move a pool, at an event time not before those of earlier moves."""
        if self.half_life_ms == 0.0 or log_price == 0.0:
            return
        size, n = self.left(stream, landed_ms) + log_price, int(self._n[stream])
        if n == self._ms.shape[1]:
            self._ms = np.concatenate((self._ms, np.zeros_like(self._ms)), axis=1)
            self._size = np.concatenate((self._size, np.zeros_like(self._size)), axis=1)
        self._ms[stream, n], self._size[stream, n] = landed_ms, size
        self._n[stream], self._any = n + 1, True

    def pool(self, pool: Pool, stream: int, at_ms: int) -> Pool:
        """Return a recorded state as it is at an event time after own trades."""
        moved = self.left(stream, at_ms)
        if moved == 0.0:
            return pool
        price, base, quote = self._moved(pool.price, pool.reserve_base, pool.reserve_quote, moved)
        return replace(pool, price=price, reserve_base=base, reserve_quote=quote)

    def tick(self, tick: Tick, stream: int) -> Tick:
        """Return a recorded tick as the bot sees it after own trades."""
        moved = self.left(stream, tick.ts_ms)
        if moved == 0.0:
            return tick
        price, base, quote = self._moved(tick.price, tick.reserve_base, tick.reserve_quote, moved)
        return replace(tick, price=price, reserve_base=base, reserve_quote=quote)

    def _moved(
        self, price: float, base: float | None, quote: float | None, moved: float
    ) -> tuple[float, float | None, float | None]:
        """The arithmetic of the event loop, so that ticks and view show the same bits."""
        known = [math.nan if value is None else value for value in (base, quote)]
        price, *reserves = self._displaced(price, *known, moved)
        base, quote = (None if value != value else value for value in reserves)
        return price, base, quote
