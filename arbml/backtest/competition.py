"""Others who see the same opportunity.

At the landing of an attempt, a state that still pays whoever trades the best amount there has been taken with the
probability 1 - exp(-rate x delay) of at least one arrival of a Poisson process: the rate is the configured one, the delay
that from decision to landing. The competitor then trades that amount, fees and all, and ours meets what is left. Where the
depth is unknown, nothing of the edge is left. What a competitor did moves no later state: what others did is in the recording.

The draw is a hash of seed, route and landing time, so that strategies that meet the same opportunity meet the same
competitor, however often each of them asked. Bids do not change it: who pays more is not modelled to be earlier.
"""

import hashlib
import math
from collections.abc import Sequence

from arbml.backtest.impact import swapped
from arbml.market import Opportunity, Pool
from arbml.market.routes import Hop, optimal_amount, route_amount_out


def drawn(seed: int, route: str, landed_ms: int) -> float:
    """Return a number in 0..1 that depends on nothing else.

    >>> drawn(1, "r", 5) == drawn(1, "r", 5), drawn(1, "r", 5) == drawn(2, "r", 5)
    (True, False)
    """
    digest = hashlib.blake2b(f"{seed}|{route}|{landed_ms}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2.0**64


def outrun(rate_per_minute: float, delay_ms: int, draw: float) -> bool:
    """Return whether somebody arrives within the delay.

    >>> [outrun(2.0, 30_000, draw) for draw in (0.6, 0.7)]  # 1 - exp(-1) is 0.632
    [True, False]
    """
    return draw < -math.expm1(-rate_per_minute * delay_ms / 60_000.0)


def best_of_others(route: Opportunity, pools: Sequence[Pool], most: float) -> float:
    """Return what the best amount on a route nets, after fees, price impact and the gas of `route`.

    Args:
        route: priced on `pools`. pools: of its legs, in order. most: that anybody puts in, token.
    """
    hops = _hops(route, pools)
    if not all(hop.pool.has_reserves for hop in hops):
        return route.net_profit
    amount = optimal_amount(hops, most)
    return route_amount_out(hops, amount) - amount - route.gas_cost if amount > 0.0 else -route.gas_cost


def left_by(route: Opportunity, pools: Sequence[Pool], most: float) -> list[Pool] | None:
    """Return the pools of a route after a competitor has traded the best amount; None if the edge is gone, no depth being known."""
    hops = _hops(route, pools)
    if not all(hop.pool.has_reserves for hop in hops):
        return None
    amount, left = optimal_amount(hops, most), []
    for hop in hops:
        left.append(swapped(hop.pool, hop.side, amount))
        amount = hop.amount_out(amount)
    return left


def _hops(route: Opportunity, pools: Sequence[Pool]) -> list[Hop]:
    return [Hop(pool, leg.side) for pool, leg in zip(pools, route.route.legs, strict=True)]
