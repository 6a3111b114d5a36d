"""Every booking is balanced, and what was booked adds up to what is there."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.backtest import ATOM, Backtester, BacktestResult, Ledger, Order, View
from arbml.backtest.ledger import ATOMS, CAPITAL, CASH, FEES, GAS, IN_FLIGHT, owned, to_atoms, to_tokens
from arbml.config import BacktestConfig
from arbml.errors import ConfigError, DataError
from arbml.frames import TickFrame
from arbml.market import find_opportunities
from tests.backtest.markets import COSTS, Scripted, walk
from tests.backtest.markets import settings as plain


def random_strategy(seed: int) -> Scripted:
    """Sends anything with any amount."""
    rng = np.random.default_rng(seed)

    def send(view: View, now_ms: int) -> list[Order]:
        amount = float(rng.choice([1.0, 300.0, 5_000.0, 1e6])) * rng.random() + 0.1
        found = find_opportunities(view.pools("WETH/USDC"), COSTS, now_ms, amount)
        return [Order(f"{now_ms}-{k}", one) for k, one in enumerate(found) if rng.random() < 0.4]

    return Scripted(send)


def check_sums(result: BacktestResult) -> None:
    """What must hold of any backtest, in whole atoms."""
    entries, ledger = result.ledger.entries, result.ledger
    sums: dict[tuple[str, str], int] = {}
    for token, account, atoms in zip(entries["token"], entries["account"], entries["atoms"].tolist(), strict=True):
        sums[token, account] = sums.get((token, account), 0) + atoms
    assert {key: atoms for key, atoms in sums.items() if atoms} == ledger.balances
    for token in set(entries["token"]):
        assert sum(atoms for (one, _), atoms in sums.items() if one == token) == 0
    assert sum(atoms for (token, account), atoms in sums.items() if token == result.token and owned(account)) == ledger.equity
    assert to_tokens(ledger.equity) == result.final_equity
    booked = sum(to_atoms(profit) for profit in result.trades["net_profit"])
    rebalancing = ledger.balance("rebalancing")
    assert to_atoms(result.capital) + booked - rebalancing == ledger.equity
    assert ledger.balance(IN_FLIGHT) == 0
    for name, account in (("fee_cost", FEES), ("gas_cost", GAS), ("slippage_cost", "slippage")):
        assert sum(map(to_atoms, result.trades[name])) == ledger.balance(account)
    terms = [result.trades[name].map(to_atoms) for name in ("gross_profit", "fee_cost", "slippage_cost", "gas_cost", "net_profit")]
    assert (terms[0] - terms[1] - terms[2] - terms[3] == terms[4]).all()
    assert entries["ts_ms"].is_monotonic_increasing
    assert result.equity["ts_ms"].is_monotonic_increasing
    gap = result.equity["equity"] - result.equity["cash"] - result.equity["in_flight"]
    assert gap.abs().max() < 1e-9 * result.capital


CONFIGS: list[dict[str, Any]] = [
    {}, {"max_open": 5, "capital": 3_000.0}, {"slippage": "quadratic", "gas": "average"},
    {"inventory": 4_000.0, "capital": 15_000.0, "max_open": 4, "rebalance_s": 60}, {"inventory": 50.0, "max_open": 3, "rebalance_s": 0},
]  # fmt: skip
TICKS: TickFrame = walk(steps=250)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 2**31), st.sampled_from(CONFIGS))
def test_the_sum_of_the_ledger_is_the_equity_to_the_last_atom(seed: int, changes: dict[str, Any]) -> None:
    config = BacktestConfig(**changes)
    result = Backtester(COSTS, config).run(TICKS, random_strategy(seed))
    assert result.counts["sent"] > 5
    check_sums(result)


def test_what_is_out_of_balance_is_refused() -> None:
    ledger = Ledger("USDC")
    ledger.book(0, "", "funding", {CASH: 100, CAPITAL: -100})
    with pytest.raises(DataError, match="booking 'gift' of 'x' is out of balance by 1 atoms of USDC"):
        ledger.book(1, "x", "gift", {CASH: 1})
    with pytest.raises(DataError, match=r"cash 0\.5 is no whole number"):
        ledger.book(1, "x", "half", {CASH: 0.5, GAS: -0.5})  # type: ignore[dict-item]
    assert (ledger.balance(CASH), ledger.equity, len(ledger)) == (100, 100, 2)


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -float("inf")])
def test_amounts_that_are_none(amount: float) -> None:
    with pytest.raises(DataError, match="cannot be booked"):
        to_atoms(amount)


def test_atoms() -> None:
    assert (ATOM, ATOMS) == (1e-9, 10**9)
    assert to_atoms(0.1) + to_atoms(0.2) == to_atoms(0.3)
    assert to_tokens(to_atoms(123.456789012)) == 123.456789012


def test_base_is_kept_apart_from_the_equity() -> None:
    ledger = Ledger("USDC")
    ledger.book(0, "", "loan", {"base:a": 5, "loan": -5}, token="WETH")
    assert ledger.equity == 0
    assert ledger.balance("base:a", "WETH") == 5
    assert ledger.curve == []


def test_an_inventory_that_the_capital_does_not_fund() -> None:
    with pytest.raises(ConfigError, match="does not fund another inventory of 40000, at 'venue2'; raise ML_BACKTEST__CAPITAL"):
        Backtester(COSTS, plain(capital=100_000.0, inventory=40_000.0)).run(TICKS, random_strategy(1))
