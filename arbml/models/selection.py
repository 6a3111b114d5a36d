"""Which candidate answers for a stream: the one that forecast the variance of later windows best."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbml.models.bars import Series, steps_between
from arbml.models.garch import GarchParams, filtered
from arbml.models.risk import residual_grid

Floats = NDArray[np.float64]


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
    """Return the candidate with the lowest QLIKE on later rows, or on those of the training where there are none.

    Args:
        candidates: parameters fitted on `train`.
        train, later: the stream's rows. y_train, y_later: targets of their whole datasets, realised variance of a window.
        bars: length of that window.

    Returns:
        None if no candidate forecasts finite, positive variances.
    """
    scored = []
    for params in candidates:
        in_train = filtered(params, train.log_returns, train.steps, params.start)
        state = (int(train.ts_ms[-1]), float(in_train[-1]))
        if later is None:
            score = _mean_qlike(params, in_train, y_train[train.rows], bars)
        else:
            score = _mean_qlike(params, continued(params, state, later), y_later[later.rows], bars)
        if np.isfinite(score):
            scored.append((score, params, state, in_train))
    if not scored:
        return None
    score, params, state, in_train = min(scored, key=lambda entry: entry[0])
    others = ", ".join(f"{entry[1].name} {entry[0]:.4f}" for entry in scored if entry[1] is not params)
    why = f"{params.name}, QLIKE {score:.4f} on {'training' if later is None else 'validation'} rows"
    why += f" (others: {others})" if others else ""
    why += f"; {params.note}" if params.note else ""
    return StreamFit(params, *state, residual_grid(_standardised(params, train, in_train)), why)


def continued(params: GarchParams, state: tuple[int, float], later: Series) -> Floats:
    """Return the variance after each row of `later`, from a state (end of its bar in UTC ms, variance of the next)."""
    first = steps_between(state[0], later.ts_ms[0], later.step_s)
    return filtered(params, later.log_returns.tolist(), [int(first), *later.steps[1:].tolist()], state[1])


def _mean_qlike(params: GarchParams, variances: Floats, y: Floats, bars: int) -> float:
    known = np.isfinite(y)
    if not known.any():
        return float("nan")
    forecast = np.array([params.total(variance, bars) for variance in variances[known].tolist()])
    if not (forecast > 0).all():
        return float("nan")
    return float(np.mean(np.log(forecast) + y[known] / forecast))


def _standardised(params: GarchParams, train: Series, variances: Floats) -> Floats:
    before = np.concatenate([[params.start], variances[:-1]])
    expected = params.long_run + params.persistence ** (train.steps - 1) * (before - params.long_run)
    return np.asarray(train.log_returns / np.sqrt(expected))
