"""An opportunity with its judgement, and what the bot does about it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from arbml.config import BotConfig
from arbml.market import Opportunity, Prediction, Recommendation, Variant
from arbml.models.ensemble import abstained


@dataclass(frozen=True, slots=True)
class EnhancedOpportunity:
    """What was found, what was said of it, and whether to send it.

    Attributes:
        request_id: under which its outcome is reported.
        opportunity: as the finder priced it.
        prediction: the judgement; None where nobody was asked.
        execute: whether to send it.
        value: what to rank it by, in the opportunity's token: the expected profit where it was judged, else the net profit.
    """

    request_id: str
    opportunity: Opportunity
    prediction: Prediction | None
    execute: bool
    value: float

    @property
    def by_model(self) -> bool:
        """True where a promoted model judged it, and did not abstain."""
        return self.prediction is not None and _judged(self.prediction)

    @property
    def why(self) -> str:
        """The reason that decided, "code: detail"."""
        return self.prediction.reasons[0] if self.prediction is not None and self.prediction.reasons else "rule: nobody was asked"


def decided(
    opportunity: Opportunity, request_id: str, prediction: Prediction | None, bot: BotConfig, asked: bool = True
) -> EnhancedOpportunity:
    """Decide. Pure, and the same in the bot and in the backtest.

    `bot.min_profit` is a floor that nobody lowers: what the finder expects to give no more is never sent. Above it
    - a model judged: its recommendation counts;
    - nobody was to be asked (`asked` false): it is sent;
    - somebody was, but no model judged (`prediction` is that of a baseline, or of a model that abstains because it cannot
      know): `bot.without_ml` says. A model that never saw such a market has no more authority to stop the bot than to send.
    """
    pays = opportunity.net_profit > bot.min_profit
    if prediction is not None and _judged(prediction):
        execute = prediction.recommendation is Recommendation.EXECUTE
        return EnhancedOpportunity(request_id, opportunity, prediction, pays and execute, prediction.expected_profit)
    by_rule = not asked or bot.without_ml == "rule"
    value = opportunity.net_profit if by_rule or prediction is None else prediction.expected_profit
    return EnhancedOpportunity(request_id, opportunity, prediction, pays and by_rule, value)


def _judged(prediction: Prediction) -> bool:
    return prediction.variant is not Variant.BASELINE and not abstained(prediction.reasons)


def ranked(found: Iterable[EnhancedOpportunity], rates: Mapping[str, float] | None = None) -> list[EnhancedOpportunity]:
    """Return what to send first, then by value, best first; the route's name decides between equals.

    Args:
        found: opportunities; those of one token need no `rates`.
        rates: worth of each start token in one and the same unit; without that of a token, its values come last.
    """

    def worth(one: EnhancedOpportunity) -> float:
        rate = 1.0 if rates is None else rates.get(one.opportunity.token, math.nan)
        return one.value * rate if math.isfinite(one.value * rate) else -math.inf

    return sorted(found, key=lambda one: (not one.execute, -worth(one), one.opportunity.route.name))
