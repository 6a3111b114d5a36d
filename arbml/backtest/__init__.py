"""Backtests: recorded ticks in the order of knowing, decisions on what was known, outcomes from what came after.

The engine's names are here at once; those that bring the bot, the models and the report are resolved on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from arbml.backtest.engine import Backtester
from arbml.backtest.exchange import Fate
from arbml.backtest.ledger import ATOM, Ledger
from arbml.backtest.results import BacktestResult, EquityPoint, Trade
from arbml.backtest.strategy import GrossStrategy, History, Order, RuleStrategy, Strategy, View, Wake
from arbml.backtest.tape import Tape, make_tape

if TYPE_CHECKING:
    from arbml.backtest.bot_strategy import BotStrategy
    from arbml.backtest.comparative import Contender, bot_contenders, run_comparative
    from arbml.backtest.comparison import Comparison
    from arbml.backtest.metrics import Metrics
    from arbml.backtest.oracle import OracleStrategy
    from arbml.backtest.report import Report, generate_report
    from arbml.backtest.retraining import Schedule, WalkForward

_HOME = {
    "BotStrategy": "bot_strategy",
    "Comparison": "comparison",
    "Contender": "comparative",
    "Metrics": "metrics",
    "OracleStrategy": "oracle",
    "Report": "report",
    "Schedule": "retraining",
    "WalkForward": "retraining",
    "bot_contenders": "comparative",
    "generate_report": "report",
    "run_comparative": "comparative",
}

__all__ = [
    "ATOM",
    "BacktestResult",
    "Backtester",
    "BotStrategy",
    "Comparison",
    "Contender",
    "EquityPoint",
    "Fate",
    "GrossStrategy",
    "History",
    "Ledger",
    "Metrics",
    "OracleStrategy",
    "Order",
    "Report",
    "RuleStrategy",
    "Schedule",
    "Strategy",
    "Tape",
    "Trade",
    "View",
    "Wake",
    "WalkForward",
    "bot_contenders",
    "generate_report",
    "make_tape",
    "run_comparative",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'arbml.backtest' has no attribute {name!r}")
    return getattr(importlib.import_module(f"arbml.backtest.{_HOME[name]}"), name)
