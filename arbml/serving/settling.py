"""What becomes of an outcome: joined to its prediction, recorded once, and final. It needs no models."""

from dataclasses import dataclass

from arbml.errors import InvalidRequest, RequestConflict
from arbml.market import Execution, Opportunity, Result
from arbml.serving.ledger import Ledger
from arbml.serving.market_state import MAX_AHEAD_MS
from arbml.serving.records import OutcomeRecord, content_of
from arbml.serving.schemas import OutcomeRequest


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an outcome. `duplicate`: the same one was recorded before."""

    request_id: str
    joined: bool
    duplicate: bool


def settle(ledger: Ledger, request: OutcomeRequest, now_ms: int, opportunity: Opportunity | None = None) -> Settled:
    """Record what became of a prediction; late, twice and without a known prediction are all right.

    Args:
        ledger: where predictions and outcomes are.
        request: checked by its schema.
        now_ms: becomes the time of knowing, UTC ms.
        opportunity: what was acted on, kept where no prediction of it is known.

    Raises:
        InvalidRequest: if it is from the future. RequestConflict: if another outcome was recorded under the id.
        StoreError: if the journal cannot be written; then nothing was recorded and it should be sent again.
    """
    if request.ts_ms is not None and request.ts_ms > now_ms + MAX_AHEAD_MS:
        raise from_the_future(request.ts_ms, now_ms)
    content = content_of(request)
    known = ledger.prediction(request.request_id)
    before = ledger.outcome(request.request_id)
    if before is not None and before.content != content:
        said = f"'{request.request_id}' was already settled as {before.execution.result.value}, with other content"
        raise RequestConflict(said, "request_id", "an outcome is final; check which of the two is right")
    if before is None:
        ts_ms = request.ts_ms if request.ts_ms is not None else known.prediction.ts_ms if known else now_ms
        fields = request.model_dump() | {"ts_ms": ts_ms, "result": Result(request.result)}
        acted_on = known.opportunity if known else opportunity
        ledger.write_outcome(OutcomeRecord(content, Execution(ts_known_ms=max(now_ms, ts_ms), opportunity=acted_on, **fields)))
    return Settled(request.request_id, joined=known is not None, duplicate=before is not None)


def from_the_future(ts_ms: int, now_ms: int) -> InvalidRequest:
    """Return the error for a moment that is too far ahead."""
    ahead_s = (ts_ms - now_ms) / 1000
    return InvalidRequest(f"is {ahead_s:.0f} s ahead of the service's clock", "ts_ms", "check the clocks; times are UTC")
