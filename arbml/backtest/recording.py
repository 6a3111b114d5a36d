"""An advisor that writes down what passes through it, so that another one can be asked the same and compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arbml.bot.advisor import Advisor
from arbml.market import Execution, Opportunity, Prediction, Tick


@dataclass(frozen=True, slots=True)
class Observed:
    """Ticks that were handed over, in the order of knowing."""

    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One round of questions and its answers, in order."""

    opportunities: tuple[Opportunity, ...]
    request_ids: tuple[str, ...]
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An outcome."""

    execution: Execution


Event = Observed | Asked | Told


class RecordingAdvisor:
    """Passes everything on, and keeps it in `events`, in order.

    Args:
        advisor: who answers.
    """

    def __init__(self, advisor: Advisor) -> None:
        self._advisor = advisor
        self.events: list[Event] = []

    def initialize(self) -> None:
        """Get the one behind ready."""
        self._advisor.initialize()

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Pass on and keep."""
        self.events.append(Observed(tuple(ticks)))
        self._advisor.observe(ticks)

    def enhance_opportunities(self, opportunities: Sequence[Opportunity], request_ids: Sequence[str]) -> list[Prediction]:
        """Pass on and keep, with the answers."""
        answers = self._advisor.enhance_opportunities(opportunities, request_ids)
        self.events.append(Asked(tuple(opportunities), tuple(request_ids), tuple(answers)))
        return answers

    def record_outcome(self, execution: Execution) -> None:
        """Pass on and keep."""
        self.events.append(Told(execution))
        self._advisor.record_outcome(execution)

    def get_stats(self) -> dict[str, Any]:
        """Return those of the one behind."""
        return self._advisor.get_stats()

    def close(self) -> None:
        """Close the one behind."""
        self._advisor.close()
