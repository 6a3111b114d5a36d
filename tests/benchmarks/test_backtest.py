"""The backtest benchmark: its peer sees the same edges, and it runs."""

import pytest

from arbml.backtest import Backtester
from arbml.config import BacktestConfig, CostsConfig
from benchmarks import backtest as suite


@pytest.mark.slow
def test_the_peer_sees_the_same_edges() -> None:
    """But for the few where rounding to the peer's price grid decides, or a step ends between two ticks."""
    ticks = suite._ticks(8_000)
    ours = Backtester(CostsConfig(), BacktestConfig(step_ms=suite.STEP_MS)).run(ticks, suite.Silent())
    assert ours.n_opportunities > 500
    assert suite._Peer(ticks).edges() == pytest.approx(ours.n_opportunities, rel=0.03)


@pytest.mark.slow
def test_it_runs() -> None:
    figures = suite.run(rows=4_000, decided=1_000, repeats=1, hours=2.0)
    assert len(figures) == 5
    assert all(figure.value > 0 for figure in figures)
    assert figures[0].peer_value
