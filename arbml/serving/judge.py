"""From a priced opportunity to a verdict: the same steps for one question and for ten, in the order that lets late ones go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbml.clock import Clock
from arbml.config import Config
from arbml.features.route import route_features
from arbml.features.spec import FEATURE_NAMES, ROUTE_FEATURE_NAMES
from arbml.features.state import FeatureVector
from arbml.market import Recommendation, Variant
from arbml.models.ensemble import EnsembleDecision, ReasonCode, decide
from arbml.serving.cache import AnswerCache
from arbml.serving.market_state import MarketState
from arbml.serving.panel import Forecasts, Panel, Scores
from arbml.serving.pricing import Priced, price
from arbml.serving.quality import Quality, input_quality, market_reasons, unseen_route
from arbml.serving.schemas import OpportunityRequest

_NOTHING = Forecasts((), (), ())


@dataclass(frozen=True, slots=True)
class Question:
    """An opportunity, priced, with everything that the answer depends on.

    Attributes:
        priced: with its costs.
        vector: newest features of the entry stream; None if nothing was observed of it.
        x: one row of SCORER_FEATURE_NAMES.
        quality: what speaks against acting, before any model is asked.
        key: everything that affects the answer.
        arrived_s: on the stopwatch.
    """

    priced: Priced
    vector: FeatureVector | None
    x: NDArray[np.float64]
    quality: Quality
    key: tuple[Any, ...]
    arrived_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a question, before it gets an id."""

    probability: float
    decision: EnsembleDecision
    forecasts: Forecasts
    variant: Variant
    versions: dict[str, str]
    cached: bool = False


class Judge:
    """Stateless but for its caches. One caller at a time.

    Args:
        state: the market as observed.
        panel: who answers.
        config: costs, scorer and inference sections count.
        clock: for ages.
        stopwatch: for the budget, s.
    """

    def __init__(self, state: MarketState, panel: Panel, config: Config, clock: Clock, stopwatch: Callable[[], float]) -> None:
        self._state = state
        self._panel = panel
        self._config = config
        self._clock = clock
        self._stopwatch = stopwatch
        self._budget_s = config.inference.max_latency_ms / 1000
        self.cache: AnswerCache[Verdict] = AnswerCache(clock, config.inference.cache_ttl_ms)
        self._forecasts: dict[str, tuple[FeatureVector, Forecasts]] = {}

    def prepare(self, request: OpportunityRequest, ts_ms: int, arrived_s: float) -> Question:
        """Price a request and look up what is known. Raises InvalidRequest if it cannot be priced."""
        max_age_ms = self._config.inference.max_tick_age_ms
        priced = price(request, self._state.pools(request.pair), self._config.costs, ts_ms, self._state.book, max_age_ms)
        opportunity = priced.opportunity
        entry = opportunity.entry_stream
        vector = self._state.latest(entry)
        market = np.full(len(FEATURE_NAMES), np.nan) if vector is None else vector.values
        x = np.concatenate([market, route_features(opportunity)])
        quality = self._quality(priced, vector, x, ts_ms)
        money = (opportunity.amount_in, opportunity.net_profit, opportunity.gas_cost, opportunity.revert_cost)
        key = (opportunity.route, money, x.tobytes(), self._state.turn(entry), quality)
        return Question(priced, vector, x, quality, key, arrived_s)

    def answer(self, questions: Sequence[Question]) -> list[Verdict]:
        """Answer every question: from the cache, by the models, or by the baseline where the budget is spent."""
        verdicts: list[Verdict | None] = [self._spent(q) or self._cached(q) for q in questions]
        open_ = [i for i, verdict in enumerate(verdicts) if verdict is None]
        if open_:
            for i, verdict in zip(open_, self._fresh([questions[i] for i in open_]), strict=True):
                # a model that took too long answers an old question: the budget counts to the end
                verdicts[i] = self._spent(questions[i]) or verdict
                if verdicts[i] is verdict:
                    self.cache.put(questions[i].key, verdict)
        return [verdict for verdict in verdicts if verdict is not None]

    def _quality(self, priced: Priced, vector: FeatureVector | None, x: NDArray[np.float64], ts_ms: int) -> Quality:
        now_ms = self._clock.now_ms()
        entry = priced.opportunity.entry_stream
        max_age_ms = self._config.inference.max_tick_age_ms
        market = market_reasons(priced.observed, vector, entry, ts_ms, now_ms, max_age_ms)
        if vector is None:
            return Quality(market, 0.0)
        stale = self._panel.stale("scorer", now_ms)
        scaler = self._panel.scaler()
        unseen = unseen_route(scaler, priced.opportunity.route)
        inputs = input_quality(scaler, x, self._state.known_s(vector))
        reasons = (reason for reason in (*market, stale, unseen, *inputs.abstain) if reason)
        return Quality(tuple(reasons), inputs.share)

    def _cached(self, question: Question) -> Verdict | None:
        verdict = self.cache.get(question.key)
        return None if verdict is None else replace(verdict, cached=True)

    def _spent(self, question: Question) -> Verdict | None:
        """The baseline's verdict if the budget is over, which asks no model."""
        waited_s = self._stopwatch() - question.arrived_s
        if waited_s <= self._budget_s:
            return None
        reason = ReasonCode.MODEL_LATE.reason(f"{waited_s * 1000:.0f} ms have passed, the budget is {self._budget_s * 1000:.0f} ms")
        return self._verdict(question, self._panel.base_score(1, reason), 0, models=False)

    def _fresh(self, questions: Sequence[Question]) -> list[Verdict]:
        seen = [q for q in questions if q.vector is not None]
        scores = self._panel.score(np.stack([q.x for q in seen])) if seen else None
        verdicts = []
        row = 0
        for question in questions:
            if question.vector is None or scores is None:
                verdicts.append(self._verdict(question, self._panel.base_score(1, ""), 0, models=True))
            else:
                verdicts.append(self._verdict(question, scores, row, models=True))
                row += 1
        return verdicts

    def _verdict(self, question: Question, scores: Scores, row: int, models: bool) -> Verdict:
        variant = Variant.CHAMPION if scores.by_model else Variant.BASELINE
        forecasts = self._forecast(question.vector, models)
        decision = decide(
            question.priced.opportunity,
            float(scores.probability[row]),
            forecasts.prices,
            forecasts.volatility,
            scorer=self._config.scorer,
            variant=variant,
            probability_error=scores.error,
            abstain=(*question.quality.abstain, *((scores.reason,) if scores.reason else ())),
            quality=question.quality.share,
        )
        notes = list(forecasts.notes)
        if not question.priced.gas_known:
            gwei = question.priced.opportunity.gas_price_gwei
            notes.append(f"default_gas_price: no tick and no request said one, {gwei:g} gwei is assumed")
        if variant is Variant.BASELINE and self._config.inference.fallback_mode == "skip":
            decision = replace(decision, recommendation=Recommendation.SKIP)
        decision = replace(decision, reasons=(*decision.reasons, *notes))
        return Verdict(float(scores.probability[row]), decision, forecasts, variant, self._versions(scores, forecasts))

    def _forecast(self, vector: FeatureVector | None, models: bool) -> Forecasts:
        """What is expected of the entry stream; asked of the models once per tick."""
        if vector is None:
            return _NOTHING
        held = self._forecasts.get(vector.stream)
        if held is not None and held[0] is vector:
            return held[1]
        window = self._state.window(vector.stream, self._panel.sequence_length)
        found = self._panel.forecast(vector, window, self._clock.now_ms(), models)
        if models:
            self._forecasts[vector.stream] = (vector, found)
        return found

    def _versions(self, scores: Scores, forecasts: Forecasts) -> dict[str, str]:
        """Who really answered."""
        versions = dict(self._panel.versions)
        if not scores.by_model and versions["scorer"] != "none":
            versions["scorer"] = "baseline"
        for kind, given in (("lstm", forecasts.prices), ("volatility", forecasts.volatility)):
            source = given[0].source if given else "none"
            if source != "model":
                versions[kind] = source
        return versions

    def features(self, question: Question) -> dict[str, float | None]:
        """Return what the scorer was shown, by name; None where not known."""
        market = {} if question.vector is None else self._state.named(question.vector)
        route = question.x[len(FEATURE_NAMES) :].tolist()
        return {**market, **{name: None if v != v else v for name, v in zip(ROUTE_FEATURE_NAMES, route, strict=True)}}
