"""Backtests: recorded ticks in the order of knowing, decisions on what was known, outcomes from what came after."""

from arbml.backtest.engine import Backtester
from arbml.backtest.exchange import Fate
from arbml.backtest.ledger import ATOM, Ledger
from arbml.backtest.results import BacktestResult, EquityPoint, Trade
from arbml.backtest.strategy import GrossStrategy, History, Order, RuleStrategy, Strategy, View, Wake
from arbml.backtest.tape import Tape, make_tape

__all__ = [
    "ATOM",
    "BacktestResult",
    "Backtester",
    "EquityPoint",
    "Fate",
    "GrossStrategy",
    "History",
    "Ledger",
    "Order",
    "RuleStrategy",
    "Strategy",
    "Tape",
    "Trade",
    "View",
    "Wake",
    "make_tape",
]
