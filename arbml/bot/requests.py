"""The question that the bot asks, the same in process and over HTTP, and the wire's JSON in both directions."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from arbml.errors import InvalidRequest
from arbml.market import (
    Execution,
    Opportunity,
    Prediction,
    PriceForecast,
    Recommendation,
    Tick,
    Variant,
    VolatilityForecast,
)
from arbml.serving.requests import parse
from arbml.serving.schemas import OpportunityRequest, OutcomeRequest, TickRequest

MAX_ROUTE = 256  # characters of a route's name in an outcome; it is a label, nothing is joined by it
_TICK_FIELDS = tuple(TickRequest.model_fields)
_WHOLE = ("ts_ms", "ts_known_ms", "chain_id", "block_number", "log_index")
_OUTCOME_FIELDS = tuple(OutcomeRequest.model_fields)
_PREDICTION_FIELDS = frozenset(field.name for field in fields(Prediction))


def to_request(opportunity: Opportunity, request_id: str) -> OpportunityRequest:
    """Return the question: which legs, how much, seen when. The market state is left to whoever has the ticks.

    Raises:
        InvalidRequest: if a name or number is none that the service takes.
    """
    legs = [{"venue": leg.venue, "side": leg.side, "pair": leg.pair} for leg in opportunity.route.legs]
    return parse(
        OpportunityRequest,
        {
            "request_id": request_id,
            "ts_ms": int(opportunity.ts_ms),
            "pair": opportunity.pair,
            "legs": legs,
            "amount_in": float(opportunity.amount_in),
        },
    )


def to_outcome(execution: Execution) -> OutcomeRequest:
    """Return what to tell of an execution.

    Raises:
        InvalidRequest: if a name or number is none that the service takes.
    """
    said = {name: getattr(execution, name) for name in _OUTCOME_FIELDS}
    said["result"] = execution.result.value
    if execution.route is not None:  # an outcome is never lost for its label
        said["route"] = execution.route.encode("ascii", "replace").decode()[:MAX_ROUTE] or None
    return parse(OutcomeRequest, said)


def to_tick(tick: Tick) -> TickRequest:
    """Return a tick as a checked request.

    Raises:
        InvalidRequest: naming the first field that cannot be, e.g. a price that is not finite.
    """
    said = {name: getattr(tick, name) for name in _TICK_FIELDS}
    # whole numbers of numpy are whole numbers, too
    request = parse(TickRequest, said | {name: int(said[name]) for name in _WHOLE if hasattr(said[name], "__index__")})
    if tick.ts_known_ms < tick.ts_ms:
        raise InvalidRequest("is before ts_ms", "ts_known_ms", "nothing is known before it happens")
    if (tick.reserve_base is None) != (tick.reserve_quote is None):
        raise InvalidRequest("is missing beside the other reserve", "reserve_base", "send both reserves or neither")
    return request


def to_json(request: OpportunityRequest | OutcomeRequest | TickRequest) -> dict[str, Any]:
    """Return a request as the plain data that the service takes; what is not known is left out."""
    return request.model_dump(mode="json", exclude_none=True)


def prediction_from_json(data: Mapping[str, Any]) -> Prediction:
    """Read an answer of `/predict`; `features` are not told over HTTP, and fields that are not known are passed over.

    Raises:
        KeyError, TypeError, ValueError: if it is no prediction.
    """
    known = {name: value for name, value in data.items() if name in _PREDICTION_FIELDS}
    return Prediction(
        **{
            **known,
            "recommendation": Recommendation(data["recommendation"]),
            "reasons": tuple(data["reasons"]),
            "price_forecasts": tuple(PriceForecast(**forecast) for forecast in data["price_forecasts"]),
            "volatility_forecast": tuple(VolatilityForecast(**forecast) for forecast in data["volatility_forecast"]),
            "patterns": tuple(data["patterns"]),
            "variant": Variant(data["variant"]),
            "features": dict(data.get("features", {})),
        }
    )
