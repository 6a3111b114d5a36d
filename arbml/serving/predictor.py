"""The service without HTTP: observes ticks, judges opportunities, joins outcomes. Bots that embed arbml use it directly."""

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from arbml.clock import Clock, ReplayClock, stopwatch_s
from arbml.config import Config
from arbml.errors import RequestError, StoreError
from arbml.features.spec import SCORER_FEATURE_NAMES
from arbml.market import Opportunity, Prediction, Recommendation, Tick
from arbml.serving.batch import LEFT, Batch, Item
from arbml.serving.batching import Asked
from arbml.serving.bundle import Bundle
from arbml.serving.explainer import Explainer
from arbml.serving.judge import Judge, Question, Verdict
from arbml.serving.ledger import Ledger
from arbml.serving.market_state import MAX_AHEAD_MS, MarketState, to_tick
from arbml.serving.panel import Panel
from arbml.serving.quality import NOT_RECORDED
from arbml.serving.records import PredictionRecord, content_of
from arbml.serving.schemas import ObserveRequest, OpportunityRequest, OutcomeRequest
from arbml.serving.settling import Settled, from_the_future, settle
from arbml.serving.stats import ServingStats

MIN_HISTORY = 128


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of ticks: how many were taken in, how many were late, and the rows now known of each stream touched."""

    accepted: int
    late: int
    streams: dict[str, int]


class Predictor:
    """Safe to share between threads; one at a time does its work.

    Args:
        bundle: models, baselines.
        config: what to serve with, see `arbml.serving.bundle.effective`.
        ledger: where predictions are written before they are told.
        clock: for ages, cache and time of knowing.
        stopwatch: for latencies and the budget, s.
    """

    def __init__(
        self, bundle: Bundle, config: Config, ledger: Ledger, clock: Clock, stopwatch: Callable[[], float] = stopwatch_s
    ) -> None:
        self.bundle = bundle
        self.config = config
        self.panel = Panel(bundle.entries, config)
        self.stats = ServingStats(clock, config.monitor.window)
        self._state = MarketState(max(MIN_HISTORY, self.panel.sequence_length), self.panel.listeners())
        self._judge = Judge(self._state, self.panel, config, clock, stopwatch)
        self._explainer = Explainer(bundle.patterns)
        self._ledger = ledger
        self._clock = clock
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._unrecorded = ""

    def warm_up(self, ticks: Iterable[Tick] | None = None) -> int:
        """Take in ticks, read the journal's ids, and run every model once; return how many ticks were taken in.

        Args:
            ticks: in the order in which they became known; those of the bundle without it.
        """
        with self._lock:
            taken = sum(self._take(tick) for tick in (self.bundle.ticks() if ticks is None else ticks))
            self._ledger.restore()
            self._rehearse()
            return taken

    def observe(self, ticks: ObserveRequest | Iterable[Tick]) -> Observed:
        """Take in ticks, in the order in which they became known. All or nothing.

        Raises:
            InvalidRequest: naming the first tick that cannot be; then none was taken in.
        """
        with self._lock:
            if isinstance(ticks, ObserveRequest):
                self._see(max(tick.ts_known_ms or tick.ts_ms for tick in ticks.ticks))
                self._state.check_room(ticks.ticks)
                now_ms = self._clock.now_ms()
                ticks = [to_tick(tick, now_ms, i) for i, tick in enumerate(ticks.ticks)]
            accepted, late = 0, 0
            touched: set[str] = set()
            for tick in ticks:
                self._see(tick.ts_known_ms)
                taken = self._take(tick)
                accepted += taken
                late += not taken
                touched.add(tick.stream)
            self.stats.ticks_accepted += accepted
            self.stats.ticks_late += late
            length = self.panel.sequence_length
            return Observed(accepted, late, {stream: min(self._state.turn(stream), length) for stream in sorted(touched)})

    def predict(self, request: OpportunityRequest, arrived_s: float | None = None) -> PredictionRecord:
        """Judge one opportunity.

        Args:
            request: checked by its schema.
            arrived_s: when it arrived, on the stopwatch; now without it. The budget counts from there.

        Raises:
            InvalidRequest: if it cannot be priced. RequestConflict: if its id was used for another one.
        """
        answer = self.judge([Asked(request, self._stopwatch() if arrived_s is None else arrived_s)])[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def predict_many(self, requests: Sequence[OpportunityRequest], arrived_s: float | None = None) -> list[PredictionRecord]:
        """Judge several opportunities on the same market state, all or nothing. Raises as `predict`, with the place in the list."""
        arrived_s = self._stopwatch() if arrived_s is None else arrived_s
        answers = self.judge([Asked(request, arrived_s) for request in requests], all_or_nothing=True)
        for i, answer in enumerate(answers):
            if isinstance(answer, RequestError) and answer is not LEFT:
                field = f"opportunities[{i}]" + (f".{answer.field}" if answer.field else "")
                raise type(answer)(answer.message, field, answer.mend)
        return [answer for answer in answers if not isinstance(answer, Exception)]

    def judge(
        self, asked: Sequence[Asked[OpportunityRequest]], all_or_nothing: bool = False
    ) -> list[PredictionRecord | RequestError]:
        """Judge a batch: for each question its record, already in the journal, or why it is refused."""
        with self._lock:
            batch = Batch(self._ledger, [self._open(one.question) for one in asked])
            prepared: dict[int, Question] = {}
            for i in batch.new():
                try:
                    prepared[i] = self._judge.prepare(batch.items[i].request, batch.items[i].ts_ms, asked[i].arrived_s)
                except RequestError as error:
                    batch.items[i].answer = error
            if not (all_or_nothing and batch.refused()):
                verdicts = self._judge.answer(list(prepared.values()))
                for (i, question), verdict in zip(prepared.items(), verdicts, strict=True):
                    batch.items[i].answer = self._record(batch.items[i], question, verdict)
                self._write(batch, list(prepared))
            return batch.answers()

    def record_outcome(self, request: OutcomeRequest, opportunity: Opportunity | None = None) -> Settled:
        """Record what became of a prediction; late, twice and without a known prediction are all right.

        Args:
            request: checked by its schema.
            opportunity: what was acted on, kept where no prediction of it is known.

        Raises:
            InvalidRequest: if it is from the future. RequestConflict: if another outcome was recorded under the id.
            StoreError: if the journal cannot be written; then nothing was recorded and it should be sent again.
        """
        with self._lock:
            settled = settle(self._ledger, request, self._clock.now_ms(), opportunity)
            if not settled.duplicate:
                self.stats.outcomes[request.result if settled.joined else "unknown"] += 1
                if self._explainer.wants_outcomes and (outcome := self._ledger.outcome(request.request_id)) is not None:
                    self._explainer.outcome(outcome.execution)
            return settled

    def clear_cache(self) -> int:
        """Forget the answers of the last second; return how many."""
        with self._lock:
            return self._judge.cache.clear()

    def health(self) -> dict[str, Any]:
        """Return what works and what does not, as plain data. `problems` is empty when all is well."""
        with self._lock:
            newest_ms, now_ms = self._state.newest_ms(), self._clock.now_ms()
            streams = len(self._state.streams)
        age_ms = None if newest_ms is None else max(0, now_ms - newest_ms)
        problems = [stale for kind in self.panel.models if (stale := self.panel.stale(kind, now_ms))]
        if age_ms is None or age_ms > self.config.inference.max_tick_age_ms:
            problems.append("market_stale: no fresh tick; POST /observe" if streams else "no_ticks: nothing observed; POST /observe")
        if self._unrecorded:
            problems.append(f"{NOT_RECORDED}: {self._unrecorded}")
        return {"problems": problems, "streams": streams, "newest_tick_age_ms": age_ms, "uptime_s": (now_ms - self.stats.started_ms) / 1000}

    def models(self) -> dict[str, Any]:
        """Return who answers each question, as plain data."""
        manifest = self.bundle.manifest
        now_ms = self._clock.now_ms()
        kinds = {}
        for kind, version in self.panel.versions.items():
            model = self.panel.models.get(kind) or self.panel.entries[kind].baseline
            kinds[kind] = {
                "version": version,
                "model": None if model is None else model.meta.model,
                "trained_to_ms": None if model is None else model.meta.trained_to_ms,
                "data_hash": None if model is None else model.meta.data_hash,
                "stale": bool(self.panel.stale(kind, now_ms)),
            }
        return {
            "feature_set_id": manifest["feature_set_id"],
            "built_ms": manifest["created_ms"],
            "arbml_version": manifest["arbml_version"],
            "models": kinds,
        }

    def _see(self, ts_ms: int | None) -> None:
        """In a replay, the client's time is now."""
        if ts_ms is not None and isinstance(self._clock, ReplayClock):
            self._clock.see(ts_ms)

    def _take(self, tick: Tick) -> bool:
        """Take in one tick; false if it is late."""
        taken = self._state.observe(tick)
        if taken:
            self._explainer.observe(tick, self._state.latest(tick.stream))
        return taken

    def _open(self, request: OpportunityRequest) -> Item:
        """Give a question its id and moment."""
        self._see(request.ts_ms)
        now_ms = self._clock.now_ms()
        ts_ms = now_ms if request.ts_ms is None else request.ts_ms
        item = Item(request, request.request_id or uuid.uuid4().hex, content_of(request), ts_ms)
        if item.ts_ms > now_ms + MAX_AHEAD_MS:
            item.answer = from_the_future(item.ts_ms, now_ms)
        return item

    def _record(self, item: Item, question: Question, verdict: Verdict) -> PredictionRecord:
        opportunity, decision = question.priced.opportunity, verdict.decision
        prediction = Prediction(
            request_id=item.request_id,
            ts_ms=item.ts_ms,
            pair=opportunity.pair,
            success_probability=verdict.probability,
            expected_profit=decision.expected_profit,
            profit_token=opportunity.token,
            confidence=decision.confidence,
            recommendation=decision.recommendation,
            reasons=decision.reasons,
            price_forecasts=verdict.forecasts.prices,
            volatility_forecast=verdict.forecasts.volatility,
            patterns=self._explainer.explain(opportunity, None if question.vector is None else question.x),
            variant=verdict.variant,
            model_versions=verdict.versions,
            feature_set_id=self.bundle.manifest["feature_set_id"],
            features=self._judge.features(question),
            latency_ms=(self._stopwatch() - question.arrived_s) * 1000,
            cached=verdict.cached,
        )
        return PredictionRecord(item.content, prediction, opportunity)

    def _write(self, batch: "Batch", made: Sequence[int]) -> None:
        """Journal what is about to be told; what cannot be written is told, but never as EXECUTE."""
        for i in made:
            record = batch.items[i].answer
            assert isinstance(record, PredictionRecord)
            try:
                self._ledger.write_predictions([record])
                self._unrecorded = ""
            except StoreError as error:
                self._unrecorded = str(error)
                batch.items[i].answer = record = _unrecorded(record, str(error))
            self.stats.answered(record.prediction)

    def _rehearse(self) -> None:
        """Run every model once, so that the first question does not pay for its first run."""
        length = self.panel.sequence_length
        for stream in self._state.streams:
            if (vector := self._state.latest(stream)) is not None:
                self.panel.forecast(vector, self._state.window(stream, length), self._clock.now_ms())
        self.panel.score(np.zeros((1, len(SCORER_FEATURE_NAMES))))


def _unrecorded(record: PredictionRecord, why: str) -> PredictionRecord:
    reasons = (f"{NOT_RECORDED}: {why}", *record.prediction.reasons)
    return replace(record, prediction=replace(record.prediction, recommendation=Recommendation.SKIP, reasons=reasons))
