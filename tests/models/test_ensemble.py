"""The decision, as properties: what it may never do, and in which direction it moves."""

import math
from dataclasses import replace
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.config import ScorerConfig
from arbml.market import Leg, Opportunity, PriceForecast, Recommendation, Route, Variant, VolatilityForecast
from arbml.models import EnsembleDecision, ReasonCode, decide
from arbml.models.ensemble import confidence_to_pay

LEGS = (
    Leg("uniswap", "WETH/USDC", "buy", 30.0, 1000.0, 0.5, 2000.0),
    Leg("sushiswap", "WETH/USDC", "sell", 30.0, 0.5, 1010.0, 2020.0),
)
OPPORTUNITY = Opportunity(
    ts_ms=0, pair="WETH/USDC", route=Route(LEGS), token="USDC", amount_in=1000.0, gross_profit=10.0, fee_cost=3.0,
    slippage_cost=1.0, gas_cost=1.0, net_profit=5.0, revert_cost=0.7, gas_price_gwei=20.0, gas_units=240_000, edge_bps=100.0,
)
SCORER = ScorerConfig(confidence_threshold=0.7)
NORMAL = NormalDist()
RANK = {Recommendation.SKIP: 0, Recommendation.QUEUE: 1, Recommendation.EXECUTE: 2}

probability = st.floats(0, 1)
money = st.floats(-1e6, 1e6)
variant = st.sampled_from(Variant)
reasons = st.lists(st.sampled_from([ReasonCode.MODEL_STALE.reason("x"), ReasonCode.INPUT_RANGE.reason("y")]), max_size=3)
quality = st.floats(0, 1)


def answer(
    p: float = 0.9, net: float = 5.0, revert: float = 0.7, who: Variant = Variant.CHAMPION, abstain: list[str] | None = None,
    share: float = 1.0, prices: tuple[PriceForecast, ...] = (), volatility: tuple[VolatilityForecast, ...] = (), error: float = 0.1,
) -> EnsembleDecision:
    opportunity = replace(OPPORTUNITY, net_profit=net, revert_cost=revert)
    return decide(
        opportunity, p, prices, volatility, scorer=SCORER, variant=who, probability_error=error, abstain=abstain or [], quality=share
    )


def codes(decision: EnsembleDecision) -> list[str]:
    return [reason.partition(":")[0] for reason in decision.reasons]


@pytest.mark.parametrize(
    ("arguments", "recommendation", "code"),
    [
        ({}, Recommendation.EXECUTE, "profitable"),
        ({"p": 0.18}, Recommendation.EXECUTE, "profitable"),
        ({"p": 0.17}, Recommendation.QUEUE, "low_confidence"),
        ({"p": 0.17, "error": 0.01}, Recommendation.EXECUTE, "profitable"),
        ({"p": 0.5, "error": 1.0}, Recommendation.QUEUE, "low_confidence"),
        ({"p": 0.9, "net": 0.01}, Recommendation.SKIP, "expected_loss"),
        ({"net": -1.0}, Recommendation.SKIP, "expected_loss"),
        ({"p": 0.05}, Recommendation.SKIP, "expected_loss"),
        ({"who": Variant.BASELINE}, Recommendation.QUEUE, "baseline"),
        ({"who": Variant.CHALLENGER}, Recommendation.EXECUTE, "profitable"),
        ({"abstain": ["model_stale: old"]}, Recommendation.QUEUE, "model_stale"),
        ({"p": float("nan")}, Recommendation.SKIP, "model_failed"),
        ({"p": 1.5}, Recommendation.SKIP, "model_failed"),
        ({"net": float("nan")}, Recommendation.SKIP, "expected_loss"),
        ({"revert": float("nan")}, Recommendation.SKIP, "expected_loss"),
    ],
)
def test_table(arguments: dict[str, object], recommendation: Recommendation, code: str) -> None:
    decision = answer(**arguments)  # type: ignore[arg-type]
    assert decision.recommendation is recommendation
    assert codes(decision)[0] == code
    assert set(codes(decision)) <= set(ReasonCode)


def test_the_formulas() -> None:
    decision = answer(p=0.8, net=10.0, revert=2.0, share=0.5)
    assert decision.expected_profit == pytest.approx(0.8 * 10 - 0.2 * 2)
    assert decision.confidence == pytest.approx(0.5 * NORMAL.cdf((0.8 - 2 / 12) / 0.1))
    level = answer(p=0.7 / 5.7)  # break-even
    assert level.confidence == pytest.approx(0.5)
    assert level.expected_profit == pytest.approx(0.0, abs=1e-12)
    assert answer(p=0.7 / 5.7, abstain=["model_stale: a", "input_missing: b"]).confidence == pytest.approx(0.125)
    assert answer(p=0.7 / 5.7, who=Variant.BASELINE).confidence == pytest.approx(0.25)
    assert answer(p=0.7 / 5.7 + 0.1, error=0.1).confidence == pytest.approx(NORMAL.cdf(1.0))


def test_what_is_at_stake_decides_how_sure_one_must_be() -> None:
    """The same chance of one half: worth sending for much, not for little."""
    assert answer(p=0.5, net=30.0, revert=3.0).recommendation is Recommendation.EXECUTE
    assert answer(p=0.5, net=3.1, revert=3.0).recommendation is Recommendation.QUEUE
    assert answer(p=0.5, net=2.9, revert=3.0).recommendation is Recommendation.SKIP
    assert answer(p=0.0, net=5.0, revert=0.0).recommendation is Recommendation.SKIP, "free attempts that never succeed gain nothing"


@given(probability, st.floats(1e-3, 1e6), st.floats(0, 1e6), st.floats(0, 0.5), st.floats(0, 0.5))
@settings(max_examples=300, deadline=None)
def test_less_certain_probabilities_are_trusted_less(p: float, net: float, revert: float, a: float, b: float) -> None:
    small, large = sorted((a, b))
    surer, vaguer = confidence_to_pay(p, net, revert, small), confidence_to_pay(p, net, revert, large)
    assert 0 <= vaguer <= 1
    if p > revert / (net + revert):
        assert surer >= vaguer - 1e-12
    if p < revert / (net + revert):
        assert surer <= vaguer + 1e-12


@given(probability, money, st.floats(0, 1e6), variant, reasons, quality)
@settings(max_examples=500, deadline=None)
def test_never_execute_without_authority_or_profit(
    p: float, net: float, revert: float, who: Variant, abstain: list[str], share: float
) -> None:
    decision = answer(p, net, revert, who, abstain, share)
    assert 0 <= decision.confidence <= 1
    assert decision.reasons
    assert decision == answer(p, net, revert, who, abstain, share)
    if decision.recommendation is Recommendation.EXECUTE:
        assert who is not Variant.BASELINE
        assert not abstain
        assert decision.expected_profit > 0
        assert decision.confidence >= SCORER.confidence_threshold
    if decision.recommendation is not Recommendation.SKIP:
        assert decision.expected_profit > 0
    assert list(decision.reasons[: len(abstain)]) == abstain


@given(probability, probability, money, st.floats(0, 1e6), variant, reasons, quality)
@settings(max_examples=500, deadline=None)
def test_monotone_in_probability(
    p: float, q: float, net: float, revert: float, who: Variant, abstain: list[str], share: float
) -> None:
    low, high = sorted((p, q))
    less, more = answer(low, abs(net), revert, who, abstain, share), answer(high, abs(net), revert, who, abstain, share)
    assert RANK[less.recommendation] <= RANK[more.recommendation]
    assert less.confidence <= more.confidence
    assert less.expected_profit <= more.expected_profit + 1e-9 * (1 + abs(net) + revert)


@given(probability, money, money, st.floats(0, 1e6), variant, reasons)
@settings(max_examples=500, deadline=None)
def test_monotone_in_net_profit(p: float, a: float, b: float, revert: float, who: Variant, abstain: list[str]) -> None:
    low, high = sorted((a, b))
    less, more = answer(p, low, revert, who, abstain), answer(p, high, revert, who, abstain)
    assert RANK[less.recommendation] <= RANK[more.recommendation]
    assert less.expected_profit <= more.expected_profit
    assert less.confidence <= more.confidence


def price(log_return: float, half_width: float) -> PriceForecast:
    middle = 2000 * math.exp(log_return)
    return PriceForecast(5, log_return, middle, middle - half_width, middle + half_width, 0.9, "model")


def test_forecasts_explain_but_do_not_decide() -> None:
    calm = answer(prices=(price(0.001, 10.0),), volatility=(VolatilityForecast(5, 0.0001, 0.0, 0.001, "model"),))
    wild = answer(prices=(price(0.01, 1.0),), volatility=(VolatilityForecast(5, 0.02, 0.0, 0.1, "model"),))
    assert codes(calm) == ["profitable"]
    assert codes(wild) == ["profitable", "volatile", "price_move"]
    assert replace(wild, reasons=()) == replace(calm, reasons=())
