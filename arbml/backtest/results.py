"""What a backtest leaves behind: trades, equity and ledger, as plain data."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from arbml.backtest.ledger import Ledger


class Trade(NamedTuple):
    """One attempt whose fate is known. Times are UTC ms; money is in the token of the routes, as booked.

    net_profit = gross_profit - fee_cost - slippage_cost - gas_cost, to the atom. What did not happen cost nothing: a
    reverted attempt has only gas, a failed one nothing.

    Attributes:
        decided_ms, landed_ms, known_ms: decision, event time of landing, when the outcome was known.
        buy_venue, sell_venue: those of the first and the last leg.
        result: success, failed or reverted.
        gas_cost: paid. gas_price_gwei: paid; NaN for a failed attempt.
        expected_net: the finder's net profit at the decision, of the amount sent.
        success_probability, expected_profit, recommendation, variant: of the prediction it acted on; NaN, None without one.
        competed: a competitor got there first.
        capital_before: equity when it was booked.
        shrunk: the amount was cut to what capital or inventory allowed.
    """

    request_id: str
    decided_ms: int
    landed_ms: int
    known_ms: int
    route: str
    pair: str
    buy_venue: str
    sell_venue: str
    result: str
    amount_in: float
    gross_profit: float
    fee_cost: float
    slippage_cost: float
    gas_cost: float
    net_profit: float
    expected_net: float
    success_probability: float
    expected_profit: float
    recommendation: str | None
    variant: str | None
    gas_price_gwei: float
    competed: bool
    capital_before: float
    shrunk: bool


class EquityPoint(NamedTuple):
    """What the bot owns after a booking, token: equity = cash + in_flight; cash includes quote held at venues."""

    ts_ms: int
    equity: float
    cash: float
    in_flight: float


_DTYPES = {str: "object", int: "int64", float: "float64", bool: "bool"}


def frame_of(rows: Iterable[tuple[Any, ...]], kind: type[Trade] | type[EquityPoint]) -> pd.DataFrame:
    """Return rows as a frame whose columns and dtypes are those of `kind`, also when there are none."""
    columns = list(zip(*rows, strict=True)) or [()] * len(kind._fields)
    named = zip(kind._fields, columns, strict=True)
    return pd.DataFrame({name: pd.Series(column, dtype=_DTYPES.get(kind.__annotations__[name], "object")) for name, column in named})


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """One run of one strategy.

    Attributes:
        name: of the strategy.
        token: of the routes; all money is in it. capital: at the start.
        start_ms, end_ms: first and last moment at which it could decide, UTC ms; both 0 without any.
        step_ms: the clock of decisions.
        n_ticks: observed in the period, late ones included.
        n_moments: ends of steps in the period in which something became known.
        n_opportunities: of those, times pairs with a tick in the step, the ones with an edge after fees between two venues (as own
            trades left them).
        trades: one row per attempt whose fate is known (`Trade`), in the order of knowing.
        equity: one row per booking, and one each for start and end (`EquityPoint`).
        ledger: every booking.
        counts: orders by what became of them: sent, shrunk, dropped_* (never sent, by reason), unsettled (in flight when
            the data end; in no trade, booked back).
        settings: costs and assumptions, plain data.
        notes: what a reader must know to judge the numbers.
    """

    name: str
    token: str
    capital: float
    start_ms: int
    end_ms: int
    step_ms: int
    n_ticks: int
    n_moments: int
    n_opportunities: int
    trades: pd.DataFrame
    equity: pd.DataFrame
    ledger: Ledger
    counts: dict[str, int]
    settings: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def final_equity(self) -> float:
        """What it owns at the end, token."""
        return float(self.equity["equity"].iloc[-1])

    @property
    def net_profit(self) -> float:
        """What it gained, token."""
        return self.final_equity - self.capital
