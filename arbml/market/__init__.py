"""What is traded and what it costs: the types that travel, AMM mathematics, costs, and the finder."""

from arbml.market.amm import amount_out, buy_base, optimal_two_pool, sell_base, spot_price, virtual_reserves
from arbml.market.book import UNKNOWN_FEE_BPS, PoolBook, pool_of
from arbml.market.costs import gas_cost_quote, gas_price_gwei, gas_units, native_price, revert_cost
from arbml.market.finder import best_opportunity, find_opportunities, reprice
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
    "opportunity_from_dict",
    "optimal_two_pool",
    "pool_of",
    "reprice",
    "revert_cost",
    "sell_base",
    "spot_price",
    "virtual_reserves",
]
