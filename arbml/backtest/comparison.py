"""What several strategies came to on the same ticks, and whether one is better by more than luck."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from arbml.backtest.blocks import block_length_s, equity_increments
from arbml.backtest.decisions import Mix
from arbml.backtest.metrics import Metrics
from arbml.backtest.results import BacktestResult
from arbml.backtest.training import Training
from arbml.config import PromotionConfig
from arbml.evaluation import Interval, paired_difference
from arbml.evaluation.bootstrap import MIN_PAIRS

Role = Literal["rule", "tuned", "ml", "without", "oracle", "other"]

NO_EFFECT = ("lstm", "volatility")  # explain a decision and never change it; see `arbml.models.ensemble`


@dataclass(frozen=True, eq=False)
class Arm:
    """What one contender came to. `mix` and `trainings` are there if it is the bot."""

    name: str
    role: Role
    result: BacktestResult
    metrics: Metrics
    mix: Mix | None = None
    trainings: tuple[Training, ...] = ()
    notes: tuple[str, ...] = ()
    without: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; without the trades and the equity curve."""
        return {
            "name": self.name,
            "role": self.role,
            "metrics": self.metrics.to_dict(),
            "decisions": self.mix.to_dict() if self.mix else None,
            "trainings": [one.to_dict() for one in self.trainings],
            "notes": [*self.result.notes, *self.notes],
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm against another, on the same blocks of time.

    Attributes:
        arm, against: names.
        gain: net profit of the arm minus that of the other, token.
        low, high: two-sided interval of the gain over the period, token; None with too few blocks.
        interval: of the increments of one block, token; None with too few blocks.
        verdict: in words.
    """

    arm: str
    against: str
    gain: float
    low: float | None
    high: float | None
    interval: Interval | None
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "arm": self.arm,
            "against": self.against,
            "gain": self.gain,
            "low": self.low,
            "high": self.high,
            "interval_of_a_block": self.interval.to_dict() if self.interval else None,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """All arms, the differences that matter, and what they mean.

    Attributes:
        arms: in the order of the contenders.
        differences: ML against the rule first.
        block_s: length of the blocks that are paired, s.
        confidence: of the intervals, e.g. 0.95.
        attained: part of the oracle's net profit that ML made; None without an oracle that earns.
        attained_above_rule: the same of what the oracle makes above the rule.
        verdict: sentences.
    """

    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    block_s: int
    confidence: float
    attained: float | None
    attained_above_rule: float | None
    verdict: tuple[str, ...]

    def arm(self, role: Role) -> Arm | None:
        """Return the first arm of a role."""
        return next((arm for arm in self.arms if arm.role == role), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "arms": [arm.to_dict() for arm in self.arms],
            "differences": [one.to_dict() for one in self.differences],
            "block_s": self.block_s,
            "confidence": self.confidence,
            "attained": self.attained,
            "attained_above_rule": self.attained_above_rule,
            "verdict": list(self.verdict),
        }


def compare(arms: Sequence[Arm], rules: PromotionConfig | None = None, seed: int = 0) -> Comparison:
    """Compare arms that were run over the same period.

    Args:
        arms: one of them with the role "rule", unless there is but one.
        rules: confidence and rounds of the bootstrap.
        seed: of the bootstrap.
    """
    rules = rules or PromotionConfig()
    by_role = {arm.role: arm for arm in reversed(arms)}
    ml, rule, oracle = by_role.get("ml"), by_role.get("rule"), by_role.get("oracle")
    pairs = [(ml, other) for other in (rule, by_role.get("tuned")) if ml and other]
    pairs += [(ml, arm) for arm in arms if ml and arm.role == "without"]
    pairs += [(arm, rule) for arm in arms if rule and arm.role in ("tuned", "oracle", "other")]
    lived = [arm.result for arm in arms if arm.result.n_moments] or [arms[0].result]  # without a moment there is no period
    period = (min(one.start_ms for one in lived), max(one.end_ms for one in lived))
    block_s = block_length_s(*period)
    differences = tuple(_difference(a, b, (*period, block_s), rules, seed) for a, b in pairs)
    attained = _part(ml, oracle, None)
    above = _part(ml, oracle, rule) if rule else None
    verdict = _verdict(arms, differences, attained, above)
    return Comparison(tuple(arms), differences, block_s, rules.confidence, attained, above, verdict)


def _difference(a: Arm, b: Arm, blocks: tuple[int, int, int], rules: PromotionConfig, seed: int) -> Difference:
    gains = [equity_increments(arm.result.equity, *blocks) for arm in (a, b)]
    gain = a.metrics.net_profit - b.metrics.net_profit
    n, block_s = len(gains[0]), blocks[2]
    if n < MIN_PAIRS:
        said = f"{_more_or_less(a, b, gain)}; {n} blocks of {block_s} s say nothing about luck, {MIN_PAIRS} are needed"
        return Difference(a.name, b.name, gain, None, None, None, said)
    interval = paired_difference(gains[0], gains[1], rounds=rules.bootstrap_rounds, confidence=rules.confidence, seed=seed)
    low, high = interval.low * n, interval.high * n
    return Difference(a.name, b.name, gain, low, high, interval, _judged(a, b, gain, low, high, rules.confidence))


def _judged(a: Arm, b: Arm, gain: float, low: float, high: float, confidence: float) -> str:
    if gain == 0.0 and low == high == 0.0:
        why = f" ({b.without} explains decisions, it does not change them)" if b.without in NO_EFFECT else ""
        return f"{a.name} and {b.name} gained the same, to the last unit{why}"
    between = f"{confidence:.0%} interval {low:+,.2f} to {high:+,.2f} {a.metrics.token}"
    if low > 0:
        luck = "more than luck on these data"
    elif high < 0:
        luck = "worse by more than bad luck on these data"
    else:
        luck = "it may be luck: the interval holds zero"
    return f"{_more_or_less(a, b, gain)} ({between}): {luck}"


def _more_or_less(a: Arm, b: Arm, gain: float) -> str:
    token = a.metrics.token
    sums = f"{a.metrics.net_profit:+,.2f} against {b.metrics.net_profit:+,.2f} {token}"
    return f"{a.name} made {abs(gain):,.2f} {token} {'more' if gain >= 0 else 'less'} than {b.name}, {sums}"


def _part(ml: Arm | None, oracle: Arm | None, floor: Arm | None) -> float | None:
    """Return which part of the oracle's net profit, above that of `floor`, ML made."""
    if ml is None or oracle is None:
        return None
    ground = floor.metrics.net_profit if floor else 0.0
    attainable = oracle.metrics.net_profit - ground
    return (ml.metrics.net_profit - ground) / attainable if attainable > 0 else None


def _verdict(arms: Sequence[Arm], differences: Sequence[Difference], attained: float | None, above: float | None) -> tuple[str, ...]:
    said = [one.verdict for one in differences]
    if attained is not None:
        of_rule = f", and {above:.0%} of what it makes above the rule" if above is not None else ""
        said.append(f"ML attained {attained:.0%} of the net profit of the oracle, who knows the true probabilities{of_rule}")
        if attained > 1:
            said.append("the oracle is no upper bound: it takes all that is worth it at the moment, and is busy when more comes")
    silent = [arm.name for arm in arms if not arm.metrics.attempts]
    if silent:
        said.append(f"no transaction was sent by {', '.join(silent)}")
    return tuple(said)
