"""Swap mathematics against exact rationals, scipy and brute force."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from arbml.errors import DataError
from arbml.market import Pool, amount_out, buy_base, optimal_two_pool, sell_base, spot_price, virtual_reserves

amounts = st.floats(1e-3, 1e7)
reserves = st.floats(1.0, 1e10)
fees = st.floats(0.0, 500.0)


def pool(venue: str, base: float, quote: float, fee_bps: float) -> Pool:
    return Pool(venue, "WETH/USDC", quote / base, fee_bps, 0, 0, reserve_base=base, reserve_quote=quote)


def profit(buy: Pool, sell: Pool, amount: float) -> float:
    return sell_base(sell, buy_base(buy, amount)) - amount


@settings(deadline=None)
@given(amounts, reserves, reserves, fees)
def test_amount_out_equals_exact_rationals(amount: float, reserve_in: float, reserve_out: float, fee_bps: float) -> None:
    taken = Fraction(amount) * (1 - Fraction(fee_bps) / 10_000)
    exact = taken * Fraction(reserve_out) / (Fraction(reserve_in) + taken)
    assert math.isclose(amount_out(amount, reserve_in, reserve_out, fee_bps), float(exact), rel_tol=1e-13)


@settings(deadline=None)
@given(amounts, reserves, reserves, fees, fees)
def test_amount_out_falls_with_the_fee_and_never_empties_the_pool(
    amount: float, reserve_in: float, reserve_out: float, fee: float, other: float
) -> None:
    low, high = sorted((fee, other))
    assert amount_out(amount, reserve_in, reserve_out, high) <= amount_out(amount, reserve_in, reserve_out, low) <= reserve_out


@settings(deadline=None)
@given(amounts, reserves, reserves, fees)
def test_a_swap_there_and_back_never_gains(amount: float, base: float, quote: float, fee_bps: float) -> None:
    got = amount_out(amount, quote, base, fee_bps)
    after = pool("a", base - got, quote + amount, fee_bps) if base > got else None
    if after is not None:
        assert sell_base(after, got) <= amount * (1 + 1e-9)


def test_v3_swap_inside_the_range_equals_the_whitepaper() -> None:
    liquidity, price, fee_bps, quote_in = 12_453_647.1, 2269.76, 5.0, 250_000.0
    base, quote = virtual_reserves(liquidity, price)
    root_after = math.sqrt(price) + quote_in * (1 - fee_bps / 1e4) / liquidity  # delta sqrt(P) = delta y / L
    base_out = liquidity * (1 / math.sqrt(price) - 1 / root_after)              # delta x = L delta(1 / sqrt(P))
    assert math.isclose(amount_out(quote_in, quote, base, fee_bps), base_out, rel_tol=1e-9)
    assert math.isclose(spot_price(pool("a", base, quote, fee_bps)), price, rel_tol=1e-12)


@settings(deadline=None)
@given(st.floats(1.0, 1e9), st.floats(1e-6, 1e6))
def test_virtual_reserves_keep_liquidity_and_price(liquidity: float, price: float) -> None:
    base, quote = virtual_reserves(liquidity, price)
    assert math.isclose(base * quote, liquidity**2, rel_tol=1e-12)
    assert math.isclose(quote / base, price, rel_tol=1e-12)


@settings(deadline=None)
@given(st.floats(10.0, 1e5), st.floats(10.0, 1e5), st.floats(0.97, 1.1), st.floats(0.0, 60.0), st.floats(0.0, 60.0))
def test_the_optimal_amount_is_optimal(depth: float, other_depth: float, gap: float, fee: float, other_fee: float) -> None:
    buy, sell = pool("a", depth, depth * 2000.0, fee), pool("b", other_depth, other_depth * 2000.0 * gap, other_fee)
    best = optimal_two_pool(buy, sell)
    top = profit(buy, sell, best)
    rounding = 1e-9 * max(1.0, best)
    assert top >= -rounding
    for amount in np.geomspace(1e-3, buy.reserve_quote or 1.0, 60).tolist():
        assert profit(buy, sell, amount) <= top + 1e-9 * max(1.0, amount)


def test_the_optimal_amount_equals_a_numerical_search() -> None:
    buy, sell = pool("a", 500.0, 1_000_000.0, 30.0), pool("b", 900.0, 1_890_000.0, 5.0)
    found = minimize_scalar(lambda x: -profit(buy, sell, x), bounds=(0.0, 200_000.0), method="bounded", options={"xatol": 1e-6})
    assert optimal_two_pool(buy, sell) == pytest.approx(found.x, rel=1e-5)
    assert profit(buy, sell, optimal_two_pool(buy, sell)) >= -found.fun


def test_no_amount_pays_where_fees_eat_the_edge() -> None:
    buy, sell = pool("a", 500.0, 1_000_000.0, 30.0), pool("b", 500.0, 1_005_000.0, 30.0)  # 50 bps gap, 60 bps of fees
    assert optimal_two_pool(buy, sell) == 0.0


def test_spot_price_is_the_reserves_own_where_known() -> None:
    stated = Pool("a", "WETH/USDC", 1999.0, 5.0, 0, 0, reserve_base=10.0, reserve_quote=20_000.0)
    assert spot_price(stated) == 2000.0
    assert spot_price(Pool("a", "WETH/USDC", 1999.0, 5.0, 0, 0)) == 1999.0


def test_without_reserves_a_swap_is_price_minus_fee() -> None:
    stated = Pool("a", "WETH/USDC", 2000.0, 100.0, 0, 0, liquidity=5.0)
    assert buy_base(stated, 2000.0) == pytest.approx(0.99)
    assert sell_base(stated, 1.0) == pytest.approx(1980.0)


@pytest.mark.parametrize("fee_bps", [-1.0, 10_001.0, float("nan")])
def test_an_impossible_fee_is_refused(fee_bps: float) -> None:
    with pytest.raises(DataError, match="fee_bps"):
        amount_out(1.0, 1.0, 1.0, fee_bps)


def test_a_negative_amount_and_unknown_reserves_are_refused() -> None:
    with pytest.raises(DataError, match="positive"):
        amount_out(-1.0, 1.0, 1.0, 0.0)
    with pytest.raises(DataError, match="reserves of both"):
        optimal_two_pool(Pool("a", "X/Y", 1.0, 0.0, 0, 0), pool("b", 1.0, 1.0, 0.0))
