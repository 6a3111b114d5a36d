"""Models and baselines of each kind, made from the configuration and not fitted yet."""

from typing import TYPE_CHECKING

from arbml.errors import ModelError

if TYPE_CHECKING:
    from arbml.config import Config
    from arbml.models.base import Model


def fresh_model(kind: str, config: "Config") -> "Model":
    """Return the model that learns a kind. Loads its training library.

    Raises:
        ModelError: if there is no such kind.
    """
    if kind == "lstm":
        from arbml.models.lstm import LSTMPredictor

        return LSTMPredictor(config.lstm, config.training)
    if kind == "scorer":
        from arbml.models.scorer import OpportunityScorer

        return OpportunityScorer(config.scorer, config.training)
    if kind == "volatility":
        from arbml.models.volatility import VolatilityPredictor

        return VolatilityPredictor(config.volatility)
    raise _unknown(kind)


def fresh_baseline(kind: str, config: "Config") -> "Model":
    """Return the baseline that a kind must beat.

    Raises:
        ModelError: if there is no such kind.
    """
    from arbml.models.baseline import BaseRate, RealizedVolatility, ZeroChange

    if kind == "lstm":
        return ZeroChange(config.lstm)
    if kind == "scorer":
        return BaseRate()
    if kind == "volatility":
        return RealizedVolatility(config.volatility)
    raise _unknown(kind)


def _unknown(kind: str) -> ModelError:
    return ModelError(f"no model is called '{kind}'; there are lstm, scorer, volatility")
