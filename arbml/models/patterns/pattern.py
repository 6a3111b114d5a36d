"""A pattern: a condition, and what was measured of it in the period that found it and in the later one that confirmed it."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from arbml.models.patterns.conditions import Condition, Kind, condition_from_dict, condition_to_dict


@dataclass(frozen=True, slots=True)
class Sample:
    """One period.

    Attributes:
        start_ms, end_ms: first and last decision of the period, UTC ms.
        support: opportunities that met the condition. hits: of them, those that succeeded.
        rows, base_hits: all opportunities that it is compared with, itself among them, and their successes.
        low, high: 95 % Wilson interval of the hit rate, on the effective number of opportunities.
        blocks: independent stretches of time that the test reckoned with.
        p_value: one-sided, of the hit rate not being above the base rate.
        profit, profit_low, profit_high: mean profit and its 95 % interval, in the pattern's `profit_token`; None where fewer than
            two blocks recorded one.
    """

    start_ms: int
    end_ms: int
    support: int
    hits: int
    rows: int
    base_hits: int
    low: float
    high: float
    blocks: int
    p_value: float
    profit: float | None = None
    profit_low: float | None = None
    profit_high: float | None = None

    @property
    def hit_rate(self) -> float:
        """Successes among those that met the condition."""
        return self.hits / self.support if self.support else math.nan

    @property
    def base_rate(self) -> float:
        """Successes among all that it is compared with."""
        return self.base_hits / self.rows if self.rows else math.nan

    @property
    def lift(self) -> float:
        """Hit rate over base rate; NaN where nothing succeeded."""
        return self.hit_rate / self.base_rate if self.base_hits else math.nan


@dataclass(frozen=True, slots=True)
class Pattern:
    """Something that pays more often than usual. It explains an answer; it decides nothing.

    Attributes:
        key: names it for good; the same pattern found again has the same key.
        condition: what an opportunity must be like.
        found, confirmed: what was measured in either period.
        q_value: smallest false discovery rate at which it is confirmed.
        profit_token: unit of the profits.
        feature_set_id: which inputs it was found in; it is matched on no others.
        data_hash: of the opportunities that it was found in.
    """

    key: str
    condition: Condition
    found: Sample
    confirmed: Sample
    q_value: float
    profit_token: str
    feature_set_id: str
    data_hash: str

    @property
    def kind(self) -> Kind:
        """"time", "venue", "sequence" or "cluster"."""
        return self.condition.kind

    @property
    def description(self) -> str:
        """The condition in words."""
        return self.condition.words

    @property
    def text(self) -> str:
        """One line, measured in the period that confirmed it.

        E.g. "venue:buy uniswap > sell curve WETH/USDC: hit rate 0.71 (0.64-0.77) against 0.52, n 212".
        """
        c = self.confirmed
        return (f"{self.kind}:{self.description}: hit rate {c.hit_rate:.2f} ({c.low:.2f}-{c.high:.2f}) "
                f"against {c.base_rate:.2f}, n {c.support}")

    @property
    def order(self) -> tuple[float, str]:
        """Sorts the best first: by how far the lower end of the hit rate lies above the base rate."""
        return (self.confirmed.base_rate - self.confirmed.low, self.key)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; `from_dict` reads it back."""
        plain = {name: getattr(self, name) for name in ("key", "q_value", "profit_token", "feature_set_id", "data_hash")}
        periods = {"found": asdict(self.found), "confirmed": asdict(self.confirmed)}
        return {**plain, "condition": condition_to_dict(self.condition), **periods}

    def told(self) -> dict[str, Any]:
        """Plain data for machines that read a report: `to_dict` with the rates and words that follow from it."""
        periods = {
            name: {**asdict(sample), "hit_rate": sample.hit_rate, "base_rate": sample.base_rate, "lift": sample.lift}
            for name, sample in (("found", self.found), ("confirmed", self.confirmed))
        }
        return {**self.to_dict(), **periods, "kind": self.kind, "description": self.description, "text": self.text}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild what `to_dict` wrote.

        Raises:
            KeyError, TypeError: if fields are missing or unknown.
        """
        periods = {name: Sample(**data[name]) for name in ("found", "confirmed")}
        return cls(**{**data, **periods, "condition": condition_from_dict(data["condition"])})
