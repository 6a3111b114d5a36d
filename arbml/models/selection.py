"""Which candidate answers for a stream: the one that forecast the variance of the windows best.

By QLIKE (Patton 2011) over training and validation rows together. A few hours of validation rows are one regime: choosing
by them alone lost to the baseline in 5 of 12 later blocks (three simulated days, recorded minutes), by all rows in none.
Those blocks also made the choice between the two rules; on six others (one more simulated day, recorded blocks) the rule by
all rows lost one. With two or three numbers fitted to thousands of rows, there is little to overfit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbml.models.bars import Series, steps_between
from arbml.models.garch import GarchParams, filtered
from arbml.models.risk import residual_grid

Floats = NDArray[np.float64]

NAMED = 3  # candidates that the note names beside the chosen one


@dataclass(frozen=True, slots=True)
class StreamFit:
    """What was learnt of one stream.

    Attributes:
        params: the chosen ones.
        ts_ms, variance: where the recursion stands: end of the last bar seen, and variance of the next.
        residuals: standardised returns of the training, see `arbml.models.risk`.
        why: one line for people.
    """

    params: GarchParams
    ts_ms: int
    variance: float
    residuals: list[float]
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; `intervals` are added once they are measured."""
        state = {"ts_ms": self.ts_ms, "variance": self.variance}
        return {"garch": self.params.to_dict(), "state": state, "residuals": self.residuals, "why": self.why}


def choose(
    candidates: Iterable[GarchParams], train: Series, y_train: Floats, later: Series | None, y_later: Floats, bars: int
) -> StreamFit | None:
    """Return the candidate with the lowest mean QLIKE.

    Args:
        candidates: parameters fitted on `train`.
        train, later: the stream's rows. y_train, y_later: targets of their whole datasets, realised variance of a window.
        bars: length of that window.

    Returns:
        None if no candidate forecasts finite, positive variances.
    """
    scored = []
    for params in candidates:
        in_train = filtered(params, train.log_returns.tolist(), train.steps.tolist(), params.start)
        losses = [_qlike(params, in_train, y_train[train.rows], bars)]
        if later is not None:
            after = continued(params, (int(train.ts_ms[-1]), float(in_train[-1])), later)
            losses.append(_qlike(params, after, y_later[later.rows], bars))
        together = np.concatenate(losses)
        score = float(together.mean()) if len(together) else float("nan")
        if np.isfinite(score):
            scored.append((score, params, in_train))
    if not scored:
        return None
    score, params, in_train = min(scored, key=lambda entry: entry[0])
    why = f"{params.name}, QLIKE {score:.4f} ({_others(scored, params)})"
    why += f"; {params.note}" if params.note else ""
    residuals = residual_grid(_standardised(params, train, in_train))
    return StreamFit(params, int(train.ts_ms[-1]), float(in_train[-1]), residuals, why)


def _others(scored: list[tuple[float, GarchParams, Floats]], chosen: GarchParams) -> str:
    """Name the best few of the others."""
    others = sorted((score, params.name) for score, params, _ in scored if params is not chosen)[:NAMED]
    return ", ".join(f"{name} {score:.4f}" for score, name in others) or "the only candidate"


def continued(params: GarchParams, state: tuple[int, float], later: Series) -> Floats:
    """Return the variance after each row of `later`, from a state (end of its bar in UTC ms, variance of the next)."""
    first = steps_between(state[0], later.ts_ms[0], later.step_s)
    return filtered(params, later.log_returns.tolist(), [int(first), *later.steps[1:].tolist()], state[1])


def _qlike(params: GarchParams, variances: Floats, y: Floats, bars: int) -> Floats:
    known = np.isfinite(y)
    forecast = params.total(variances[known], bars)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(forecast) + y[known] / forecast)


def _standardised(params: GarchParams, train: Series, variances: Floats) -> Floats:
    before = np.concatenate([[params.start], variances[:-1]])
    expected = params.long_run + params.persistence ** (train.steps - 1) * (before - params.long_run)
    return np.asarray(train.log_returns / np.sqrt(expected))
