"""Predictions as they were answered, and the outcomes that join them with executions."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbml.errors import SchemaError
from arbml.market import Execution, Outcome, Prediction, PriceForecast, Recommendation, Result, Variant, VolatilityForecast
from arbml.store import Appended, Store

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
SHORT: Any = {"max_size": 3}
PREDICTION = st.builds(
    Prediction, request_id=TEXT, ts_ms=st.integers(-(2**63), 2**63 - 1), pair=TEXT, success_probability=NUMBER, expected_profit=NUMBER,
    profit_token=TEXT, confidence=NUMBER, recommendation=st.sampled_from(Recommendation), reasons=st.lists(TEXT, **SHORT).map(tuple),
    price_forecasts=st.lists(st.builds(PriceForecast, st.integers(1, 60), *[NUMBER] * 5, TEXT), **SHORT).map(tuple),
    volatility_forecast=st.lists(st.builds(VolatilityForecast, st.integers(1, 60), *[NUMBER] * 3, TEXT), **SHORT).map(tuple),
    patterns=st.lists(TEXT, **SHORT).map(tuple), variant=st.sampled_from(Variant), model_versions=st.dictionaries(TEXT, TEXT, **SHORT),
    feature_set_id=TEXT, features=st.dictionaries(TEXT, st.none() | NUMBER, **SHORT), latency_ms=NUMBER, cached=st.booleans(),
)


def prediction(request_id: str, ts_ms: int = 1_000, **changes: Any) -> Prediction:
    plain: dict[str, Any] = {
        "request_id": request_id, "ts_ms": ts_ms, "pair": "WETH/USDC", "success_probability": 0.8, "expected_profit": 1.5,
        "profit_token": "USDC", "confidence": 0.6, "recommendation": Recommendation.EXECUTE, "reasons": ("good: yes",),
        "price_forecasts": (PriceForecast(5, 1e-4, 2000.0, 1999.0, 2001.0, 0.9, "model"),),
        "volatility_forecast": (VolatilityForecast(5, 1e-3, 5e-4, 2e-3, "model"),), "patterns": (), "variant": Variant.CHAMPION,
        "model_versions": {"lstm": "3"}, "feature_set_id": "abc", "features": {"x": 1.0, "y": None}, "latency_ms": 3.2, "cached": False,
    }
    return Prediction(**(plain | changes))


def execution(request_id: str, ts_ms: int = 1_100, known_ms: int = 5_000) -> Execution:
    return Execution(ts_ms, known_ms, request_id, Result.SUCCESS, profit=1.25, gas_used=2e5, chain_id=1)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(predictions=st.lists(PREDICTION, max_size=5, unique_by=lambda prediction: prediction.request_id))
def test_every_value_survives_the_round_trip(store: Store, predictions: list[Prediction]) -> None:
    known = {prediction.request_id for prediction in store.predictions.read()}
    fresh = [prediction for prediction in predictions if prediction.request_id not in known]
    assert store.predictions.append(fresh) == Appended(new=len(fresh))
    read = {prediction.request_id: prediction for prediction in store.predictions.read(request_ids=[p.request_id for p in fresh])}
    assert read == {prediction.request_id: prediction for prediction in fresh}


def test_the_first_answer_stands(store: Store) -> None:
    first = prediction("r1", 1_000)
    assert store.predictions.append([first]) == Appended(new=1)
    assert store.predictions.append([first, replace(first, expected_profit=9.0)]) == Appended(known=1, conflicting=1)
    assert store.predictions.read() == [first]


def test_numbers_that_are_not_finite_do_not_lose_the_prediction(store: Store) -> None:
    odd = prediction("r1", expected_profit=math.nan, confidence=math.inf, features={"x": math.nan})
    assert store.predictions.append([odd]) == Appended(new=1)
    assert store.predictions.append([odd]) == Appended(known=1)
    (read,) = store.predictions.read()
    assert math.isnan(read.expected_profit)
    assert read.features == {"x": None}


def test_a_text_that_cannot_be_kept_is_named(store: Store) -> None:
    with pytest.raises(SchemaError, match=r"predictions: column 'request_id', row 1: 'b\\x00'"):
        store.predictions.append([prediction("a"), prediction("b\0")])
    assert store.predictions.read() == []


def test_reads_by_period_as_of_and_latest(store: Store) -> None:
    store.predictions.append([prediction("c", 3_000), prediction("a", 1_000), prediction("b", 2_000)])

    def ids(**filters: Any) -> list[str]:
        return [prediction.request_id for prediction in store.predictions.read(**filters)]

    assert ids() == ["a", "b", "c"]
    assert ids(latest=2) == ["b", "c"]
    assert ids(latest=2, as_of_ms=2_000) == ["a", "b"]
    assert ids(start_ms=2_000, end_ms=3_000) == ["b"]
    assert ids(request_ids=["c", "nobody"]) == ["c"]
    assert ids(request_ids=[]) == []


def test_an_outcome_joins_by_request_id_whichever_came_first(store: Store) -> None:
    early, late = prediction("early", 1_000), prediction("late", 9_000)
    store.executions.append([execution("late", known_ms=2_000), execution("stranger")])
    assert store.predictions.outcomes() == []
    store.predictions.append([early, late, prediction("never sent")])
    store.executions.append([execution("early", known_ms=5_000)])
    assert store.predictions.outcomes() == [
        Outcome(early, execution("early", known_ms=5_000)), Outcome(late, execution("late", known_ms=2_000))
    ]
    assert store.stats().rows == {"ticks": 0, "executions": 3, "predictions": 3, "outcomes": 2, "gas_prices": 0, "alerts": 0}


def test_an_outcome_is_known_when_both_its_halves_are(store: Store) -> None:
    store.predictions.append([prediction("a", 1_000), prediction("b", 1_000), prediction("c", 7_000)])
    store.executions.append([execution("a", 1_100, 3_000), execution("b", 1_200, 2_000), execution("c", 1_300, 1_400)])

    def ids(**filters: Any) -> list[str]:
        return [outcome.execution.request_id for outcome in store.predictions.outcomes(**filters)]

    assert ids() == ["b", "a", "c"]
    assert ids(as_of_ms=2_999) == ["b"]
    assert ids(as_of_ms=6_999) == ["b", "a"]
    assert ids(start_ms=1_200) == ["b", "c"]
    assert ids(end_ms=1_300, latest=1) == ["a"]
