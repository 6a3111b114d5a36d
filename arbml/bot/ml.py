"""The service inside the bot's own process: the same predictor, the same journal, no network."""

import logging
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from arbml.bot.advisor import AbsentCode, absent
from arbml.bot.asking import ask
from arbml.bot.enhanced import EnhancedOpportunity, decided
from arbml.bot.memory import TickMemory
from arbml.bot.recorder import Recorder
from arbml.bot.soundness import TickSieve
from arbml.bot.watch import Watcher, fingerprint
from arbml.clock import Clock, ReplayClock, SystemClock, stopwatch_s
from arbml.config import Config
from arbml.errors import ArbmlError
from arbml.market import Execution, Opportunity, Prediction, Tick

if TYPE_CHECKING:
    from arbml.serving import Predictor
    from arbml.serving.stats import ServingStats

log = logging.getLogger(__name__)


def new_request_id() -> str:
    """Return an id that nobody has used."""
    return uuid.uuid4().hex


class MLOrchestrator:
    """Judges opportunities in process; an `Advisor`. Safe to share between threads.

    It never raises because of ML: without a bundle, or with a damaged one, every answer is `absent` (never EXECUTE) and
    `get_stats()["problems"]` says why. A promotion is picked up by `reload`, or by itself with `watch_s`: the new models
    are loaded and shown everything that was seen lately while the old ones go on answering, then they take over.

    Args:
        bundle_path: what `arbml build` or `arbml run` left under ML_MODELS_PATH; None is as good as missing.
        config: wins over the bundle's where it was set, see `arbml.serving.effective`.
        home: the journal is under it; that of `config` without it.
        clock: for ages, cache and time of knowing.
        journal: False writes nothing to disk, for backtests.
        stopwatch: for latencies and the budget, s.
        watch_s: how often to look whether the bundle was written anew; 0 never looks.
    """

    def __init__(
        self,
        bundle_path: Path | str | None,
        config: Config,
        home: Path | None = None,
        clock: Clock | None = None,
        journal: bool = True,
        *,
        stopwatch: Callable[[], float] = stopwatch_s,
        watch_s: float = 0.0,
    ) -> None:
        self.bundle_path = None if bundle_path is None else Path(bundle_path)
        self._config = config
        self._clock = clock or SystemClock()
        self._stopwatch = stopwatch
        self._recorder = Recorder(home or config.home_path, config, journal)
        self._memory, self._sieve = TickMemory(), TickSieve()
        self._predictor: Predictor | None = None
        self._stats: ServingStats | None = None
        self._watcher = Watcher(self._look, watch_s) if watch_s > 0 else None
        self._lock = threading.Lock()     # memory, recorder, and which predictor answers
        self._loading = threading.Lock()  # one bundle at a time
        self._counting = threading.Lock()
        self._served = fingerprint(None)
        self._problem = AbsentCode.NOT_READY.reason("not initialized yet")
        self._reload_problem = ""
        self._absent: Counter[str] = Counter()
        self._said: set[str] = set()
        self._reloads, self._ticks_failed, self._closed = 0, 0, False

    def __enter__(self) -> Self:
        self.initialize()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def ready(self) -> bool:
        """Whether a bundle answers."""
        return self._predictor is not None

    def initialize(self) -> None:
        """Open the journal, load the bundle and warm it up: some seconds. Again while it is not ready, it tries again."""
        with self._loading:
            if self._closed or self.ready:
                return
            try:
                self._recorder.open()
            except ArbmlError as error:
                self._problem = AbsentCode.NO_JOURNAL.reason(str(error))
                log.error("no opportunity is judged: %s", error)
                return
        self.reload()
        if self._watcher is not None and not self._watcher.started:
            self._watcher.start()

    def reload(self, bundle_path: Path | str | None = None) -> bool:
        """Serve what is at `bundle_path` (at the present path without it), if it is sound; else go on as before.

        The new models start warm: with the bundle's ticks up to the first that was observed here, and all since.

        Returns:
            Whether it serves now; if not, `get_stats()["problems"]` says why.
        """
        with self._loading:
            path = self.bundle_path if bundle_path is None else Path(bundle_path)
            served = fingerprint(path)
            try:
                predictor, seen = self._load(path)
            except Exception as error:  # whatever a damaged file makes a runtime raise, the bot goes on
                self._not_loaded(error)
                return False
            with self._lock:
                if self._closed:
                    return False
                predictor.observe(self._memory.since(seen))
                self._stats = predictor.stats = self._stats or predictor.stats
                self._reloads += self.ready
                self._predictor, self.bundle_path, self._served = predictor, path, served
                self._problem = self._reload_problem = ""
            log.debug("bundle %s answers, models %s", path, predictor.panel.versions)
            return True

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Take in ticks, in the order in which they became known; what cannot be a tick is left out and counted."""
        with self._lock:
            # in a replay the ticks are the clock
            now_ms = None if isinstance(self._clock, ReplayClock) else self._clock.now_ms()
            sound = self._sieve.sound(ticks, now_ms)
            self._memory.extend(sound)
            if self._predictor is not None:
                self._show(self._predictor, sound)

    def enhance_opportunity(self, opportunity: Opportunity, request_id: str | None = None) -> EnhancedOpportunity:
        """Judge one opportunity, and decide on it by the bot section of the configuration."""
        request_id = request_id or new_request_id()
        prediction = self.enhance_opportunities([opportunity], [request_id])[0]
        return decided(opportunity, request_id, prediction, self._config.bot)

    def enhance_opportunities(self, opportunities: Sequence[Opportunity], request_ids: Sequence[str]) -> list[Prediction]:
        """Judge opportunities on one market state; see `Advisor`. Predictions are in the journal before they are told."""
        started_s = self._stopwatch()
        questions = list(zip(opportunities, request_ids, strict=True))
        predictor, problem = self._predictor, self._problem
        answers: Sequence[Prediction | str] = [problem] * len(questions)
        if predictor is not None:
            try:
                answers = ask(predictor, questions, started_s)
            except Exception as error:  # a fault of ours is no reason to stop the bot
                self._log_once("judging failed", error)
                answers = [AbsentCode.ADVISOR_FAILED.reason(f"{type(error).__name__}: {error}")] * len(questions)
        return [self._told(*question, answer, started_s) for question, answer in zip(questions, answers, strict=True)]

    def record_outcome(self, execution: Execution) -> None:
        """Record what became of an opportunity; what the disk does not take is kept and tried again with the next one."""
        with self._lock:
            self._recorder.record(execution, self._predictor, self._clock.now_ms())

    def get_stats(self) -> dict[str, Any]:
        """Return which models are loaded, their versions, and figures of the predictions, as plain data."""
        predictor = self._predictor
        health = predictor.health() if predictor is not None else {"problems": [], "streams": 0, "newest_tick_age_ms": None}
        with self._lock:
            own = [text for text in (self._problem, self._reload_problem) if text] + self._recorder.problems()
            figures = self._stats.snapshot() if self._stats is not None else {"predictions": 0}
            return {
                "ready": predictor is not None,
                "problems": [*own, *health["problems"]],
                "bundle": str(self.bundle_path) if self.bundle_path is not None else None,
                **(predictor.models() if predictor is not None else {"models": {}}),
                "models_loaded": sorted(predictor.panel.models) if predictor is not None else [],
                "reloads": self._reloads,
                **figures,
                "absent": dict(self._absent),
                "streams": health["streams"],
                "newest_tick_age_ms": health["newest_tick_age_ms"],
                "ticks_refused": self._sieve.refused + self._ticks_failed,
                "last_tick_refused": self._sieve.last_refusal,
                "journal": self._recorder.figures(),
            }

    def close(self) -> None:
        """Stop watching, write what is left, and let go of the journal. May be called twice."""
        if self._watcher is not None:
            self._watcher.stop()
        with self._lock:
            self._closed = True
            self._problem = AbsentCode.NOT_READY.reason("closed")
            self._recorder.retry(self._predictor, self._clock.now_ms())
            self._predictor = None
            self._recorder.close()

    def _load(self, path: Path | None) -> "tuple[Predictor, int]":
        """Return a warm predictor, and the number of the next tick that it has not seen."""
        from arbml.errors import ModelFileError
        from arbml.serving import Bundle, Predictor, effective

        if path is None:
            raise ModelFileError("no bundle was given; make one with arbml run, and pass its folder under ML_MODELS_PATH")
        bundle = Bundle.load(path)
        with self._lock:
            ledger, seen, end = self._recorder.ledger, self._memory.since(0), self._memory.end
        if ledger is None:
            raise ModelFileError(f"{path}: not loaded, since the journal is not open; initialize first")
        predictor = Predictor(bundle, effective(bundle.config, self._config), ledger, self._clock, self._stopwatch)
        before = bundle.ticks()
        if seen:
            before = [tick for tick in before if tick.ts_known_ms < seen[0].ts_known_ms]
        predictor.warm_up([*before, *seen])
        return predictor, end

    def _not_loaded(self, error: Exception) -> None:
        said = str(error) if isinstance(error, ArbmlError) else f"{type(error).__name__}: {error}"
        with self._lock:
            if self.ready:
                self._reload_problem = f"reload_failed: the models before go on: {said}"
            elif not self._closed:
                self._problem = AbsentCode.NO_BUNDLE.reason(said)
        self._log_once("no new models", error)

    def _look(self) -> None:
        found = fingerprint(self.bundle_path)
        if found is not None and found != self._served:
            self.reload()

    def _show(self, predictor: "Predictor", ticks: Sequence[Tick]) -> None:
        try:
            predictor.observe(ticks)
        except Exception as error:  # of a model that keeps state by tick
            self._log_once("observing failed", error)
            for tick in ticks:  # those taken in already are late now; only the one that cannot be is left out
                try:
                    predictor.observe([tick])
                except Exception:
                    self._ticks_failed += 1

    def _told(self, opportunity: Opportunity, request_id: str, answer: Prediction | str, started_s: float) -> Prediction:
        if isinstance(answer, Prediction):
            return answer
        with self._counting:
            self._absent[answer.partition(":")[0]] += 1
        return absent(opportunity, request_id, answer, (self._stopwatch() - started_s) * 1000)

    def _log_once(self, what: str, error: Exception) -> None:
        text = f"{what}: {error}"
        if text not in self._said and len(self._said) < 100:
            self._said.add(text)
            log.error("%s", text, exc_info=None if isinstance(error, ArbmlError) else error)
