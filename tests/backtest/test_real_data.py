"""The engine on a recorded day of two Uniswap pools, where it lies beside the checkout."""

from pathlib import Path

import pandas as pd
import pytest

from arbml.backtest import Backtester, GrossStrategy, RuleStrategy, make_tape
from arbml.collectors import FileCollector
from arbml.config import BacktestConfig, CostsConfig
from tests.backtest.test_ledger import check_sums

DAY = Path(__file__).resolve().parents[3] / "shared" / "data" / "uniswap_v3_weth_usdc_2024-01-05_blocks.parquet"


@pytest.mark.slow
@pytest.mark.skipif(not DAY.exists(), reason="no ../shared/data beside the checkout: recorded market data is not part of the project")
def test_a_day_without_an_edge_after_fees() -> None:
    """The pools never drift further apart than their fees: the rule stays at home, and taking every spread pays gas for nothing."""
    tape = make_tape(pd.concat(FileCollector(DAY).ticks(), ignore_index=True))
    costs = CostsConfig(inclusion_delay_ms=12_000)
    backtester = Backtester(costs, BacktestConfig(priority_gwei=0.0, gas_percentile=100.0))
    rule, gross = backtester.run(tape, RuleStrategy(costs)), backtester.run(tape, GrossStrategy(costs, amount_in=1_000.0))
    assert rule.n_opportunities == 0
    assert rule.trades.empty
    assert set(gross.trades["result"]) == {"reverted"}
    assert len(gross.trades) > 2_000
    assert gross.net_profit == pytest.approx(-gross.trades["gas_cost"].sum())
    assert gross.trades["gas_cost"].mean() == pytest.approx(0.7 * 240_000 * 20e-9 * 2_240, rel=0.02)
    check_sums(gross)
