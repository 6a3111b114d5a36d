"""What the bot decided on everything that it looked at: the ledger of trades shows only what it sent."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from arbml.bot.enhanced import EnhancedOpportunity

RULE = "RULE"  # in place of a recommendation where nobody was asked


@dataclass(frozen=True, slots=True)
class Decision:
    """One opportunity at one moment.

    Attributes:
        now_ms: when, UTC ms.
        request_id: under which its outcome would be reported.
        route: its name.
        recommendation: EXECUTE, QUEUE, SKIP, or RULE where nobody was asked.
        execute: whether the bot wanted to send it.
        code: the reason that decided, in one word.
        net_profit: as the finder saw it, token.
        success_probability, expected_profit: as judged; None where nobody was asked.
    """

    now_ms: int
    request_id: str
    route: str
    recommendation: str
    execute: bool
    code: str
    net_profit: float
    success_probability: float | None
    expected_profit: float | None

    @classmethod
    def of(cls, now_ms: int, found: EnhancedOpportunity) -> "Decision":
        """Note a decision of the bot."""
        answer = found.prediction
        return cls(
            now_ms,
            found.request_id,
            found.opportunity.route.name,
            RULE if answer is None else answer.recommendation.value,
            found.execute,
            found.why.partition(":")[0],
            found.opportunity.net_profit,
            None if answer is None else answer.success_probability,
            None if answer is None else answer.expected_profit,
        )


@dataclass(frozen=True, slots=True)
class Mix:
    """How often the bot decided what, and why.

    Attributes:
        looked_at: opportunities looked at; one that stands for several moments counts at each.
        recommended: how many of them by recommendation.
        wanted: how many the bot wanted to send.
        reasons: how many by recommendation and deciding reason, most frequent first.
    """

    looked_at: int
    recommended: dict[str, int]
    wanted: int
    reasons: tuple[tuple[str, str, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        reasons = [{"recommendation": what, "reason": why, "opportunities": n} for what, why, n in self.reasons]
        return {"looked_at": self.looked_at, "recommended": self.recommended, "wanted": self.wanted, "reasons": reasons}


def mix(decisions: Iterable[Decision]) -> Mix:
    """Count decisions.

    >>> one = Decision(0, "a", "r", "SKIP", False, "expected_loss", 1.0, 0.2, -0.5)
    >>> mix([one, one]).reasons
    (('SKIP', 'expected_loss', 2),)
    """
    counts: Counter[tuple[str, str]] = Counter()
    wanted = 0
    for decision in decisions:
        counts[decision.recommendation, decision.code] += 1
        wanted += decision.execute
    recommended: Counter[str] = Counter()
    for (what, _), n in counts.items():
        recommended[what] += n
    reasons = sorted(((what, why, n) for (what, why), n in counts.items()), key=lambda row: (-row[2], row[0], row[1]))
    return Mix(sum(counts.values()), dict(sorted(recommended.items())), wanted, tuple(reasons))
