"""Which pools are the deepest, all measured in one token."""

import heapq
import math
from collections.abc import Sequence

from arbml.market.amm import spot_price
from arbml.market.types import Pool


def deepest_first(pools: Sequence[Pool], quote: str | None) -> list[int]:
    """Return the places of the pools by depth in `quote`, the deepest first.

    A token is worth in `quote` what the deepest pools between the two say. A pool that states no depth goes before all
    others (it is the market of an exchange, of which there are few), one whose tokens cannot be valued last.

    >>> small = Pool("a", "WETH/USDC", 2000.0, 5.0, 0, 0, reserve_base=1.0, reserve_quote=2_000.0)
    >>> large = Pool("b", "LINK/WETH", 0.01, 5.0, 0, 0, reserve_base=1_000.0, reserve_quote=10.0)
    >>> deepest_first([small, large], "USDC")
    [1, 0]
    """
    worth = _worth(pools, quote)

    def rank(i: int) -> tuple[float, str, str]:
        pool = pools[i]
        value, depth = worth.get(pool.pair.partition("/")[2]), pool.depth_quote
        known = -1.0 if value is None else math.inf if depth is None else depth * value
        return (-known if not math.isnan(known) else 1.0, pool.venue, pool.pair)

    return sorted(range(len(pools)), key=rank)


def _worth(pools: Sequence[Pool], quote: str | None) -> dict[str, float]:
    """Worth of each token in `quote`, reached over the deepest pools first."""
    of_token: dict[str, list[Pool]] = {}
    for pool in pools:
        if 0.0 < spot_price(pool) < math.inf:
            for token in pool.pair.split("/"):
                of_token.setdefault(token, []).append(pool)
    worth: dict[str, float] = {}
    ahead: list[tuple[float, str, float]] = [] if quote is None else [(-math.inf, quote, 1.0)]
    while ahead:
        _, token, value = heapq.heappop(ahead)
        if token in worth:
            continue
        worth[token] = value
        for pool in of_token.get(token, ()):
            base, _, quoted = pool.pair.partition("/")
            price = spot_price(pool)
            other, of_other, per_quote = (quoted, value / price, value / price) if token == base else (base, value * price, value)
            if other not in worth and 0.0 < of_other < math.inf:
                heapq.heappush(ahead, (-(pool.depth_quote or 0.0) * per_quote, other, of_other))
    return worth
