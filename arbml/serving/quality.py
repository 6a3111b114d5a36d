"""Why an answer should not be acted on: what is old, unknown or unseen. Codes are those of the decision, and NO_TICKS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbml.features.spec import WINDOW_S
from arbml.features.state import FeatureVector
from arbml.market import Pool, Route
from arbml.models.ensemble import ReasonCode
from arbml.serving.panel import NOT_WARM

NO_TICKS = "no_ticks"          # no tick of the entry venue was ever observed
NOT_RECORDED = "not_recorded"  # the journal could not be written: an outcome could never be joined
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Quality:
    """What speaks against an answer, and the share of the model's inputs that could be used, in [0, 1]."""

    abstain: tuple[str, ...]
    share: float


def market_reasons(
    observed: Sequence[Pool], vector: FeatureVector | None, entry: str, seen_ms: int, now_ms: int, max_age_ms: int
) -> tuple[str, ...]:
    """Return what is wrong with the market state behind an answer.

    Args:
        observed: states taken from ticks.
        vector: features of the entry stream, None if no tick of it is known.
        entry: name of the entry stream.
        seen_ms: when the client saw the opportunity.
        now_ms: now, UTC ms.
        max_age_ms: older is stale.
    """
    if vector is None:
        return (f"{NO_TICKS}: nothing was observed of {entry}; POST /observe",)
    oldest_ms = min([vector.ts_ms, *(pool.ts_ms for pool in observed)])
    if now_ms - oldest_ms > max_age_ms:
        text = f"the market state is {(now_ms - oldest_ms) / 1000:.0f} s old, the limit is {max_age_ms / 1000:.0f} s"
        return (ReasonCode.MARKET_STALE.reason(text),)
    if now_ms - seen_ms > max_age_ms:
        text = f"the opportunity was seen {(now_ms - seen_ms) / 1000:.0f} s ago, the limit is {max_age_ms / 1000:.0f} s"
        return (ReasonCode.MARKET_STALE.reason(text),)
    return ()


def input_quality(scaler: Any | None, x: NDArray[np.float64], known_s: float) -> Quality:
    """Return what the scorer's inputs lack.

    Args:
        scaler: of the scorer; None without a model, which then lacks nothing.
        x: one row of SCORER_FEATURE_NAMES.
        known_s: how long the entry stream has been observed, s.
    """
    if scaler is None:
        return Quality((), 1.0)
    missing, unseen = scaler.missing(x), scaler.out_of_range(x)
    abstain = []
    if missing and known_s < WINDOW_S:
        abstain.append(f"{NOT_WARM}: {_some(missing)} not known yet; the stream has been observed for {known_s:.0f} s of {WINDOW_S}")
    elif missing:
        abstain.append(ReasonCode.INPUT_MISSING.reason(f"{_some(missing)} not known"))
    if unseen:
        abstain.append(ReasonCode.INPUT_RANGE.reason(f"{_some(unseen)} outside of what the training saw"))
    return Quality(tuple(abstain), 1.0 - (len(missing) + len(unseen)) / len(scaler.kept))


def unseen_route(scaler: Any | None, route: Route) -> str:
    """Return why a scorer knows nothing of routes of this kind, "" if it may.

    A scorer that was trained on one kind of route only, the base of a pair bought and sold again, has no input that tells
    it from others: the number of swaps never varied, so that the scaler left it out. It must not be asked about longer ones,
    nor about those that start in the base, whose amounts are in another unit.

    Args:
        scaler: of the scorer; None without a model.
        route: that is asked about.
    """
    if scaler is None or "route_hops" in scaler.kept:
        return ""
    if [leg.side for leg in route.legs] == ["buy", "sell"] and len(route.pairs) == 1:
        return ""
    kind = f"{len(route.legs)} swaps over {' and '.join(route.pairs)} that start in {route.token}"
    return ReasonCode.INPUT_RANGE.reason(f"{kind}; the training saw only routes that buy the base of one pair and sell it again")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
