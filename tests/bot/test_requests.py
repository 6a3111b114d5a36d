"""One question, however it travels."""

import json
from dataclasses import replace
from typing import Any

import pytest

from arbml.bot.requests import prediction_from_json, to_json, to_outcome, to_request, to_tick
from arbml.config import CostsConfig
from arbml.errors import InvalidRequest
from arbml.market import Execution, Opportunity, Pool, Result, Tick, find_opportunities
from arbml.serving.answers import prediction_answer
from arbml.serving.requests import decode, parse
from arbml.serving.schemas import OpportunityRequest, OutcomeRequest, TickRequest
from tests.serving.kit import NOW_MS, Kit, ask, tick


def found() -> Opportunity:
    pools = [Pool("cheap", "WETH/USDC", 2000.0, 5.0, NOW_MS, NOW_MS), Pool("dear", "WETH/USDC", 2030.0, 5.0, NOW_MS, NOW_MS)]
    return find_opportunities(pools, CostsConfig(), NOW_MS)[0]


def test_the_question_names_legs_amount_and_moment_and_leaves_the_market_to_the_service() -> None:
    data = to_json(to_request(found(), "r1"))
    assert data == {
        "request_id": "r1", "ts_ms": NOW_MS, "pair": "WETH/USDC", "amount_in": 1000.0,
        "legs": [{"venue": "cheap", "side": "buy", "pair": "WETH/USDC"}, {"venue": "dear", "side": "sell", "pair": "WETH/USDC"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        (OpportunityRequest, to_request(found(), "r1")),
        (OutcomeRequest, to_outcome(Execution(NOW_MS, NOW_MS + 9, "r1", Result.REVERTED, 1, "a>b", -2.5, "USDC", 9.0, 1.0, 4.5))),
        (TickRequest, to_tick(tick(NOW_MS, "cheap", 2000.0))),
    ],
)
def test_what_goes_over_the_wire_is_read_as_the_same(model: Any, request_: Any) -> None:
    assert parse(model, decode(json.dumps(to_json(request_)).encode())) == request_


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price": float("nan")}, "price"), ({"price": 0.0}, "price"), ({"price": float("inf")}, "price"), ({"venue": "a|b"}, "venue"),
        ({"ts_ms": 1_704_412_800}, "ts_ms"), ({"ts_known_ms": NOW_MS - 1}, "ts_known_ms"), ({"reserve_base": None}, "reserve_base"),
        ({"gas_price_gwei": float("nan")}, "gas_price_gwei"), ({"pair": "WETHUSDC"}, "pair"),
    ],
)  # fmt: skip
def test_a_tick_that_cannot_be_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_tick(replace(tick(NOW_MS, "cheap", 2000.0), **change))
    assert refused.value.field == field


def test_an_opportunity_that_the_service_cannot_name_is_refused() -> None:
    opportunity = found()
    with pytest.raises(InvalidRequest, match="amount_in"):
        to_request(replace(opportunity, amount_in=float("inf")), "r1")
    with pytest.raises(InvalidRequest, match="request_id"):
        to_request(opportunity, "no spaces please")


def test_an_outcome_is_not_lost_for_its_label() -> None:
    execution = Execution(NOW_MS, NOW_MS, "r1", Result.FAILED, route="→" * 300)
    assert to_outcome(execution).route == "?" * 256
    with pytest.raises(InvalidRequest, match="profit"):
        to_outcome(replace(execution, profit=float("nan")))


def test_a_prediction_comes_back_as_it_went_but_for_its_features(kit: Kit) -> None:
    record = kit.predictor().predict(ask(request_id="r1"))
    wire = json.loads(json.dumps(prediction_answer(record.prediction, record.opportunity)))
    assert prediction_from_json(wire | {"from_a_later_version": 1}) == replace(record.prediction, features={})
    with pytest.raises((KeyError, TypeError, ValueError)):
        prediction_from_json({"recommendation": "EXECUTE"})


def test_a_tick_keeps_every_field() -> None:
    full = Tick(NOW_MS, "a", "WETH/USDC", 1.5, NOW_MS + 1, 1, "0xabc", 5.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7, 8)
    data = to_json(to_tick(full))
    assert Tick(**data) == full
