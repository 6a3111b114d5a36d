"""Arms beside each other: same blocks, words that fit the figures."""

import numpy as np
import pytest

from arbml.backtest.comparison import Arm, Role, compare
from arbml.backtest.metrics import metrics
from arbml.backtest.results import Trade
from tests.backtest.results_kit import result, trade


def arm(name: str, role: Role, trades: list[Trade], hours: float = 10.0, without: str = "") -> Arm:
    made = result(trades, hours=hours, name=name)
    return Arm(name, role, made, metrics(made), without=without)


def regular(every_s: int, win_every: int = 1, shift: int = 0) -> list[Trade]:
    """A trade every so many seconds; every `win_every`-th succeeds."""
    times = range(30 + shift, 35_000, every_s)
    return [trade(at, "success" if i % win_every == 0 else "reverted") for i, at in enumerate(times)]


def test_a_clear_gain_is_more_than_luck() -> None:
    found = compare([arm("ml", "ml", regular(400)), arm("rule", "rule", regular(400, win_every=3))])
    (one,) = found.differences
    assert (one.arm, one.against) == ("ml", "rule")
    assert one.gain == pytest.approx(found.arms[0].metrics.net_profit - found.arms[1].metrics.net_profit)
    assert one.low is not None
    assert one.high is not None
    assert 0 < one.low < one.gain < one.high
    assert one.interval is not None
    assert one.interval.mean * one.interval.n == pytest.approx(one.gain)
    assert "more than luck" in one.verdict
    assert "USDC" in one.verdict


def test_a_clear_loss_is_said() -> None:
    found = compare([arm("ml", "ml", regular(400, win_every=3)), arm("rule", "rule", regular(400))])
    assert "less than rule" in found.differences[0].verdict
    assert "worse by more than bad luck" in found.differences[0].verdict


def test_chance_is_called_chance() -> None:
    rng = np.random.default_rng(0)
    arms = []
    for name, role in (("ml", "ml"), ("rule", "rule")):
        kinds = rng.choice(["success", "reverted"], size=80)
        arms.append(arm(name, role, [trade(int(at), kind) for at, kind in zip(range(30, 35_000, 437), kinds, strict=False)]))  # type: ignore[arg-type]
    assert "it may be luck" in compare(arms).differences[0].verdict


def test_the_same_is_called_the_same_and_why() -> None:
    trades = regular(400, win_every=2)
    arms = [arm("ml", "ml", trades), arm("rule", "rule", regular(300)), arm("ml without lstm", "without", trades, without="lstm")]
    same = compare(arms).differences[1]
    assert same.gain == 0.0
    assert same.verdict == "ml and ml without lstm gained the same, to the last unit (lstm explains decisions, it does not change them)"


def test_the_same_gain_at_other_times_is_not_the_same() -> None:
    found = compare([arm("ml", "ml", regular(400)), arm("rule", "rule", regular(400, shift=200))])
    assert "to the last unit" not in found.differences[0].verdict


def test_a_short_period_says_nothing_about_luck() -> None:
    found = compare([arm("ml", "ml", [trade(30)], hours=0.1), arm("rule", "rule", [], hours=0.1)])
    assert found.differences[0].interval is None
    assert "say nothing about luck, 10 are needed" in found.differences[0].verdict
    assert "no transaction was sent by rule" in found.verdict


def test_what_part_of_the_oracle_is_attained() -> None:
    arms = [arm("ml", "ml", regular(400)[:30]), arm("rule", "rule", regular(400)[:10]), arm("oracle", "oracle", regular(400)[:50])]
    found = compare(arms)
    assert found.attained == pytest.approx(30 / 50)
    assert found.attained_above_rule == pytest.approx(20 / 40)
    assert any("60% of the net profit of the oracle" in one and "50% of what it makes above the rule" in one for one in found.verdict)
    assert ("oracle", "rule") in [(one.arm, one.against) for one in found.differences]


def test_more_than_the_oracle_is_explained() -> None:
    found = compare([arm("ml", "ml", regular(400)), arm("rule", "rule", regular(900)), arm("oracle", "oracle", regular(500))])
    assert found.attained is not None
    assert found.attained > 1
    assert any("the oracle is no upper bound" in one for one in found.verdict)


def test_an_oracle_that_earns_nothing_gives_no_share() -> None:
    found = compare([arm("ml", "ml", regular(400)), arm("rule", "rule", []), arm("oracle", "oracle", [])])
    assert found.attained is None


def test_the_same_seed_gives_the_same_interval() -> None:
    arms = [arm("ml", "ml", regular(400)), arm("rule", "rule", regular(370, win_every=2))]
    assert compare(arms, seed=3).to_dict() == compare(arms, seed=3).to_dict()


def test_one_arm_alone_has_no_difference() -> None:
    found = compare([arm("bot", "other", regular(400))])
    assert found.differences == ()
    assert found.verdict == ()
