"""Two-venue arbitrage of one pair: buy the base where it is cheap, sell it where it is dear.

The one finder that labels, simulator, service and bot share. An opportunity only needs a positive gross edge; whether it
pays after fees, price impact and gas is in its `net_profit`, which may be negative.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from arbml.config import CostsConfig
from arbml.errors import DataError
from arbml.market import amm
from arbml.market import costs as gas
from arbml.market.native import two_venue_price
from arbml.market.routes import Hop, optimal_amount, price_route
from arbml.market.types import Leg, Opportunity, Pool, Route


def find_opportunities(
    pools: Sequence[Pool], costs: CostsConfig, ts_ms: int, amount_in: float | None = None
) -> list[Opportunity]:
    """Return every (buy venue, sell venue) of the same pair whose sell price is above its buy price, best net profit first.

    Args:
        pools: states of two or more venues; those of each pair and chain are combined among themselves.
        costs: gas units, gas price default, amounts.
        ts_ms: the moment of the decision, UTC ms.
        amount_in: quote put in; without it the amount that earns most (both reserves known, at most
            `costs.max_amount_quote`), or `costs.notional_quote` where reserves are unknown or no amount pays the fees.

    Raises:
        DataError: if `amount_in` is not positive. ConfigError: if the price of gas is unknown.

    >>> cheap = Pool("a", "WETH/USDC", 2000.0, 5.0, 0, 0)
    >>> dear = Pool("b", "WETH/USDC", 2020.0, 5.0, 0, 0)
    >>> best, = find_opportunities([cheap, dear], CostsConfig(), ts_ms=0, amount_in=2_000.0)
    >>> best.route.name, round(best.gross_profit, 2), round(best.fee_cost, 2), round(best.gas_cost, 2), round(best.net_profit, 2)
    ('buy:a>sell:b WETH/USDC', 20.0, 2.02, 9.6, 8.38)
    """
    return [_opportunity(priced, costs, ts_ms) for priced in _priced_routes(pools, costs, amount_in)]


def best_opportunity(
    pools: Sequence[Pool], costs: CostsConfig, ts_ms: int, amount_in: float | None = None
) -> Opportunity | None:
    """Return the first of `find_opportunities`, or None; faster, as the others are not built."""
    routes = _priced_routes(pools, costs, amount_in)
    return _opportunity(routes[0], costs, ts_ms) if routes else None


def reprice(opportunity: Opportunity, pools: Sequence[Pool], costs: CostsConfig, ts_ms: int) -> Opportunity | None:
    """Return the same route and amount on a new state, or None if one of its pools is not in `pools`.

    The edge may have gone: gross and net profit may be negative. A route of several pairs takes the price of gas from any of
    `pools` (`arbml.market.native`), so give it those between its start token and the gas token too. Raises ConfigError as
    `find_opportunities` does.
    """
    legs = opportunity.route.legs
    hops = [Hop(pool, leg.side) for leg in legs if (pool := _pool(leg, pools)) is not None]
    if len(hops) < len(legs):
        return None
    return price_route(hops, opportunity.amount_in, costs, ts_ms, two_venue_price(hops, pools, costs))


def _pool(leg: Leg, pools: Sequence[Pool]) -> Pool | None:
    return next((pool for pool in pools if pool.venue == leg.venue and pool.pair == leg.pair), None)


class _Priced(NamedTuple):
    """A route and amount on the states of its two pools."""

    buy: Pool
    sell: Pool
    buy_price: float
    sell_price: float
    amount_in: float
    base: float  # bought on the first leg, sold on the second
    out: float
    gwei: float
    gas_units: int
    gas_cost: float
    net_profit: float


def _priced_routes(pools: Sequence[Pool], costs: CostsConfig, amount_in: float | None) -> list[_Priced]:
    if amount_in is not None and not amount_in > 0.0:
        raise DataError(f"amount_in {amount_in!r} must be positive, in the quote token")
    spots = [(pool, amm.spot_price(pool)) for pool in pools]
    routes = [
        _price(buy, sell, _amount(buy, sell, costs) if amount_in is None else amount_in, costs)
        for buy, buy_price in spots
        for sell, sell_price in spots
        if sell_price > buy_price and buy.pair == sell.pair and buy.venue != sell.venue and buy.reaches(sell)
    ]
    routes.sort(key=lambda priced: (-priced.net_profit, priced.buy.venue, priced.sell.venue, priced.buy.pair))
    return routes


def _amount(buy: Pool, sell: Pool, costs: CostsConfig) -> float:
    best = 0.0
    if buy.curve is not None or sell.curve is not None:
        known = all(pool.has_reserves or pool.curve is not None for pool in (buy, sell))
        best = optimal_amount((Hop(buy, "buy"), Hop(sell, "sell")), costs.max_amount_quote) if known else 0.0
    elif buy.has_reserves and sell.has_reserves:
        best = amm.optimal_two_pool(buy, sell)
    return min(best or costs.notional_quote, costs.max_amount_quote)


def _price(buy: Pool, sell: Pool, amount_in: float, costs: CostsConfig) -> _Priced:
    buy_price, sell_price = amm.spot_price(buy), amm.spot_price(sell)
    base = amm.buy_base(buy, amount_in)
    out = amm.sell_base(sell, base)
    units = gas.gas_units(2, costs)
    gwei = gas.gas_price_gwei((buy, sell), costs)
    gas_cost = gas.gas_cost_quote(units, gwei, gas.native_price(buy.pair, buy_price, costs))
    net_profit = out - amount_in - gas_cost
    return _Priced(buy, sell, buy_price, sell_price, amount_in, base, out, gwei, units, gas_cost, net_profit)


def _opportunity(priced: _Priced, costs: CostsConfig, ts_ms: int) -> Opportunity:
    """Split the profit of a priced route into its terms; net = gross - fees - slippage - gas holds to rounding."""
    buy, sell, buy_price, sell_price, amount_in, base, out, gwei, units, gas_cost, net_profit = priced
    ideal = amount_in * (sell_price / buy_price)  # without fees and price impact
    after_fees = ideal * amm.keep_fraction(buy.fee_bps) * amm.keep_fraction(sell.fee_bps)
    legs = (
        Leg(buy.venue, buy.pair, "buy", buy.fee_bps, amount_in, base, buy_price, buy.depth_quote),
        Leg(sell.venue, sell.pair, "sell", sell.fee_bps, base, out, sell_price, sell.depth_quote),
    )
    return Opportunity(
        ts_ms=ts_ms,
        pair=buy.pair,
        route=Route(legs),
        token=buy.pair.partition("/")[2],
        amount_in=amount_in,
        gross_profit=ideal - amount_in,
        fee_cost=ideal - after_fees,
        slippage_cost=max(0.0, after_fees - out),  # rounding may leave -1e-13 where there is no impact
        gas_cost=gas_cost,
        net_profit=net_profit,
        revert_cost=gas.revert_cost(gas_cost, costs),
        gas_price_gwei=gwei,
        gas_units=units,
        edge_bps=1e4 * math.log(sell_price / buy_price),
    )
