"""v3 swaps across ticks against the contracts' integer arithmetic."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.errors import DataError
from arbml.market import Curve, Pool, buy_base, sell_base, virtual_reserves
from arbml.market.curve import Range, check_curve, ranges, swap
from tests.market import uniswap_v3

ETHER = 10**18


@st.composite
def pools(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, int]]]:
    """(root, active liquidity, ticks) of a pool with one to six positions around a price of about 2,000, in integers."""
    root = int(math.sqrt(draw(st.floats(1_500.0, 2_500.0))) * uniswap_v3.Q96)
    net: dict[int, int] = {}
    liquidity = 0
    for _ in range(draw(st.integers(1, 6))):
        low, width = draw(st.floats(0.7, 1.2)), draw(st.floats(1.001, 1.5))
        ends = int(low * root), int(low * width * root)
        size = draw(st.integers(10 * ETHER, 10**6 * ETHER))
        net[ends[0]] = net.get(ends[0], 0) + size
        net[ends[1]] = net.get(ends[1], 0) - size
        liquidity += size if ends[0] <= root < ends[1] else 0
    return root, liquidity, sorted((tick, amount) for tick, amount in net.items() if amount)


def floats_of(ticks: list[tuple[int, int]], liquidity: int) -> Curve:
    return Curve(
        liquidity / ETHER, tuple(tick / uniswap_v3.Q96 for tick, _ in ticks), tuple(amount / ETHER for _, amount in ticks)
    )


@settings(deadline=None, max_examples=300)
@given(pools(), st.floats(1e-3, 1e9), st.booleans(), st.sampled_from([100, 500, 3_000, 10_000]))
def test_a_swap_equals_the_contracts_integers(
    pool: tuple[int, int, list[tuple[int, int]]], amount: float, buys: bool, fee_pips: int
) -> None:
    root, liquidity, ticks = pool
    curve = floats_of(ticks, liquidity)
    wei = int(amount * ETHER)
    taken, paid = uniswap_v3.swap(root, liquidity, ticks, wei, not buys, fee_pips)
    keep = 1.0 - fee_pips / 1e6
    ours = swap(curve, root / uniswap_v3.Q96, wei / ETHER * keep, rising=buys)
    assert math.isclose(ours[0] / keep, taken / ETHER, rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(ours[1], paid / ETHER, rel_tol=1e-9, abs_tol=1e-12)
    price = (root / uniswap_v3.Q96) ** 2
    state = Pool("v3", "WETH/USDC", price, fee_pips / 100, 0, 0, curve=curve)
    through_the_pool = (buy_base if buys else sell_base)(state, wei / ETHER)
    assert math.isclose(through_the_pool, paid / ETHER, rel_tol=1e-9, abs_tol=1e-12)


@settings(deadline=None)
@given(pools(), st.floats(1e-3, 1e6), st.floats(1e-3, 1e6), st.booleans())
def test_what_comes_out_is_concave_and_never_falls(
    pool: tuple[int, int, list[tuple[int, int]]], amount: float, more: float, buys: bool
) -> None:
    root, liquidity, ticks = pool
    curve, at = floats_of(ticks, liquidity), root / uniswap_v3.Q96
    first, middle, last = (swap(curve, at, x, rising=buys)[1] for x in (amount, amount + more / 2, amount + more))
    assert first <= middle * (1 + 1e-12)
    assert middle <= last * (1 + 1e-12)
    assert middle >= (first + last) / 2 * (1 - 1e-12)


def test_inside_one_range_it_is_the_pool_of_its_virtual_reserves() -> None:
    base, quote = virtual_reserves(1_000.0, 2_000.0)
    plain = Pool("v3", "WETH/USDC", 2_000.0, 5.0, 0, 0, reserve_base=base, reserve_quote=quote)
    wide = Pool("v3", "WETH/USDC", 2_000.0, 5.0, 0, 0, curve=Curve(1_000.0, (30.0, 60.0), (1_000.0, -1_000.0)))
    assert buy_base(wide, 3_000.0) == pytest.approx(buy_base(plain, 3_000.0), rel=1e-12)
    assert sell_base(wide, 2.0) == pytest.approx(sell_base(plain, 2.0), rel=1e-12)
    assert buy_base(wide, 20_000.0) < buy_base(plain, 20_000.0)  # beyond the range it is sold out


def test_a_gap_is_crossed_and_liquidity_runs_out() -> None:
    curve = Curve(0.0, (1.0, 2.0, 3.0, 4.0), (10.0, -10.0, 5.0, -5.0))  # the price stands in the gap between two positions
    up, down = list(ranges(curve, 2.5, rising=True)), list(ranges(curve, 2.5, rising=False))
    assert up == [Range(1 / 9, 1 / 15, 5.0)]
    assert down == [Range(4.0, 0.2, 5.0)]
    assert swap(curve, 2.5, 7.0, rising=True) == (5.0, pytest.approx(5.0 * (1 / 3 - 1 / 4)))
    assert swap(curve, 4.5, 1.0, rising=True) == (0.0, 0.0)


def test_rounding_leaves_no_liquidity_behind() -> None:
    curve = Curve(0.1 + 0.2, (1.0, 2.0), (0.3, -0.3))  # 0.1 + 0.2 - 0.3 is 5.6e-17
    assert len(list(ranges(curve, 1.5, rising=True))) == 1
    assert len(list(ranges(curve, 1.5, rising=False))) == 1


def test_beyond_the_last_tick_the_liquidity_left_reaches_for_ever() -> None:
    curve = Curve(10.0, (2.0,), (-4.0,))
    *_, last = ranges(curve, 1.0, rising=True)
    assert last == Range(0.25, 1 / 12, math.inf)
    assert list(ranges(curve, 1.0, rising=False)) == [Range(1.0, 0.1, math.inf)]


def test_liquidity_below_zero_is_refused() -> None:
    with pytest.raises(DataError, match=r"liquidity falls to -1\.0 at the price root 2\.0"):
        swap(Curve(10.0, (2.0,), (-11.0,)), 1.0, 100.0, rising=True)


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        (Curve(1.0, (1.0, 2.0), (1.0,)), "each root has one"),
        (Curve(-1.0, (), ()), "not negative"),
        (Curve(math.nan, (), ()), "must be finite"),
        (Curve(1.0, (1.0, math.inf), (1.0, -1.0)), "not finite"),
        (Curve(1.0, (2.0, 1.0), (1.0, -1.0)), "ascending"),
        (Curve(1.0, (0.0, 1.0), (1.0, -1.0)), "positive"),
    ],
)
def test_an_impossible_curve_is_refused_by_name(curve: Curve, said: str) -> None:
    with pytest.raises(DataError, match=said):
        check_curve(curve, "WETH/USDC on v3")
