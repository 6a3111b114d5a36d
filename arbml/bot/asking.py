"""Questions of the bot to a predictor in this process: each gets its prediction, or the reason why it cannot be judged."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from arbml.bot.advisor import AbsentCode
from arbml.bot.requests import to_request
from arbml.errors import RequestError
from arbml.market import Opportunity, Prediction
from arbml.serving.schemas import OpportunityRequest

if TYPE_CHECKING:
    from arbml.serving import Predictor


def ask(predictor: "Predictor", questions: Sequence[tuple[Opportunity, str]], arrived_s: float) -> list[Prediction | str]:
    """Ask all at once, on one market state.

    Args:
        predictor: warm.
        questions: opportunities and their request ids.
        arrived_s: on the predictor's stopwatch; the budget counts from there.

    Returns:
        For each its prediction, or "code: detail" where it is refused.
    """
    from arbml.serving.batching import Asked

    requests = [_request(opportunity, request_id) for opportunity, request_id in questions]
    records = iter(predictor.judge([Asked(request, arrived_s) for request in requests if not isinstance(request, RequestError)]))
    answers: list[Prediction | str] = []
    for request in requests:
        record = request if isinstance(request, RequestError) else next(records)
        answers.append(AbsentCode.REFUSED.reason(str(record)) if isinstance(record, RequestError) else record.prediction)
    return answers


def _request(opportunity: Opportunity, request_id: str) -> OpportunityRequest | RequestError:
    try:
        return to_request(opportunity, request_id)
    except RequestError as error:
        return error
