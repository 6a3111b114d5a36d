"""What the journal holds, as lines, and back to the types that travel."""

import hashlib
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from arbml.market import (
    Execution,
    Opportunity,
    Prediction,
    PriceForecast,
    Recommendation,
    Result,
    Variant,
    VolatilityForecast,
    opportunity_from_dict,
)
from arbml.serving.schemas import Request


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """A prediction, the opportunity it judged, and the digest of the question."""

    content: str
    prediction: Prediction
    opportunity: Opportunity


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What became of a prediction, and the digest of what the bot said."""

    content: str
    execution: Execution


Record = PredictionRecord | OutcomeRecord
R = TypeVar("R", PredictionRecord, OutcomeRecord)


def content_of(request: Request) -> str:
    """Return a digest of everything that a request says, to tell a repeat from a conflict."""
    return hashlib.blake2b(request.model_dump_json(exclude_none=True).encode(), digest_size=12).hexdigest()


def encode(record: Record) -> bytes:
    """Return the record as one line of JSON with its newline."""
    kind = "prediction" if isinstance(record, PredictionRecord) else "outcome"
    return orjson.dumps({"kind": kind, "record": record}, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)


def decode(line: bytes) -> Record:
    """Read what `encode` wrote.

    Raises:
        ValueError: if the line is cut short or is not a record.
    """
    try:
        data = orjson.loads(line)
        record = data["record"]
        if data["kind"] == "prediction":
            opportunity = opportunity_from_dict(record["opportunity"])
            return PredictionRecord(record["content"], _prediction(record["prediction"]), opportunity)
        return OutcomeRecord(record["content"], _execution(record["execution"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a journal record: {error}") from None


def _prediction(data: dict[str, Any]) -> Prediction:
    return Prediction(
        **{
            **data,
            "recommendation": Recommendation(data["recommendation"]),
            "reasons": tuple(data["reasons"]),
            "price_forecasts": tuple(PriceForecast(**forecast) for forecast in data["price_forecasts"]),
            "volatility_forecast": tuple(VolatilityForecast(**forecast) for forecast in data["volatility_forecast"]),
            "patterns": tuple(data["patterns"]),
            "variant": Variant(data["variant"]),
        }
    )


def _execution(data: dict[str, Any]) -> Execution:
    opportunity = data["opportunity"]
    return Execution(
        **{
            **data,
            "result": Result(data["result"]),
            "opportunity": opportunity_from_dict(opportunity) if opportunity is not None else None,
        }
    )
