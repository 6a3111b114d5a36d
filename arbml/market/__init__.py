"""What is traded and what it costs: the types that travel, AMM mathematics, costs, and the finder."""

from arbml.market.types import (
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
    "Execution",
    "Leg",
    "Opportunity",
    "Outcome",
    "Pool",
    "Prediction",
    "PriceForecast",
    "Recommendation",
    "Result",
    "Route",
    "Tick",
    "Variant",
    "VolatilityForecast",
    "opportunity_from_dict",
]
