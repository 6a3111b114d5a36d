"""Models that learn, their baselines, the loaders that serve them, and the decision.

Names are resolved on first use, so that the service, which imports `arbml.models.runtime`, never pays for a training library.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arbml.models.baseline import BaseRate, RealizedVolatility, ZeroChange
    from arbml.models.ensemble import EnsembleDecision, ReasonCode, decide
    from arbml.models.lstm import LSTMPredictor
    from arbml.models.runtime import PriceForecaster, SuccessScorer, VolatilityFilter, load_model
    from arbml.models.scorer import OpportunityScorer
    from arbml.models.volatility import VolatilityPredictor

_HOME = {
    "BaseRate": "baseline",
    "EnsembleDecision": "ensemble",
    "LSTMPredictor": "lstm",
    "OpportunityScorer": "scorer",
    "PriceForecaster": "runtime",
    "RealizedVolatility": "baseline",
    "ReasonCode": "ensemble",
    "SuccessScorer": "runtime",
    "VolatilityFilter": "runtime",
    "VolatilityPredictor": "volatility",
    "ZeroChange": "baseline",
    "decide": "ensemble",
    "load_model": "runtime",
}

__all__ = [
    "BaseRate",
    "EnsembleDecision",
    "LSTMPredictor",
    "OpportunityScorer",
    "PriceForecaster",
    "RealizedVolatility",
    "ReasonCode",
    "SuccessScorer",
    "VolatilityFilter",
    "VolatilityPredictor",
    "ZeroChange",
    "decide",
    "load_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'arbml.models' has no attribute {name!r}")
    return getattr(importlib.import_module(f"arbml.models.{_HOME[name]}"), name)
