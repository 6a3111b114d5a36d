"""What the bot does with an answer."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.bot import AbsentCode, EnhancedOpportunity, absent, decided, ranked
from arbml.config import BotConfig
from arbml.market import Prediction, Recommendation, Variant
from tests.bot.market import FakeAdvisor, best

OPPORTUNITY = best()
NET = OPPORTUNITY.net_profit


def says(recommendation: Recommendation, variant: Variant = Variant.CHAMPION) -> Prediction:
    advisor = FakeAdvisor(recommendation)
    advisor.variant = variant
    return advisor.answer(OPPORTUNITY, "r1")


@pytest.mark.parametrize(
    ("prediction", "asked", "without_ml", "min_profit", "execute", "value"),
    [
        (says(Recommendation.EXECUTE), True, "hold", 0.0, True, NET / 2),
        (says(Recommendation.EXECUTE), True, "hold", NET, False, NET / 2),
        (says(Recommendation.QUEUE), True, "rule", 0.0, False, NET / 2),
        (says(Recommendation.SKIP), True, "rule", 0.0, False, NET / 2),
        (says(Recommendation.EXECUTE, Variant.CHALLENGER), True, "hold", 0.0, True, NET / 2),
        (says(Recommendation.EXECUTE, Variant.BASELINE), True, "hold", 0.0, False, NET / 2),
        (says(Recommendation.QUEUE, Variant.BASELINE), True, "rule", 0.0, True, NET),
        (says(Recommendation.QUEUE, Variant.BASELINE), True, "rule", NET, False, NET),
        (None, False, "hold", 0.0, True, NET),
        (None, False, "hold", NET, False, NET),
        (None, True, "hold", 0.0, False, NET),
    ],
)
def test_who_decides(
    prediction: Prediction | None, asked: bool, without_ml: str, min_profit: float, execute: bool, value: float
) -> None:
    bot = BotConfig(without_ml=without_ml, min_profit=min_profit)  # type: ignore[arg-type]
    found = decided(OPPORTUNITY, "r1", prediction, bot, asked)
    assert (found.execute, found.value) == (execute, value)
    assert found.by_model == (prediction is not None and prediction.variant is not Variant.BASELINE)


@pytest.mark.parametrize("code", AbsentCode)
def test_absent_is_never_executed_unless_the_rule_says_so(code: AbsentCode) -> None:
    prediction = absent(OPPORTUNITY, "r1", code.reason("the reason"))
    assert prediction.recommendation is Recommendation.SKIP
    assert prediction.expected_profit < 0
    held = decided(OPPORTUNITY, "r1", prediction, BotConfig(without_ml="hold"))
    assert not held.execute
    assert held.why == f"{code.value}: the reason"
    assert decided(OPPORTUNITY, "r1", prediction, BotConfig(without_ml="rule")).execute


@pytest.mark.parametrize("code", ["input_out_of_range", "not_warm", "model_stale", "not_recorded"])
def test_a_model_that_abstains_neither_sends_nor_stops(code: str) -> None:
    prediction = replace(says(Recommendation.QUEUE), reasons=(f"{code}: why", "low_confidence: 0.1"))
    assert not decided(OPPORTUNITY, "r1", prediction, BotConfig(without_ml="hold")).execute
    found = decided(OPPORTUNITY, "r1", prediction, BotConfig(without_ml="rule"))
    assert (found.execute, found.by_model, found.value) == (True, False, NET)
    vetoed = replace(prediction, reasons=("low_confidence: 0.1", f"{code}: a note on another model"))
    assert not decided(OPPORTUNITY, "r1", vetoed, BotConfig(without_ml="rule")).execute


def test_a_net_profit_that_is_none_is_never_sent() -> None:
    for net_profit in (math.nan, -math.inf, 0.0):
        nothing = replace(OPPORTUNITY, net_profit=net_profit)
        for prediction in (says(Recommendation.EXECUTE), None):
            assert not decided(nothing, "r1", prediction, BotConfig(without_ml="rule"), asked=prediction is not None).execute


@given(st.lists(st.tuples(st.booleans(), st.floats(-1e9, 1e9)), max_size=20))
def test_what_is_sent_comes_first_then_value(found: list[tuple[bool, float]]) -> None:
    ordered = ranked(EnhancedOpportunity("r", OPPORTUNITY, None, execute, value) for execute, value in found)
    keys = [(one.execute, one.value) for one in ordered]
    assert keys == sorted(keys, reverse=True)
    assert sorted(keys) == sorted(found)


def test_profits_of_several_tokens_are_compared_by_what_they_are_worth() -> None:
    in_token = {token: replace(OPPORTUNITY, token=token) for token in ("WETH", "USDC", "UNKNOWN")}
    found = [EnhancedOpportunity("r", in_token[token], None, True, value) for token, value in
             (("USDC", 5.0), ("WETH", 0.1), ("UNKNOWN", 1e9), ("USDC", 300.0), ("USDC", math.nan))]  # fmt: skip
    ordered = ranked(found, {"WETH": 2000.0, "USDC": 1.0})
    assert [one.value for one in ordered[:3]] == [300.0, 0.1, 5.0]
