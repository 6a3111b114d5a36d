"""One batch of questions on its way to its answers: which are new, which repeat an earlier one, which are refused."""

from dataclasses import dataclass

from arbml.errors import InvalidRequest, RequestConflict, RequestError
from arbml.serving.ledger import Ledger
from arbml.serving.records import PredictionRecord
from arbml.serving.schemas import OpportunityRequest

LEFT = InvalidRequest("another opportunity of this request is refused")
"""Stands for the answer of a question that was left because another one of an all-or-nothing batch is refused."""


@dataclass(slots=True)
class Item:
    """A question of a batch on its way to its answer."""

    request: OpportunityRequest
    request_id: str
    content: str
    ts_ms: int
    answer: PredictionRecord | RequestError | None = None
    same_as: int | None = None


class Batch:
    """Tells new questions from repeats: of earlier batches by the ledger, of this one by its own ids."""

    def __init__(self, ledger: Ledger, items: list[Item]) -> None:
        self.items = items
        first: dict[str, int] = {}
        for i, item in enumerate(items):
            if item.answer is not None:
                continue
            try:
                item.answer = ledger.repeat(item.request_id, item.content)
                if (j := first.setdefault(item.request_id, i)) != i:
                    if items[j].content != item.content:
                        raise RequestConflict(f"'{item.request_id}' is used for two opportunities", "request_id", "one id each, or none")
                    item.same_as = j
            except RequestConflict as error:
                item.answer = error

    def new(self) -> list[int]:
        """Return the places of the questions that nobody has answered yet."""
        return [i for i, item in enumerate(self.items) if item.answer is None and item.same_as is None]

    def refused(self) -> bool:
        """Return whether any question is refused."""
        return any(isinstance(item.answer, RequestError) for item in self.items)

    def answers(self) -> list[PredictionRecord | RequestError]:
        """Return the answers in order; a question that was left because another is refused carries no answer of its own."""
        found = (self.items[item.same_as].answer if item.same_as is not None else item.answer for item in self.items)
        return [answer if answer is not None else LEFT for answer in found]
