"""What the service answers, for OpenAPI and for tests; and the plain data that really goes out.

The answers are built as plain data, because that is ten times faster than building a model for each; the tests hold the
two together.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from arbml.market import Opportunity, Prediction


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ErrorDetail(Answer):
    """One refusal."""

    code: str = Field(description="invalid_request, conflict, not_ready, too_large and so on")
    field: str = Field(description='path into the request, e.g. "legs[0].price"; empty for the request as a whole')
    message: str
    mend: str = Field(description="what to do about it")


class ErrorAnswer(Answer):
    """What every 4xx and 5xx carries."""

    error: ErrorDetail


class PriceForecastAnswer(Answer):
    """Forecast of one horizon."""

    horizon_s: int
    log_return: float = Field(description="median")
    price: float = Field(description="quote per base, median")
    lower: float = Field(description="lower end of the interval, price")
    upper: float = Field(description="upper end of the interval, price")
    coverage: float = Field(description="probability with which the interval holds, as measured in the evaluation; as promised without one")
    source: Literal["model", "baseline"]


class VolatilityForecastAnswer(Answer):
    """Standard deviation of the log-return over the horizon, not annualised."""

    horizon_s: int
    volatility: float
    lower: float
    upper: float
    source: Literal["model", "baseline"]


class PricedAnswer(Answer):
    """How the opportunity was priced. Money is in profit_token."""

    amount_in: float
    gross_profit: float = Field(description="what the spread alone gives, before fees, impact and gas")
    fee_cost: float
    slippage_cost: float
    gas_cost: float
    net_profit: float
    revert_cost: float = Field(description="what a reverted attempt costs")
    gas_price_gwei: float
    edge_bps: float


class PredictionAnswer(Answer):
    """The judgement of one opportunity."""

    request_id: str
    ts_ms: int
    pair: str
    success_probability: float
    expected_profit: float = Field(description="p x net_profit - (1 - p) x revert_cost, in profit_token")
    profit_token: str
    confidence: float
    recommendation: Literal["EXECUTE", "QUEUE", "SKIP"] = Field(description="QUEUE: look again on the next tick; no authority to send")
    reasons: list[str] = Field(description='"code: detail"')
    price_forecasts: list[PriceForecastAnswer]
    volatility_forecast: list[VolatilityForecastAnswer]
    patterns: list[str]
    variant: Literal["champion", "challenger", "baseline"]
    model_versions: dict[str, str]
    feature_set_id: str
    opportunity: PricedAnswer
    latency_ms: float = Field(description="arrival to answer, ms, with the time in the queue")
    cached: bool


class PredictManyAnswer(Answer):
    """One prediction for each opportunity, in the order of the request."""

    predictions: list[PredictionAnswer]


class ObserveAnswer(Answer):
    """What became of the ticks."""

    accepted: int
    late: int = Field(description="older than what was known of their stream; ignored")
    streams: dict[str, int] = Field(description="rows known of each stream touched, up to what the models look at")
    instance: str = Field(description="another one after each start: the service has forgotten what it was shown before; show it again")


class OutcomeAnswer(Answer):
    """What became of an outcome."""

    request_id: str
    joined: bool = Field(description="false: kept, but no prediction of this id is known here")
    duplicate: bool = Field(description="true: the same outcome was recorded before")


class ClearCacheAnswer(Answer):
    """How many answers were forgotten."""

    cleared: int


class LatencyAnswer(Answer):
    """Percentiles over the window, ms; null before the first prediction."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


class StatsAnswer(Answer):
    """Counts since the start; rates and percentiles over the latest `window` predictions, null before the first."""

    uptime_s: float
    predictions: int
    window: int
    throughput_per_s: float | None = Field(description="over the last minute")
    latency_ms: LatencyAnswer
    cache_hit_rate: float | None
    baseline_rate: float | None
    error_rate: float | None = Field(description="share of requests that failed by the service's own fault")
    recommendations: dict[str, int]
    variants: dict[str, int]
    reasons: dict[str, int] = Field(description="predictions by reason code")
    refused: dict[str, int] = Field(description="requests refused, by error code")
    ticks: dict[str, int]
    outcomes: dict[str, int]


class JournalAnswer(Answer):
    """Where predictions are written before they are told, and what the store still lacks."""

    lane: str
    lag_bytes: int
    broken_lines: int
    error: str = Field(description="why the store does not take them; empty if it does, or if there is none")


class HealthAnswer(Answer):
    """What works, and what does not."""

    status: Literal["starting", "ok", "degraded", "stopping"]
    problems: list[str] = Field(description='"code: detail"; empty when all is well')
    streams: int
    newest_tick_age_ms: int | None
    uptime_s: float
    worker: int = Field(description="index of this worker; each has a market state of its own")
    journal: JournalAnswer | None
    heavy_modules: list[str] = Field(description="training libraries that this process has loaded; must be empty")
    code_path: str = Field(description="where arbml was imported from")


class ModelAnswer(Answer):
    """Who answers one question."""

    version: str = Field(description='version in the registry; "baseline" where no model beats it, "none" without either')
    model: str | None
    trained_to_ms: int | None
    data_hash: str | None
    stale: bool


class ModelsAnswer(Answer):
    """Who answers which question, and what was built."""

    feature_set_id: str
    built_ms: int
    arbml_version: str
    models: dict[str, ModelAnswer]


_PRICE, _VOLATILITY, _PRICED = (tuple(model.model_fields) for model in (PriceForecastAnswer, VolatilityForecastAnswer, PricedAnswer))


def prediction_answer(prediction: Prediction, opportunity: Opportunity) -> dict[str, Any]:
    """Return the plain data of a `PredictionAnswer`."""
    return {
        "request_id": prediction.request_id,
        "ts_ms": prediction.ts_ms,
        "pair": prediction.pair,
        "success_probability": prediction.success_probability,
        "expected_profit": prediction.expected_profit,
        "profit_token": prediction.profit_token,
        "confidence": prediction.confidence,
        "recommendation": prediction.recommendation.value,
        "reasons": list(prediction.reasons),
        "price_forecasts": [{name: getattr(forecast, name) for name in _PRICE} for forecast in prediction.price_forecasts],
        "volatility_forecast": [{name: getattr(forecast, name) for name in _VOLATILITY} for forecast in prediction.volatility_forecast],
        "patterns": list(prediction.patterns),
        "variant": prediction.variant.value,
        "model_versions": dict(prediction.model_versions),
        "feature_set_id": prediction.feature_set_id,
        "opportunity": {name: getattr(opportunity, name) for name in _PRICED},
        "latency_ms": prediction.latency_ms,
        "cached": prediction.cached,
    }
