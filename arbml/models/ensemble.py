"""The decision: what an opportunity is worth after everything it may cost, and whether to send it.

    expected_profit = p * net_profit - (1 - p) * revert_cost                       in the opportunity's token
    break-even      = revert_cost / (net_profit + revert_cost)                     the p at which that is nothing
    confidence      = Phi((p - break-even) / e) * quality * 0.5^(abstain reasons) * (0.5 if baseline)   in [0, 1]

`p` is the calibrated probability of success and `e` its standard error, measured on rows that the model had not learned
from; so the confidence is how sure we are that sending pays. A threshold on `p` itself would be blind to what is at stake: an attempt
that gains 30 and reverts for 3 pays from p = 0.09 on, and one that gains 1 only from 0.75. `quality` in [0, 1] is the share of
the inputs that the models could use. Price and volatility forecasts explain, they do not decide.

EXECUTE  confidence >= threshold, expected_profit > 0, no reason to abstain, and a model (not the baseline) answered
QUEUE    expected_profit > 0, but one of the others fails: worth another look on the next tick
SKIP     otherwise
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from arbml.config import ScorerConfig
from arbml.market import Opportunity, PriceForecast, Recommendation, Variant, VolatilityForecast

DEFAULT_ERROR = 0.1  # of a probability whose error nobody measured
DOUBT = 0.5  # factor on the confidence for each reason to abstain, and for an answer of the baseline


class ReasonCode(StrEnum):
    """What a reason starts with; the text after ": " is for people and may change."""

    # reasons to abstain: given by the caller, who knows the state of models and market
    MODEL_MISSING = "model_missing"            # no promoted model answers this question
    MODEL_STALE = "model_stale"                # the model is older than inference.max_model_age_hours
    MODEL_FAILED = "model_failed"              # the model raised or gave no finite number
    MODEL_LATE = "model_late"                  # no answer within inference.max_latency_ms
    FEATURE_SET = "feature_set_mismatch"       # the model was trained on other features
    MARKET_STALE = "market_stale"              # the newest tick is older than inference.max_tick_age_ms
    INPUT_MISSING = "input_missing"            # features that the model uses are not known
    NOT_WARM = "not_warm"                      # too few ticks of the stream yet
    INPUT_RANGE = "input_out_of_range"         # features lie outside of what the training saw
    # reasons of the decision itself
    BASELINE = "baseline"                      # the baseline answered: it never sends on its own authority
    LOW_CONFIDENCE = "low_confidence"          # not sure enough that sending pays
    EXPECTED_LOSS = "expected_loss"            # not worth sending after fees, gas and reverts
    PROFITABLE = "profitable"                  # all conditions to EXECUTE hold
    # explanations without effect
    VOLATILE = "volatile"                      # one standard deviation of the price exceeds the edge
    PRICE_MOVE = "price_move"                  # the whole interval of a price forecast lies on one side of the price

    def reason(self, detail: str) -> str:
        """Return "code: detail".

        >>> ReasonCode.MODEL_STALE.reason("scorer is 400 h old, limit 336 h")
        'model_stale: scorer is 400 h old, limit 336 h'
        """
        return f"{self.value}: {detail}"


_JUDGED = (ReasonCode.LOW_CONFIDENCE, ReasonCode.EXPECTED_LOSS, ReasonCode.PROFITABLE)


@dataclass(frozen=True, slots=True)
class EnsembleDecision:
    """The answer for one opportunity.

    Attributes:
        expected_profit: after fees, gas and the cost of reverts, in the opportunity's token.
        confidence: in [0, 1]; formula in the module's docstring.
        reasons: "code: detail", decisive ones first; codes in ReasonCode.
    """

    expected_profit: float
    confidence: float
    recommendation: Recommendation
    reasons: tuple[str, ...]


def decide(
    opportunity: Opportunity,
    success_probability: float,
    price_forecasts: Sequence[PriceForecast],
    volatility: Sequence[VolatilityForecast],
    *,
    scorer: ScorerConfig,
    variant: Variant,
    probability_error: float = DEFAULT_ERROR,
    abstain: Sequence[str] = (),
    quality: float = 1.0,
) -> EnsembleDecision:
    """Weigh one opportunity. Pure: the same arguments give the same decision, in the bot, the service and the backtest.

    Args:
        opportunity: with its costs, as the finder priced it.
        success_probability: calibrated; NaN if there is none, which is then read as 0.
        price_forecasts, volatility: for the explanation only; may be empty.
        scorer: brings the threshold.
        variant: who answered.
        probability_error: standard error of the probability.
        abstain: reasons not to act, "code: detail" (ReasonCode.reason).
        quality: share of the inputs that could be used, in [0, 1].
    """
    reasons = list(abstain)
    p = success_probability
    if not 0 <= p <= 1:
        reasons.append(ReasonCode.MODEL_FAILED.reason(f"success probability is {p}"))
        p = 0.0
    expected = p * opportunity.net_profit - (1 - p) * opportunity.revert_cost
    doubts = len(reasons) + (variant is Variant.BASELINE)
    paying = confidence_to_pay(p, opportunity.net_profit, opportunity.revert_cost, probability_error)
    confidence = paying * min(max(quality, 0.0), 1.0) * DOUBT**doubts if math.isfinite(quality) else 0.0
    against = reasons + _objections(p, expected, confidence, opportunity, scorer, variant)
    if not against:
        recommendation = Recommendation.EXECUTE
        against = [ReasonCode.PROFITABLE.reason(f"expected {expected:.6g} {opportunity.token}, success {p:.3f}")]
    else:
        recommendation = Recommendation.QUEUE if expected > 0 else Recommendation.SKIP
    explained = (*against, *_explanations(opportunity, price_forecasts, volatility))
    return EnsembleDecision(expected, confidence, recommendation, explained)


def abstained(reasons: Sequence[str]) -> bool:
    """Return whether whoever answered says that it cannot judge: the first reason is then one to abstain.

    >>> abstained(["input_out_of_range: atr outside of what the training saw", "low_confidence: 0.2 ..."]), abstained(["profitable: ..."])
    (True, False)
    """
    code = reasons[0].partition(":")[0] if reasons else ""
    return code not in {one.value for one in _JUDGED}


def confidence_to_pay(probability: float, net_profit: float, revert_cost: float, error: float = DEFAULT_ERROR) -> float:
    """Return how sure we are, in [0, 1], that sending has a positive expectation, if the probability errs normally.

    Args:
        probability: of success, in [0, 1].
        net_profit: of a success; revert_cost: of anything else; both in one token.
        error: standard error of the probability; 0 means that it is certain.

    >>> [round(confidence_to_pay(0.5, net, 3.0, 0.1), 3) for net in (30.0, 3.5, 3.0, 2.0, -1.0)]
    [1.0, 0.65, 0.5, 0.159, 0.0]
    >>> [confidence_to_pay(p, 3.0, 3.0, 0.0) for p in (0.49, 0.51)]
    [0.0, 1.0]
    """
    at_stake = net_profit + revert_cost
    if not (at_stake > 0 and math.isfinite(at_stake)) or net_profit <= 0:  # also where something is NaN
        return 0.0
    margin = probability - revert_cost / at_stake
    if not error > 0:
        return 1.0 if margin > 0 else 0.0
    return 0.5 * math.erfc(-margin / error * math.sqrt(0.5))


def _objections(
    p: float, expected: float, confidence: float, opportunity: Opportunity, scorer: ScorerConfig, variant: Variant
) -> list[str]:
    against = []
    if variant is Variant.BASELINE:
        against.append(ReasonCode.BASELINE.reason("no promoted model answered"))
    if not expected > 0:  # also where it is NaN
        sum_of = f"{p:.3f} x {opportunity.net_profit:.6g} - {1 - p:.3f} x {opportunity.revert_cost:.6g}"
        against.append(ReasonCode.EXPECTED_LOSS.reason(f"{sum_of} = {expected:.6g} {opportunity.token}"))
    if confidence < scorer.confidence_threshold:
        text = f"{confidence:.3f} sure that it pays, {scorer.confidence_threshold:g} is asked for"
        against.append(ReasonCode.LOW_CONFIDENCE.reason(text))
    return against


def _explanations(
    opportunity: Opportunity, price_forecasts: Sequence[PriceForecast], volatility: Sequence[VolatilityForecast]
) -> list[str]:
    notes = []
    if volatility:
        nearest = min(volatility, key=lambda forecast: forecast.horizon_s)
        move_bps = nearest.volatility * 1e4
        if move_bps > opportunity.edge_bps:
            text = f"price moves {move_bps:.1f} bps in {nearest.horizon_s} s, the edge is {opportunity.edge_bps:.1f} bps"
            notes.append(ReasonCode.VOLATILE.reason(text))
    for forecast in price_forecasts:
        spot = forecast.price / math.exp(forecast.log_return)
        if forecast.lower > spot or forecast.upper < spot:
            text = f"{forecast.log_return * 1e4:+.1f} bps in {forecast.horizon_s} s"
            notes.append(ReasonCode.PRICE_MOVE.reason(text))
            break
    return notes
