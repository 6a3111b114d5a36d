"""The arrays that the compiled world works on: what never changes, and what does."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Rules(NamedTuple):
    """What never changes. Columns are numbered in `kernels`.

    Attributes:
        weather: constants of prices and demand. token: (tokens, 2) loadings. chain: (chains, n). pool: (pools, n). rival: (rivals, 3).
        route: (routes, 2 + 2 x 3) int64: chain, legs, then pool and side (1 buys the base) of each leg. start: (routes,) int64 token.
    """

    weather: Floats
    token: Floats
    chain: Floats
    pool: Floats
    rival: Floats
    route: Ints
    start: Ints


class State(NamedTuple):
    """What changes; a copy of it is a world that may go on otherwise.

    Attributes:
        mood: (2,) fast and slow part of the log volatility.
        token: (tokens,) log of the efficient price, USDC.
        chain: (chains, n) fee market, hidden eagerness, counts. pool: (pools, n). age: (routes,) how long each has paid, s.
        position: (pools, positions, 3) lower and upper bound, in tick ranges, and liquidity.
    """

    mood: Floats
    token: Floats
    chain: Floats
    pool: Floats
    age: Floats
    position: Floats

    def copy(self) -> "State":
        """Return the same state in arrays of its own."""
        return State(*(array.copy() for array in self))


class Seen(NamedTuple):
    """What is recorded at each of n polls.

    Attributes:
        root, liquidity, volume: (n, pools) square root of the price, active liquidity, quote traded since the poll before.
        fee, full, eager: (n, chains) base fee of the next block and fullness of the last (gwei, part of the limit), hidden log eagerness.
        token: (n, tokens) log efficient price. sigma: (n,) volatility of the market per usual volatility.
    """

    root: Floats
    liquidity: Floats
    volume: Floats
    fee: Floats
    full: Floats
    eager: Floats
    token: Floats
    sigma: Floats

    @classmethod
    def empty(cls, n: int, pools: int, chains: int, tokens: int) -> "Seen":
        """Return room for n polls."""
        widths = (pools, pools, pools, chains, chains, chains, tokens)
        root, liquidity, volume, fee, full, eager, token = (np.empty((n, width)) for width in widths)
        return cls(root, liquidity, volume, fee, full, eager, token, np.empty(n))
