"""A route of any number of swaps: what comes out, the amount that earns most, and the profit in its terms.

A constant-product swap is the map out(x) = a x / (1 + c x), and such maps compose to such a map, so a route inside one
combination of tick ranges has its best amount in closed form. A route through v3 curves is walked: as long as the best
amount lies beyond the end of a range, the walk goes to that end. Profit is concave in the amount (each swap only gets
dearer), so the first best amount found is the best of all. Exact but for rounding; nothing is searched.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from arbml.config import CostsConfig
from arbml.errors import DataError
from arbml.market import amm
from arbml.market import costs as gas
from arbml.market.curve import Range, ranges
from arbml.market.types import Leg, Opportunity, Pool, Route


class Hop(NamedTuple):
    """One swap of a route. `side` is what it does to the base token: "buy" puts quote in, "sell" puts base in."""

    pool: Pool
    side: str

    @property
    def token_in(self) -> str:
        """The token that goes in."""
        base, _, quote = self.pool.pair.partition("/")
        return quote if self.side == "buy" else base

    @property
    def token_out(self) -> str:
        """The token that comes out."""
        base, _, quote = self.pool.pair.partition("/")
        return base if self.side == "buy" else quote

    def amount_out(self, amount_in: float) -> float:
        """Return what the swap pays after fee and price impact."""
        return amm.buy_base(self.pool, amount_in) if self.side == "buy" else amm.sell_base(self.pool, amount_in)

    def ranges(self) -> Iterator[Range]:
        """Name what the swap meets, fee included: one range without end, or those of the curve.

        A pool whose depth is unknown moves no price.
        """
        pool, rising = self.pool, self.side == "buy"
        keep, price = amm.keep_fraction(pool.fee_bps), amm.spot_price(pool)
        if pool.curve is not None:
            yield from (one.less(keep) for one in ranges(pool.curve, math.sqrt(price), rising=rising))
        elif pool.reserve_base and pool.reserve_quote:
            into, out_of = (pool.reserve_quote, pool.reserve_base) if rising else (pool.reserve_base, pool.reserve_quote)
            yield Range(out_of / into, 1.0 / into).less(keep)
        else:
            yield Range(1.0 / price if rising else price, 0.0).less(keep)


def route_amount_out(hops: Sequence[Hop], amount_in: float) -> float:
    """Return what the last hop pays when the first gets `amount_in` and each gets all that the one before it pays.

    What a v3 pool whose liquidity has run out cannot take is lost, as it is to a contract that does not ask for it back.
    """
    amount = amount_in
    for hop in hops:
        amount = hop.amount_out(amount)
    return amount


def optimal_amount(hops: Sequence[Hop], max_amount: float = math.inf) -> float:
    """Return the amount in, at most `max_amount`, for which amount out minus amount in is greatest.

    0.0 where no amount gains. A route that gains and moves no price (no depth known on any hop) takes `max_amount`.

    Raises:
        DataError: for a fee outside 0..10 000 bps, or a curve whose liquidity falls below zero.

    >>> cheap = Pool("a", "WETH/USDC", 2000.0, 30.0, 0, 0, reserve_base=500.0, reserve_quote=1_000_000.0)
    >>> dear = Pool("b", "WETH/USDC", 2040.0, 30.0, 0, 0, reserve_base=500.0, reserve_quote=1_020_000.0)
    >>> round(optimal_amount([Hop(cheap, "buy"), Hop(dear, "sell")]), 2)
    3475.95
    >>> optimal_amount([Hop(dear, "buy"), Hop(cheap, "sell")])
    0.0
    """
    ahead = [hop.ranges() for hop in hops]
    now = [next(one, None) for one in ahead]
    amount = 0.0
    while True:
        met = [one for one in now if one is not None]
        if len(met) < len(now):
            return amount  # the liquidity of a pool has run out
        rate, curvature = _composed(met)
        if not rate > 1.0:
            return amount
        best = (math.sqrt(rate) - 1.0) / curvature if curvature > 0.0 else math.inf
        end, which = _first_end(met)
        step = min(best, end, max_amount - amount)
        amount += step
        if step < end:
            return amount
        now = list(_advanced(met, step, which))
        now[which] = next(ahead[which], None)


def _composed(met: Sequence[Range]) -> tuple[float, float]:
    """Rate and curvature of the swaps after one another."""
    rate, curvature = 1.0, 0.0
    for one in met:
        curvature += rate * one.curvature
        rate *= one.rate
    return rate, curvature


def _first_end(met: Sequence[Range]) -> tuple[float, int]:
    """The amount into the route at which the first of the ranges ends, and which it is; inf where none does."""
    end, which = math.inf, 0
    for i, one in enumerate(met):
        rate, curvature = _composed(met[:i])
        if one.capacity < math.inf and rate > curvature * one.capacity:  # else the hops before it never pay that much
            needed = one.capacity / (rate - curvature * one.capacity)
            if needed < end:
                end, which = needed, i
    return end, which


def _advanced(met: Sequence[Range], amount: float, which: int) -> Iterator[Range]:
    """What is left of the ranges when `amount` has gone in, of which the range number `which` is filled."""
    for i, one in enumerate(met):
        amount = one.capacity if i == which else amount  # exactly, not but for rounding
        yield one.after(amount)
        amount = one.out(amount)


def price_route(hops: Sequence[Hop], amount_in: float, costs: CostsConfig, ts_ms: int, native_price: float) -> Opportunity:
    """Return the route with its profit: net = gross - fees - slippage - gas, to rounding.

    Gross is what the spot rates alone would gain, fees what they take of that, slippage the rest that price impact takes
    (and what a v3 pool without liquidity left does not take). A leg's `depth_quote` is in the start token, converted at the
    spot rates of the hops before it; where the quote is the start token it stays as it is.

    Args:
        hops: two or more, each taking what the one before it pays; the last pays what the first takes.
        amount_in: in the start token, positive.
        native_price: price of the gas token in the start token (`arbml.market.native`).

    Raises:
        DataError: if the hops are no such chain, the amount is not positive, or a price is not positive.
    """
    _check(hops, amount_in)
    legs, rate = _legs(hops, amount_in)
    ideal = after_fees = amount_in * rate  # without fees and price impact
    for hop in hops:
        after_fees = after_fees * amm.keep_fraction(hop.pool.fee_bps)
    amount_out = legs[-1].amount_out
    units, gwei = gas.gas_units(len(hops), costs), gas.gas_price_gwei([hop.pool for hop in hops], costs)
    gas_cost = gas.gas_cost_quote(units, gwei, native_price)
    return Opportunity(
        ts_ms=ts_ms,
        pair=hops[0].pool.pair,
        route=Route(legs),
        token=hops[0].token_in,
        amount_in=amount_in,
        gross_profit=ideal - amount_in,
        fee_cost=ideal - after_fees,
        slippage_cost=max(0.0, after_fees - amount_out),  # rounding may leave -1e-13 where there is no impact
        gas_cost=gas_cost,
        net_profit=amount_out - amount_in - gas_cost,
        revert_cost=gas.revert_cost(gas_cost, costs),
        gas_price_gwei=gwei,
        gas_units=units,
        edge_bps=1e4 * math.log(rate),
    )


def _legs(hops: Sequence[Hop], amount_in: float) -> tuple[tuple[Leg, ...], float]:
    """The swaps after one another, and the product of their spot rates."""
    bought, sold = 1.0, 1.0  # products of prices, divided once: of two venues the rate is then the very ratio of their prices
    amount, legs = amount_in, list[Leg]()
    for hop in hops:
        pool, price = hop.pool, amm.spot_price(hop.pool)
        if not 0.0 < price < math.inf:
            raise DataError(f"the price {price!r} of {pool.pair} on {pool.venue} is not positive; drop its state")
        out = hop.amount_out(amount)
        into = sold / bought  # tokens that go in, for one of the start token
        bought, sold = (bought * price, sold) if hop.side == "buy" else (bought, sold * price)
        worth = 1.0 / into if hop.side == "buy" else bought / sold if len(legs) + 1 < len(hops) else 1.0  # of the quote
        depth = None if pool.depth_quote is None else pool.depth_quote * worth
        legs.append(Leg(pool.venue, pool.pair, hop.side, pool.fee_bps, amount, out, price, depth))
        amount = out
    return tuple(legs), sold / bought


def _check(hops: Sequence[Hop], amount_in: float) -> None:
    if not 0.0 < amount_in < math.inf:
        raise DataError(f"amount_in {amount_in!r} must be positive, in the token that the route starts with")
    if len(hops) < 2:
        raise DataError(f"a route needs at least two swaps; got {len(hops)}")
    for hop, after in zip(hops, (*hops[1:], hops[0]), strict=True):
        if hop.side not in ("buy", "sell"):
            raise DataError(f"the side '{hop.side}' of {hop.pool.pair} on {hop.pool.venue} is neither 'buy' nor 'sell'")
        if hop.token_out != after.token_in:
            raise DataError(
                f"{hop.pool.pair} on {hop.pool.venue} pays {hop.token_out}, but the next swap, {after.pool.pair} on "
                f"{after.pool.venue}, takes {after.token_in}; each swap must take what the one before it pays, in a circle"
            )
