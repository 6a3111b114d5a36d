"""Figures against what one works out on paper, and against the worked examples of the papers."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.backtest.blocks import block_length_s, equity_increments
from arbml.backtest.drawdown import drawdown
from arbml.backtest.figures import BY_NAME, unit_of
from arbml.backtest.metrics import Metrics, metrics, win_rate_interval
from arbml.backtest.ratios import deflated_sharpe, expected_best_sharpe, moments, probabilistic_sharpe
from tests.backtest.results_kit import CAPITAL_USDC, START_MS, result, trade

MIXED = [trade(60), trade(600, "reverted"), trade(1200), trade(3700, "failed"), trade(7300, "reverted"), trade(9000)]


def test_money_adds_up_to_what_the_equity_gained() -> None:
    found = metrics(result(MIXED))
    assert (found.attempts, found.successes, found.reverts, found.failed) == (6, 3, 2, 1)
    assert (found.gross_profit, found.fees, found.slippage) == (30.0, 9.0, 3.0)
    assert found.gas == pytest.approx(3 * 2.0 + 2 * 1.4)
    assert found.gas_on_reverts == pytest.approx(2.8)
    assert found.net_profit == pytest.approx(3 * 4.0 - 2.8)
    assert found.other_costs == 0.0
    assert found.return_on_capital == pytest.approx(9.2 / CAPITAL_USDC)
    assert found.profit_factor == pytest.approx(12.0 / 2.8)
    assert found.average_profit == pytest.approx(9.2 / 6)
    assert (found.best_trade, found.worst_trade) == (4.0, -1.4)
    assert found.turnover == pytest.approx(5 * 2_000 / CAPITAL_USDC), "what never landed was not turned over"
    assert found.average_hold_s == 6.0


def test_costs_beside_trades_are_named() -> None:
    made = result(MIXED)
    made.equity.loc[made.equity.index[-1], "equity"] -= 5.0
    assert metrics(made).other_costs == pytest.approx(5.0)


def test_win_rate_and_its_interval() -> None:
    found = metrics(result(MIXED))
    assert found.win_rate == 0.5
    assert found.win_rate_low == pytest.approx(0.1876, abs=1e-4)
    assert found.win_rate_high == pytest.approx(0.8124, abs=1e-4)
    low, high = win_rate_interval(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_what_was_promised_and_what_came() -> None:
    unjudged = trade(900, success_probability=float("nan"), variant=None)
    found = metrics(result([trade(60), trade(600, "reverted"), unjudged, trade(990, variant="baseline")]))
    assert found.judged == 2
    assert found.promised_profit == pytest.approx(18.0)
    assert found.expected_profit == pytest.approx(6.0)
    assert found.realised_profit == pytest.approx(4.0 - 1.4)
    assert found.brier == pytest.approx((0.2**2 + 0.8**2) / 2)
    assert found.calibration_error == pytest.approx(0.3)


def test_the_sharpe_ratio_is_that_of_the_blocks() -> None:
    found = metrics(result(MIXED, hours=10.0))
    assert (found.block_s, found.blocks) == (300, 120)
    blocks = np.zeros(120)
    for one in MIXED:
        blocks[(one.known_ms - START_MS) // 300_000] += one.net_profit
    expected = blocks.mean() / blocks.std(ddof=1) * math.sqrt(365 * 86_400 / 300)
    assert found.sharpe == pytest.approx(expected)
    downside = math.sqrt(np.mean(np.minimum(blocks, 0) ** 2))
    assert found.sortino == pytest.approx(blocks.mean() / downside * math.sqrt(365 * 86_400 / 300))
    assert found.probabilistic_sharpe == found.deflated_sharpe, "with a single trial there is nothing to deflate"
    many = metrics(result(MIXED), trials=100)
    assert many.deflated_sharpe is not None
    assert found.probabilistic_sharpe is not None
    assert many.deflated_sharpe < found.probabilistic_sharpe
    assert many.probabilistic_sharpe == found.probabilistic_sharpe


def test_the_examples_of_bailey_and_lopez_de_prado() -> None:
    # 2012, section on track records: two years of monthly returns, Sharpe 1.585 a year; normal returns would say 98.2 %
    assert probabilistic_sharpe(0.458, 24, 0.0, 3.0) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(0.458, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)
    # 2014: Sharpe 2.5 a year over 1250 days, 100 trials whose ratios vary by 1/2 a year
    assert expected_best_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, 100, 0.5 / 250) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, 46, 0.5 / 250) == pytest.approx(0.9505, abs=5e-4)


def test_the_best_of_many_without_skill_is_as_good_as_expected() -> None:
    rng = np.random.default_rng(0)
    tries = rng.normal(size=(400, 50, 250))
    best = (tries.mean(axis=2) / tries.std(axis=2, ddof=1)).max(axis=1)
    assert expected_best_sharpe(50, 1 / 249) == pytest.approx(float(best.mean()), rel=0.03)


@pytest.mark.parametrize(
    ("trades", "reason"),
    [([], "the equity never moved"), ([trade(60, "failed")], "the equity never moved")],
)
def test_without_movement_there_is_no_ratio(trades: list[object], reason: str) -> None:
    found = metrics(result(trades))  # type: ignore[arg-type]
    assert found.sharpe is None
    assert found.why["sharpe"] == reason
    assert found.max_drawdown == 0.0
    assert found.net_profit == 0.0


def test_nothing_sent() -> None:
    found = metrics(result([]))
    assert found.attempts == 0
    assert found.win_rate is None
    assert found.why["win_rate"] == "no attempt was made"
    assert found.profit_factor is None
    assert found.turnover == 0.0


def test_one_trade() -> None:
    found = metrics(result([trade(60)]))
    assert found.win_rate == 1.0
    assert found.win_rate_low == pytest.approx(0.2065, abs=1e-4)
    assert found.why["profit_factor"] == "no attempt lost money"
    assert found.sortino is None
    assert found.sharpe is not None


def test_a_short_period_has_no_ratio() -> None:
    found = metrics(result([trade(60), trade(120, "reverted")], hours=0.2))
    assert found.sharpe is None
    assert found.why["sharpe"] == "the period has 12 blocks of 60 s, 20 are needed"
    assert found.net_profit == pytest.approx(2.6)


def test_trials_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        metrics(result(MIXED), trials=0)


def test_every_figure_has_a_unit_and_a_meaning() -> None:
    shown = {field.name for field in fields(Metrics)} - {"token", "why"}
    assert shown == set(BY_NAME)
    assert all(unit_of(name, "USDC") and figure.meaning for name, figure in BY_NAME.items())


def test_what_is_missing_says_why() -> None:
    for made in (result([]), result([trade(60)]), result(MIXED, hours=0.1)):
        found = metrics(made)
        assert {name for name, value in found.to_dict().items() if value is None} == set(found.why)


def test_drawdown_by_hand() -> None:
    found = drawdown(np.arange(6) * 1_000, np.array([100.0, 120.0, 90.0, 118.0, 121.0, 119.0]))
    assert (found.amount, found.share) == (30.0, 0.25)
    assert (found.peak_ms, found.trough_ms) == (1_000, 2_000)
    assert found.longest_s == 3.0, "from the peak at 1 s until 4 s, when it was exceeded"


def test_what_is_booked_after_the_end_counts_into_the_last_block() -> None:
    made = result([trade(3_599)], hours=1.0)
    increments = equity_increments(made.equity, made.start_ms, made.end_ms, 60)
    assert increments[-1] == pytest.approx(4.0)


@given(st.lists(st.tuples(st.integers(0, 35_000), st.sampled_from(["success", "failed", "reverted"])), max_size=40))
def test_increments_sum_to_the_gain_on_every_clock(drawn: list[tuple[int, str]]) -> None:
    made = result([trade(at, kind) for at, kind in drawn])
    for block_s in (60, 300, 900, 3600, 7_000):
        increments = equity_increments(made.equity, made.start_ms, made.end_ms, block_s)
        assert increments.sum() == pytest.approx(made.net_profit)
    found = metrics(made)
    assert found.net_profit == pytest.approx(found.gross_profit - found.fees - found.slippage - found.gas - found.other_costs)
    assert 0.0 <= found.max_drawdown_share <= 1.0


def test_moments_of_what_does_not_vary() -> None:
    assert math.isnan(moments(np.zeros(50)).sharpe)
    assert math.isnan(moments(np.full(50, 0.1)).sharpe), "rounding is no variation"
    assert block_length_s(START_MS, START_MS) == 60
