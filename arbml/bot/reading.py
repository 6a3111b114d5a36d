"""What the service answers, believed only if it is an answer to what was asked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from arbml.bot.requests import prediction_from_json
from arbml.market import Opportunity, Prediction, PriceForecast, Recommendation, Variant, VolatilityForecast

_NUMBERS = ("success_probability", "expected_profit", "confidence", "latency_ms")
_PRICE, _VOLATILITY = (tuple(field.name for field in fields(kind)) for kind in (PriceForecast, VolatilityForecast))


def read_predictions(data: Any, questions: Sequence[tuple[Opportunity, str]]) -> list[Prediction]:
    """Read an answer of `/predict_many`. Raises KeyError, TypeError or ValueError if it is none to `questions`."""
    found = data["predictions"]
    if not isinstance(found, list) or len(found) != len(questions):
        raise ValueError(f"{len(questions)} were asked, another number is answered")
    return [read_prediction(one, question) for one, question in zip(found, questions, strict=True)]


def read_prediction(data: Any, question: tuple[Opportunity, str]) -> Prediction:
    """Read an answer of `/predict`; fields that are not known are passed over, as a newer service may have more.

    Raises:
        KeyError, TypeError, ValueError: if it is none, or one to another question, or says what nobody may say: an EXECUTE
            of a baseline, or of a loss.
    """
    if not isinstance(data, Mapping):
        raise TypeError("no object")
    told = dict(data)
    told["price_forecasts"] = [_only(one, _PRICE) for one in data["price_forecasts"]]
    told["volatility_forecast"] = [_only(one, _VOLATILITY) for one in data["volatility_forecast"]]
    prediction = prediction_from_json({**told, "features": {}})
    opportunity, request_id = question
    for name, mine in (("request_id", request_id), ("pair", opportunity.pair), ("profit_token", opportunity.token)):
        if getattr(prediction, name) != mine:
            raise ValueError(f"{name} is {str(getattr(prediction, name))[:64]!r}, asked was {mine!r}")
    for name in _NUMBERS:
        _finite(getattr(prediction, name), name)
    _finite(prediction.ts_ms, "ts_ms")
    if not (0 <= prediction.success_probability <= 1 and 0 <= prediction.confidence <= 1):
        raise ValueError("a probability or confidence is outside 0..1")
    if not (all(isinstance(reason, str) for reason in prediction.reasons) and isinstance(prediction.model_versions, dict)):
        raise TypeError("reasons or model_versions")
    if not isinstance(prediction.cached, bool):
        raise TypeError("cached")
    if prediction.recommendation is Recommendation.EXECUTE and (
        prediction.variant is Variant.BASELINE or prediction.expected_profit <= 0
    ):
        raise ValueError("EXECUTE of a baseline or of an expected loss")
    return prediction


class Seen(NamedTuple):
    """What became of ticks. `instance` changes when the service was started anew; "" where it does not say."""

    accepted: int
    late: int
    instance: str


class Settled(NamedTuple):
    """What became of an outcome."""

    joined: bool
    duplicate: bool


def read_seen(data: Any) -> Seen:
    """Read an answer of `/observe`. Raises KeyError, TypeError or ValueError if it is none."""
    return Seen(int(data["accepted"]), int(data["late"]), str(data.get("instance", "")))


def read_settled(data: Any) -> Settled:
    """Read an answer of `/outcome`. Raises KeyError, TypeError or ValueError if it is none."""
    joined, duplicate = data["joined"], data["duplicate"]
    if not (isinstance(joined, bool) and isinstance(duplicate, bool)):
        raise TypeError("joined or duplicate")
    return Settled(joined, duplicate)


def read_object(data: Any) -> dict[str, Any]:
    """Read any object."""
    if not isinstance(data, dict):
        raise TypeError("no object")
    return data


def _only(data: Any, names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        if name != "source":
            _finite(data[name], name)
    return {name: data[name] for name in names}


def _finite(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{name} is {value!r}")
