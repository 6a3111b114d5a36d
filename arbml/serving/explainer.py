"""Which confirmed patterns an opportunity meets. They explain an answer; no decision reads them.

An answer from the cache is explained anew, for patterns depend on the time and on what happened since. What the explainer
remembers begins with the process: after a restart the ticks of the bundle bring market events back, while opportunities and
outcomes of the last minutes are forgotten, as nothing depends on them.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from arbml.features.state import FeatureVector
from arbml.market import Execution, Opportunity, Result, Tick
from arbml.models.patterns.matcher import Case, PatternMatcher
from arbml.models.patterns.pattern import Pattern


class Explainer:
    """One caller at a time.

    Args:
        patterns: active ones, of the feature set that the service computes.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._matcher = PatternMatcher(patterns)
        self._chains: dict[str, int] = {}

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """What is matched, best first."""
        return self._matcher.patterns

    @property
    def wants_outcomes(self) -> bool:
        """True if a pattern begins with what became of an attempt."""
        return self._matcher.wants_outcomes

    def observe(self, tick: Tick, vector: FeatureVector | None) -> None:
        """Take in a tick that was not late, and the features that it led to."""
        if tick.chain_id is not None:
            self._chains[tick.stream] = tick.chain_id
        if vector is not None:
            self._matcher.observe(tick.pair, vector.values, tick.ts_known_ms)

    def outcome(self, execution: Execution) -> None:
        """Take in what became of an attempt; nothing is learnt from one whose opportunity is not known."""
        if execution.opportunity is not None:
            self._matcher.outcome(execution.opportunity.route.name, execution.result is Result.SUCCESS, execution.ts_known_ms)

    def explain(self, opportunity: Opportunity, x: NDArray[np.float64] | None) -> tuple[str, ...]:
        """Return the patterns that an opportunity meets in words, best first; then remember it for those that follow.

        Args:
            opportunity: priced now.
            x: (f,) inputs of the scorer; None where nothing was observed of the entry stream.
        """
        if not self._matcher.patterns:
            return ()
        case = Case.of(opportunity, self._chains.get(opportunity.entry_stream), x)
        said = self._matcher.say(case)
        self._matcher.judged(case)
        return said
