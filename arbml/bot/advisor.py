"""Whoever judges for the bot, in this process or over HTTP, and the answer that stands where nobody can."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from arbml.market import Execution, Opportunity, Prediction, Recommendation, Tick, Variant


class AbsentCode(StrEnum):
    """Why nobody judged: what the first reason of an `absent` answer starts with."""

    NOT_READY = "not_ready"          # initialize was not called, the service warms up, or it was closed
    NO_BUNDLE = "no_bundle"          # no bundle, or it is damaged
    NO_JOURNAL = "no_journal"        # predictions cannot be recorded
    SERVICE_GONE = "service_gone"    # no connection, or the service failed
    SERVICE_LATE = "service_late"    # no answer in time
    LEFT_ALONE = "left_alone"        # the circuit breaker is open: nobody was asked
    REFUSED = "refused"              # the question cannot be judged as it is
    MISREAD = "misread"              # what came back is no answer to the question
    ADVISOR_FAILED = "advisor_failed"  # a fault of the advisor itself

    def reason(self, detail: str) -> str:
        """Return "code: detail".

        >>> AbsentCode.SERVICE_GONE.reason("connection refused")
        'service_gone: connection refused'
        """
        return f"{self.value}: {detail}"


@runtime_checkable
class Advisor(Protocol):
    """Judges opportunities. No method raises because models, bundle or service are missing; all may be called from any thread.

    What it cannot judge it answers with `absent`, which nobody takes for the word of a model.
    """

    def initialize(self) -> None:
        """Get ready. Without it, or where it could not, every answer is `absent`."""
        ...

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Take in ticks, in the order in which they became known; a tick that cannot be is left out and counted."""
        ...

    def enhance_opportunities(self, opportunities: Sequence[Opportunity], request_ids: Sequence[str]) -> list[Prediction]:
        """Return one prediction for each opportunity, in order; all are judged on one market state.

        Args:
            opportunities: as the finder priced them.
            request_ids: one for each; the same id with the same opportunity gets the same answer.

        Raises:
            ValueError: if there are not as many ids as opportunities.
        """
        ...

    def record_outcome(self, execution: Execution) -> None:
        """Tell what became of an opportunity, by its request id. Late and twice are all right."""
        ...

    def get_stats(self) -> dict[str, Any]:
        """Return figures as plain data; `ready` and `problems` are always there."""
        ...

    def close(self) -> None:
        """Let go of everything. May be called twice; afterwards every answer is `absent`."""
        ...


def absent(opportunity: Opportunity, request_id: str, reason: str, latency_ms: float = 0.0) -> Prediction:
    """Return the answer that stands where nobody judged: no chance of success, and never EXECUTE.

    Args:
        opportunity: what was asked about.
        request_id: of the question.
        reason: "code: detail", see `AbsentCode.reason`.
        latency_ms: from question to answer.
    """
    return Prediction(
        request_id=request_id,
        ts_ms=opportunity.ts_ms,
        pair=opportunity.pair,
        success_probability=0.0,
        expected_profit=-opportunity.revert_cost,
        profit_token=opportunity.token,
        confidence=0.0,
        recommendation=Recommendation.SKIP,
        reasons=(reason,),
        price_forecasts=(),
        volatility_forecast=(),
        patterns=(),
        variant=Variant.BASELINE,
        model_versions={},
        feature_set_id="",
        features={},
        latency_ms=latency_ms,
        cached=False,
    )


def is_absent(prediction: Prediction) -> bool:
    """Return whether nobody judged: neither a model nor the baseline of a service.

    >>> from arbml.market import Route
    >>> none = Opportunity(0, "A/B", Route(()), "B", 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.5, 0.0, 0, 1.0)
    >>> is_absent(absent(none, "x", AbsentCode.REFUSED.reason("why")))
    True
    """
    first = prediction.reasons[0].partition(":")[0] if prediction.reasons else ""
    return prediction.variant is Variant.BASELINE and first in set(AbsentCode)
