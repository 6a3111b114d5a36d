"""Who answers which question: the promoted model, its baseline where there is none or it cannot, and the reason."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from arbml.config import Config
from arbml.features.state import FeatureVector
from arbml.market import PriceForecast, VolatilityForecast
from arbml.models.base import ServingModel
from arbml.models.ensemble import DEFAULT_ERROR, ReasonCode
from arbml.serving.bundle import KINDS, Entry

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
F = TypeVar("F")
HOUR_MS = 3_600_000
NOT_WARM = "not_warm"  # a reason beside those of ReasonCode: too few ticks of the stream yet


@dataclass(frozen=True, slots=True)
class Scores:
    """Success probabilities (n,), whether the model gave them, why not if it did not, and their standard error."""

    probability: Floats
    by_model: bool
    reason: str = ""
    error: float = DEFAULT_ERROR


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Price and volatility of one stream as of its newest tick; `notes` say where the baseline stands in."""

    prices: tuple[PriceForecast, ...]
    volatility: tuple[VolatilityForecast, ...]
    notes: tuple[str, ...]


class Panel:
    """Models and baselines of a bundle behind one face. Never raises because of a model: the baseline answers and says why.

    Args:
        entries: by kind; a kind that is absent has neither model nor baseline.
        config: which models are enabled, horizons, and from which age on a model is stale.
    """

    def __init__(self, entries: Mapping[str, Entry], config: Config) -> None:
        enabled = {"lstm": config.lstm.enabled, "scorer": config.scorer.enabled, "volatility": config.volatility.enabled}
        self.entries = {kind: entries.get(kind) or Entry(kind, None, None, "", {}) for kind in KINDS}
        self.models: dict[str, ServingModel] = {
            kind: entry.model for kind, entry in self.entries.items() if entry.model is not None and enabled[kind]
        }
        self._disabled = {kind for kind, on in enabled.items() if not on and self.entries[kind].model is not None}
        self._max_age_ms = config.inference.max_model_age_hours * HOUR_MS
        self._sequence_length = int(getattr(self.models.get("lstm"), "sequence_length", config.lstm.sequence_length))
        self._horizons_s = tuple(config.lstm.horizons_s)
        self._volatility_horizons_s = tuple(sorted({*config.lstm.horizons_s, config.volatility.window_minutes * 60}))
        self._said: set[str] = set()

    @property
    def sequence_length(self) -> int:
        """Feature rows that a price forecast looks at."""
        return self._sequence_length

    @property
    def versions(self) -> dict[str, str]:
        """Version of the model that answers each question; "baseline" or "none" where no model does."""
        return {kind: self._version(entry) for kind, entry in self.entries.items()}

    def listeners(self) -> tuple[Any, ...]:
        """Return the volatility models, which keep a state per tick."""
        live = (self.models.get("volatility"), self.entries["volatility"].baseline)
        return tuple(model for model in live if model is not None)

    def scaler(self) -> Any | None:
        """Return the scorer's input scaler, which knows what it has seen; None without a model."""
        return getattr(self.models.get("scorer"), "scaler", None)

    def stale(self, kind: str, now_ms: int) -> str:
        """Return why a model is too old, "" if it is not."""
        model = self.models.get(kind)
        if model is None:
            return ""
        age_ms = now_ms - model.meta.trained_to_ms
        if age_ms <= self._max_age_ms:
            return ""
        age_h, limit_h = age_ms // HOUR_MS, self._max_age_ms // HOUR_MS
        return ReasonCode.MODEL_STALE.reason(f"the data of {kind} ends {age_h} h ago, the limit is {limit_h} h")

    def score(self, X: Floats) -> Scores:
        """Return the success probabilities of opportunities, rows (n, f) of SCORER_FEATURE_NAMES."""
        model: Any = self.models.get("scorer")
        reason = self._absent("scorer")
        if model is not None:
            try:
                probability = model.predict_proba(X)
                if np.isfinite(probability).all():
                    return Scores(probability, by_model=True, error=model.probability_error)
                reason = ReasonCode.MODEL_FAILED.reason("scorer gave no finite number")
            except Exception as error:  # whatever a runtime raises, the bot gets an answer
                reason = self._failed("scorer", error)
        return self.base_score(len(X), reason)

    def base_score(self, n: int, reason: str) -> Scores:
        """Return the baseline's probability `n` times; 0, the most cautious of all, where there is no baseline either."""
        baseline: Any = self.entries["scorer"].baseline
        if baseline is None:
            return Scores(np.zeros(n), by_model=False, reason=f"{reason}, and there is no base rate: taken as 0")
        return Scores(baseline.predict_proba(np.empty((n, 0))), by_model=False, reason=reason)

    def forecast(self, vector: FeatureVector, window: Floats, now_ms: int, models: bool = True) -> Forecasts:
        """Return what is expected of a stream.

        Args:
            vector: its newest features.
            window: its newest feature rows, oldest first, at most `sequence_length`.
            now_ms: for the age of the models.
            models: False asks the baselines only, which take no time.
        """
        prices, price_note = self._prices(vector, window, now_ms, models)
        volatility, volatility_note = self._volatility(vector.stream, now_ms, models)
        return Forecasts(prices, volatility, tuple(note for note in (price_note, volatility_note) if note))

    def _prices(self, vector: FeatureVector, window: Floats, now_ms: int, models: bool) -> tuple[tuple[PriceForecast, ...], str]:
        model, entry = self.models.get("lstm"), self.entries["lstm"]
        note = self._absent("lstm") or self.stale("lstm", now_ms) or self._unfit(model, vector.stream, window)
        if models and not note:
            found, note = self._asked("lstm", lambda: _price_forecasts(model, window, vector.price, entry.coverage, "model"))
            if found:
                return found, ""
        baseline = entry.baseline
        if baseline is None:
            return (), note
        found, failed = self._asked("baseline of lstm", lambda: _price_forecasts(baseline, window, vector.price, {}, "baseline"))
        return found, note or failed

    def _volatility(self, stream: str, now_ms: int, models: bool) -> tuple[tuple[VolatilityForecast, ...], str]:
        model: Any = self.models.get("volatility")
        baseline: Any = self.entries["volatility"].baseline
        horizons_s = self._volatility_horizons_s
        note = self._absent("volatility") or self.stale("volatility", now_ms)
        if model is not None and not note and not model.ready(stream):
            note = f"{NOT_WARM}: volatility has seen less than {model.window_s:.0f} s of {stream}"
        if models and not note:
            found, note = self._asked("volatility", lambda: _volatility_forecasts(model, stream, horizons_s, "model"))
            if found:
                return found, ""
        if baseline is None or not baseline.ready(stream):
            return (), note
        found, failed = self._asked("baseline of volatility", lambda: _volatility_forecasts(baseline, stream, horizons_s, "baseline"))
        return found, note or failed

    def _asked(self, who: str, ask: Callable[[], tuple[F, ...]]) -> tuple[tuple[F, ...], str]:
        """Return the forecasts, and "" or why there are none."""
        try:
            found = ask()
        except Exception as error:  # whatever a runtime raises, the bot gets an answer
            return (), self._failed(who, error)
        return found, "" if found else ReasonCode.MODEL_FAILED.reason(f"{who} gave no finite number")

    def _unfit(self, model: Any, stream: str, window: Floats) -> str:
        """Return why a window is none that the price model can judge, "" if it can."""
        if model is None:
            return ""
        if len(window) < self._sequence_length:
            return f"{NOT_WARM}: lstm needs {self._sequence_length} ticks of {stream}, {len(window)} are known"
        if unseen := model.scaler.out_of_range(window[-1]):
            return ReasonCode.INPUT_RANGE.reason(f"lstm never saw such {', '.join(unseen[:3])}")
        return ""

    def _version(self, entry: Entry) -> str:
        if entry.kind in self.models:
            return entry.version or "unversioned"
        return "baseline" if entry.baseline is not None else "none"

    def _absent(self, kind: str) -> str:
        if kind in self.models:
            return ""
        why = "is switched off" if kind in self._disabled else "has no promoted model"
        return ReasonCode.MODEL_MISSING.reason(f"{kind} {why}")

    def _failed(self, kind: str, error: Exception) -> str:
        text = f"{kind}: {error}"
        if text not in self._said and len(self._said) < 100:  # each failure once, not once a request
            self._said.add(text)
            log.error("model %s failed, its baseline answers", kind, exc_info=error)
        return ReasonCode.MODEL_FAILED.reason(f"{kind} raised {type(error).__name__}")


def _price_forecasts(model: Any, window: Floats, price: float, coverage: Mapping[int, float], source: str) -> tuple[PriceForecast, ...]:
    """Log-return quantiles as prices; nothing if one of them is not finite."""
    quantiles = model.forecast(window)
    promised = model.quantiles[2] - model.quantiles[0]
    found = []
    for horizon_s, (low, median, high) in zip(model.horizons_s, quantiles.tolist(), strict=True):
        prices = [price * _exp(value) for value in (low, median, high)]
        if not all(math.isfinite(value) for value in (median, *prices)):
            return ()
        found.append(PriceForecast(horizon_s, median, prices[1], prices[0], prices[2], coverage.get(horizon_s, promised), source))
    return tuple(found)


def _volatility_forecasts(model: Any, stream: str, horizons_s: Sequence[int], source: str) -> tuple[VolatilityForecast, ...]:
    """Variances as standard deviations; nothing if one of them is not finite, as without any measured interval."""
    found = []
    for horizon_s, variances in zip(horizons_s, model.forecast(stream, horizons_s), strict=True):
        if not all(0 <= variance < math.inf for variance in variances):
            return ()
        variance, lower, upper = (math.sqrt(variance) for variance in variances)
        found.append(VolatilityForecast(horizon_s, variance, lower, upper, source))
    return tuple(found)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
