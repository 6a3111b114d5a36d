"""How the service is doing: counts since the start, and figures over the latest requests."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from arbml.clock import Clock
from arbml.market import Prediction, Variant


@dataclass(frozen=True, slots=True)
class _Answered:
    at_ms: int
    latency_ms: float
    cached: bool
    baseline: bool


class ServingStats:
    """Counters and a window of the latest answers and errors.

    Args:
        clock: for throughput.
        window: how many of the latest requests the percentiles and rates look at.
    """

    def __init__(self, clock: Clock, window: int = 1000) -> None:
        self._clock = clock
        self.started_ms = clock.now_ms()
        self._answered: deque[_Answered] = deque(maxlen=window)
        self._failed: deque[bool] = deque(maxlen=window)
        self._recommendations: Counter[str] = Counter()
        self._variants: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self.ticks_accepted = 0
        self.ticks_late = 0
        self.outcomes: Counter[str] = Counter()

    def answered(self, prediction: Prediction) -> None:
        """Count one prediction that goes out."""
        baseline = prediction.variant is Variant.BASELINE
        self._answered.append(_Answered(self._clock.now_ms(), prediction.latency_ms, prediction.cached, baseline))
        self._failed.append(False)
        self._recommendations[prediction.recommendation.value] += 1
        self._variants[prediction.variant.value] += 1
        self._reasons.update({reason.partition(":")[0] for reason in prediction.reasons})

    def refused(self, code: str, failed: bool = False) -> None:
        """Count one request that got an error instead.

        Args:
            code: the error's code.
            failed: true if the service is to blame; only these make the error rate.
        """
        self._refused[code] += 1
        if failed:
            self._failed.append(True)

    def snapshot(self) -> dict[str, Any]:
        """Return all figures as plain data. Rates and percentiles are null before the first request."""
        latest = list(self._answered)
        n = len(latest)
        latencies = np.array([a.latency_ms for a in latest])
        return {
            "uptime_s": (self._clock.now_ms() - self.started_ms) / 1000,
            "predictions": sum(self._variants.values()),
            "window": n,
            "throughput_per_s": self._throughput(latest),
            "latency_ms": {
                **{f"p{q}": float(np.percentile(latencies, q)) if n else None for q in (50, 95, 99)},
                "max": float(latencies.max()) if n else None,
            },
            "cache_hit_rate": sum(a.cached for a in latest) / n if n else None,
            "baseline_rate": sum(a.baseline for a in latest) / n if n else None,
            "error_rate": sum(self._failed) / len(self._failed) if self._failed else None,
            "recommendations": dict(self._recommendations),
            "variants": dict(self._variants),
            "reasons": dict(self._reasons),
            "refused": dict(self._refused),
            "ticks": {"accepted": self.ticks_accepted, "late": self.ticks_late},
            "outcomes": dict(self.outcomes),
        }

    def _throughput(self, latest: list[_Answered]) -> float | None:
        """Answers per second over the last minute, as far as the window covers it; None before any time has passed."""
        if not latest:
            return None
        now_ms = self._clock.now_ms()
        recent = [a for a in latest if now_ms - a.at_ms < 60_000]
        full = len(latest) == self._answered.maxlen
        since_ms = recent[0].at_ms if full and recent else max(self.started_ms, now_ms - 60_000)
        return len(recent) * 1000 / (now_ms - since_ms) if now_ms > since_ms else None
