"""What stands between HTTP and the predictor: nobody comes in before it is warm, and questions wait in one short queue."""

import sys
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import arbml
from arbml.errors import NotReady, RequestConflict
from arbml.serving import schemas
from arbml.serving.answers import prediction_answer
from arbml.serving.batching import MicroBatcher

if TYPE_CHECKING:
    from arbml.fanout import TickFeed
    from arbml.serving import Journal, JournalFlusher, Predictor
    from arbml.serving.records import PredictionRecord

HEAVY = ("tensorflow", "keras", "sklearn", "mlflow", "arch", "evidently", "great_expectations", "matplotlib", "prefect")


class Door:
    """Closed until `open`. Its coroutines run on the event loop; none of them blocks longer than one micro-batch.

    Args:
        worker: index of this worker process.
    """

    def __init__(self, worker: int = 1) -> None:
        self.worker = worker
        self.failed = ""  # why the warm-up failed
        self.instance = ""  # another one each time that a predictor begins with what its bundle knows of the market
        self._predictor: Predictor | None = None
        self._batcher: MicroBatcher[schemas.OpportunityRequest, PredictionRecord] | None = None
        self._journal: Journal | None = None
        self._flusher: JournalFlusher | None = None
        self._feed: TickFeed | None = None
        self._closed = False

    @property
    def ready(self) -> bool:
        """True between `open` and `close`."""
        return self._predictor is not None and not self._closed

    def open(
        self, predictor: "Predictor", journal: "Journal | None" = None, flusher: "JournalFlusher | None" = None,
        feed: "TickFeed | None" = None,
    ) -> None:
        """Let requests in; `predictor` is warm, and `feed` brings it live ticks."""
        self._journal, self._flusher, self._feed = journal, flusher, feed
        self._batcher = MicroBatcher(predictor.judge, predictor.config.inference.batch_size)
        self.instance = uuid.uuid4().hex
        self._predictor = predictor

    def close(self) -> None:
        """Let no further request in."""
        self._closed = True

    def refused(self, code: str, blame: bool) -> None:
        """Count a request that got an error."""
        if self._predictor is not None:
            self._predictor.stats.refused(code, failed=blame)

    async def predict(self, request: schemas.OpportunityRequest, arrived_s: float) -> dict[str, Any]:
        """Judge one opportunity, together with others that arrived in the same turn of the loop."""
        self._inside()
        assert self._batcher is not None
        return _answer(await self._batcher.ask(request, arrived_s))

    async def predict_many(self, request: schemas.PredictManyRequest, arrived_s: float) -> dict[str, Any]:
        """Judge several opportunities, all or nothing."""
        found: list[PredictionRecord] = self._inside().predict_many(request.opportunities, arrived_s)
        return {"predictions": [_answer(record) for record in found]}

    async def observe(self, request: schemas.ObserveRequest, _: float) -> dict[str, Any]:
        """Take in ticks; none if they go on from what another instance was shown."""
        predictor = self._inside()
        if request.instance not in (None, self.instance):
            said = "the service was started anew, and has forgotten what it was shown before"
            raise RequestConflict(said, "instance", "send the last 20 minutes again, oldest first, the first of it without instance")
        return {**asdict(predictor.observe(request)), "instance": self.instance}

    async def outcome(self, request: schemas.OutcomeRequest, _: float) -> dict[str, Any]:
        """Record what became of a prediction."""
        return asdict(self._inside().record_outcome(request))

    async def stats(self, _: schemas.EmptyRequest, __: float) -> dict[str, Any]:
        """Return the figures."""
        return self._inside().stats.snapshot()

    async def models(self, _: schemas.EmptyRequest, __: float) -> dict[str, Any]:
        """Return who answers."""
        return self._inside().models()

    async def clear_cache(self, _: schemas.EmptyRequest, __: float) -> dict[str, Any]:
        """Forget the answers of the last second."""
        return {"cleared": self._inside().clear_cache()}

    async def health(self, _: schemas.EmptyRequest, __: float) -> dict[str, Any]:
        """Return what works; answers also while the door is closed."""
        state: dict[str, Any] = {"problems": [], "streams": 0, "newest_tick_age_ms": None, "uptime_s": 0.0}
        if self._predictor is not None:
            state = self._predictor.health()
        problems = [*state["problems"], *([f"warm_up_failed: {self.failed}"] if self.failed else [])]
        journal = None
        if self._journal is not None:
            journal = {
                "lane": str(self._journal.lane),
                "lag_bytes": self._flusher.lag_bytes if self._flusher else 0,
                "broken_lines": self._journal.broken,
                "error": self._flusher.error if self._flusher else "",
            }
            problems += [f"store_unavailable: {journal['error']}"] if journal["error"] else []
        if self._feed is not None and self._feed.problem:
            problems.append(f"redis_unavailable: {self._feed.problem}; no live ticks but those that are posted")
        status = "stopping" if self._closed else "starting" if not self.ready else "degraded" if problems else "ok"
        return {
            **state,
            "status": status,
            "problems": problems,
            "worker": self.worker,
            "journal": journal,
            "heavy_modules": [name for name in HEAVY if name in sys.modules],
            "code_path": str(Path(arbml.__file__).parent),
        }

    def _inside(self) -> "Predictor":
        if self._predictor is None:
            raise NotReady("the service is warming up", mend="ask again when /readyz says 200")
        if self._closed:
            raise NotReady("the service is shutting down", mend="ask another instance")
        return self._predictor


def _answer(record: "PredictionRecord") -> dict[str, Any]:
    return prediction_answer(record.prediction, record.opportunity)
