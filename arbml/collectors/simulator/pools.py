"""Constant-product pools side by side, moved by exact swaps and by nothing else but deposits."""

import math
from collections.abc import Sequence

from arbml.market import Pool, amm


class Pools:
    """The reserves of one pair's venues.

    Args:
        pair: BASE/QUOTE.
        names, fee_bps: one for each venue; the fee stays in the pool.
        reserve_quote: at the start, whole tokens.
        price: at the start, quote per base, the same everywhere.

    Attributes:
        base, quote: reserves, whole tokens. volume: traded since `start_step`, quote.

    >>> pools = Pools("WETH/USDC", ["a"], [30.0], [1_000_000.0], 2000.0)
    >>> round(pools.buy(0, 10_000.0), 6), round(pools.price(0), 3)  # a fee of 30 goes in first
    (4.93579, 2040.139)
    """

    def __init__(self, pair: str, names: Sequence[str], fee_bps: Sequence[float], reserve_quote: Sequence[float], price: float) -> None:
        self._pair, self._names = pair, tuple(names)
        self._fee_bps = tuple(fee_bps)
        self.quote = list(reserve_quote)
        self.base = [quote / price for quote in reserve_quote]
        self.volume = [0.0] * len(self.quote)

    def __len__(self) -> int:
        return len(self.base)

    def start_step(self) -> None:
        """Count volume from zero."""
        self.volume = [0.0] * len(self.base)

    def price(self, venue: int) -> float:
        """Return the marginal price at a venue, quote per base."""
        return self.quote[venue] / self.base[venue]

    def buy(self, venue: int, quote_in: float) -> float:
        """Swap quote for base; return the base that comes out."""
        out = amm.amount_out(quote_in, self.quote[venue], self.base[venue], self._fee_bps[venue])
        self.quote[venue] += quote_in
        self.base[venue] -= out
        self.volume[venue] += quote_in
        return out

    def sell(self, venue: int, base_in: float) -> float:
        """Swap base for quote; return the quote that comes out."""
        out = amm.amount_out(base_in, self.base[venue], self.quote[venue], self._fee_bps[venue])
        self.base[venue] += base_in
        self.quote[venue] -= out
        self.volume[venue] += out
        return out

    def deposit(self, venue: int, change: float) -> None:
        """Multiply both reserves by e^change: liquidity comes or goes, the price stays."""
        self.base[venue] *= math.exp(change)
        self.quote[venue] *= math.exp(change)

    def pull(self, venue: int, efficient: float, part: float) -> None:
        """Trade `part` of the way to where the venue's price is its fee away from `efficient`, if it is farther off."""
        gap = math.log(efficient / self.price(venue))
        excess = abs(gap) - self._fee_bps[venue] / 1e4
        if excess <= 0.0:
            return
        # moving the price by the factor e^m moves each reserve by e^(m/2), for base * quote stays (but for the fee)
        taken = math.expm1(0.5 * part * excess) / amm.keep_fraction(self._fee_bps[venue])
        if gap > 0.0:
            self.buy(venue, self.quote[venue] * taken)
        else:
            self.sell(venue, self.base[venue] * taken)

    def close_gap(self, margin_bps: float, part: float) -> None:
        """Take `part` of the best amount from the cheapest to the dearest venue, if that pays fees and `margin_bps`."""
        order = sorted(range(len(self)), key=self.price)
        cheap, dear = order[0], order[-1]
        edge_bps = 1e4 * math.log(self.price(dear) / self.price(cheap))
        if edge_bps > self._fee_bps[cheap] + self._fee_bps[dear] + margin_bps:
            best = amm.optimal_two_pool(self._pool(cheap), self._pool(dear))
            self.sell(dear, self.buy(cheap, part * best))

    def _pool(self, venue: int) -> Pool:
        return Pool(
            self._names[venue], self._pair, self.price(venue), self._fee_bps[venue], 0, 0,
            reserve_base=self.base[venue], reserve_quote=self.quote[venue],
        )  # fmt: skip
