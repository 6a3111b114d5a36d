"""What is traded and what it costs: the types that travel, swap mathematics, costs, routes, and the finder of two venues.

The finder of cycles stands apart, in `arbml.market.cycles`: it brings numba.
"""

from arbml.market.amm import amount_out, buy_base, optimal_two_pool, sell_base, spot_price, virtual_reserves
from arbml.market.book import UNKNOWN_FEE_BPS, PoolBook, pool_of
from arbml.market.costs import gas_cost_quote, gas_price_gwei, gas_units, native_price, revert_cost
from arbml.market.finder import best_opportunity, find_opportunities, reprice
from arbml.market.native import native_price_in, native_price_of
from arbml.market.routes import Hop, optimal_amount, price_route, route_amount_out
from arbml.market.types import (
    Curve,
    Execution,
    Leg,
    Opportunity,
    Outcome,
    Pool,
    Prediction,
    PriceForecast,
    Recommendation,
    Result,
    Route,
    Tick,
    Variant,
    VolatilityForecast,
    opportunity_from_dict,
)

__all__ = [
    "UNKNOWN_FEE_BPS",
    "Curve",
    "Execution",
    "Hop",
    "Leg",
    "Opportunity",
    "Outcome",
    "Pool",
    "PoolBook",
    "Prediction",
    "PriceForecast",
    "Recommendation",
    "Result",
    "Route",
    "Tick",
    "Variant",
    "VolatilityForecast",
    "amount_out",
    "best_opportunity",
    "buy_base",
    "find_opportunities",
    "gas_cost_quote",
    "gas_price_gwei",
    "gas_units",
    "native_price",
    "native_price_in",
    "native_price_of",
    "opportunity_from_dict",
    "optimal_amount",
    "optimal_two_pool",
    "pool_of",
    "price_route",
    "reprice",
    "revert_cost",
    "route_amount_out",
    "sell_base",
    "spot_price",
    "virtual_reserves",
]
