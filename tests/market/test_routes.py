"""Routes of any number of swaps: the best amount against scipy, and the terms of the profit."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from arbml.config import CostsConfig
from arbml.errors import ConfigError, DataError
from arbml.market import Curve, Pool, find_opportunities, optimal_two_pool, reprice
from arbml.market.routes import Hop, optimal_amount, price_route, route_amount_out

COSTS = CostsConfig()


def pool(pair: str, price: float, depth: float | None = 1e6, fee_bps: float = 5.0, venue: str = "a") -> Pool:
    """A pool whose quote reserve is `depth`."""
    return Pool(venue, pair, price, fee_bps, 0, 0, gas_price_gwei=20.0,
                reserve_base=None if depth is None else depth / price, reserve_quote=depth)


def curved(pair: str, price: float, steps: list[tuple[float, float]], fee_bps: float, venue: str = "a") -> Pool:
    """A v3 pool of positions around the price: (half width as a factor of the price root, liquidity), widest last."""
    root, net = math.sqrt(price), dict[float, float]()
    for width, liquidity in steps:
        for end, sign in ((root / width, 1.0), (root * width, -1.0)):
            net[end] = net.get(end, 0.0) + sign * liquidity
    ends = sorted(net)
    curve = Curve(sum(liquidity for _, liquidity in steps), tuple(ends), tuple(net[end] for end in ends))
    return Pool(venue, pair, price, fee_bps, 0, 0, curve=curve)


depths, fees, noise = st.floats(1e4, 1e8), st.floats(0.0, 60.0), st.floats(0.97, 1.04)
positions = st.lists(st.tuples(st.floats(1.0005, 1.05), st.floats(1e2, 1e6)), min_size=1, max_size=5)


@st.composite
def routes(draw: st.DrawFn, with_curves: bool) -> list[Hop]:
    """Two to four hops through tokens worth 1, 50, 2000 and 30000 in the first, with prices off by up to 4 %."""
    worth = [1.0, 50.0, 2_000.0, 30_000.0][: draw(st.integers(2, 4))]
    hops = []
    for i, (here, there) in enumerate(zip(worth, [*worth[1:], worth[0]], strict=True)):
        buys, fee, gap = draw(st.booleans()), draw(fees), draw(noise)
        here_name, there_name = f"T{worth.index(here)}", f"T{worth.index(there)}"
        pair, price = (f"{there_name}/{here_name}", there / here) if buys else (f"{here_name}/{there_name}", here / there)
        if with_curves and draw(st.booleans()):
            scale = 1.0 / math.sqrt(here * there)
            steps = [(width, liquidity * scale) for width, liquidity in draw(positions)]
            state = curved(pair, price * gap, steps, fee, f"v{i}")
        else:
            state = pool(pair, price * gap, draw(depths) / (here if buys else there), fee, f"v{i}")
        hops.append(Hop(state, "buy" if buys else "sell"))
    return hops


def profit(hops: list[Hop], amount: float) -> float:
    return route_amount_out(hops, amount) - amount


def searched(hops: list[Hop], top: float) -> float:
    """The most that scipy finds, from several brackets: what is flat or kinked misleads one."""
    found = 0.0
    for high in np.geomspace(top / 1e4, top, 9).tolist():
        result = minimize_scalar(lambda x: -profit(hops, x), bounds=(0.0, high), method="bounded", options={"xatol": 1e-9 * high})
        found = max(found, -float(result.fun))
    return found


@settings(deadline=None, max_examples=150)
@given(routes(with_curves=False))
def test_the_closed_form_earns_what_scipy_finds(hops: list[Hop]) -> None:
    best = optimal_amount(hops)
    assert profit(hops, best) >= searched(hops, max(10.0 * best, 1e3)) - 1e-9 * max(1.0, best)
    if best > 0.0:
        for near in (0.999, 1.001):  # the top is round: a thousandth off costs little, but never gains
            assert profit(hops, best * near) <= profit(hops, best) + 1e-13 * max(1.0, best)


@settings(deadline=None, max_examples=150)
@given(routes(with_curves=True))
def test_the_walk_over_tick_ranges_earns_what_scipy_finds(hops: list[Hop]) -> None:
    best = optimal_amount(hops)
    assert math.isfinite(best)
    assert profit(hops, best) >= -1e-9 * max(1.0, best)
    assert profit(hops, best) >= searched(hops, max(10.0 * best, 1e3)) - 1e-9 * max(1.0, best)


@settings(deadline=None, max_examples=100)
@given(routes(with_curves=True), st.floats(1e-3, 1e6))
def test_a_cap_gives_the_cap_or_the_optimum(hops: list[Hop], cap: float) -> None:
    assert optimal_amount(hops, cap) == pytest.approx(min(cap, optimal_amount(hops)), rel=1e-9)


@settings(deadline=None)
@given(st.floats(10.0, 1e5), st.floats(10.0, 1e5), st.floats(0.97, 1.1), fees, fees)
def test_two_pools_are_the_known_closed_form(depth: float, other: float, gap: float, fee: float, other_fee: float) -> None:
    buy, sell = pool("WETH/USDC", 2_000.0, depth, fee), pool("WETH/USDC", 2_000.0 * gap, other, other_fee)
    assert optimal_amount([Hop(buy, "buy"), Hop(sell, "sell")]) == pytest.approx(optimal_two_pool(buy, sell), rel=1e-6, abs=1e-9 * depth)


def test_the_optimum_is_exact_against_rationals() -> None:
    """At the best amount the marginal rate is one: the derivative in exact arithmetic."""
    hops = [Hop(pool("WETH/USDC", 2_000.0, 1e6), "buy"), Hop(pool("WETH/DAI", 2_030.0, 3e6, venue="b"), "sell"),
            Hop(pool("DAI/USDC", 1.001, 9e6, 1.0, "c"), "sell")]
    best, rate = Fraction(optimal_amount(hops)), Fraction(1)
    amount = best
    for hop in hops:
        keep = 1 - Fraction(hop.pool.fee_bps) / 10_000
        assert hop.pool.reserve_base is not None
        assert hop.pool.reserve_quote is not None
        into, out = Fraction(hop.pool.reserve_base), Fraction(hop.pool.reserve_quote)
        into, out = (out, into) if hop.side == "buy" else (into, out)
        rate *= keep * out * into / (into + keep * amount) ** 2
        amount = keep * amount * out / (into + keep * amount)
    assert abs(float(rate) - 1.0) < 1e-14


def test_a_walk_ends_in_the_range_where_the_marginal_rate_is_one() -> None:
    thin = curved("WETH/USDC", 2_000.0, [(1.0005, 5_000.0), (1.02, 800.0)], 5.0, "v3")
    dear = pool("WETH/USDC", 2_020.0, 1e8, 5.0, "b")
    hops = [Hop(thin, "buy"), Hop(dear, "sell")]
    end_of_the_first = 5_800.0 * math.sqrt(2_000.0) * 0.0005 / (1 - 5e-4)
    best = optimal_amount(hops)
    assert best > 1.5 * end_of_the_first
    step = 1e-4 * best
    assert profit(hops, best + step) < profit(hops, best)
    assert profit(hops, best - step) < profit(hops, best)
    shallower = [Hop(replace(thin, curve=Curve(5_000.0, (), ())), "buy"), Hop(dear, "sell")]
    assert optimal_amount(shallower) > best  # as if the active range reached for ever


def test_where_liquidity_runs_out_no_more_is_put_in() -> None:
    small = curved("WETH/USDC", 2_000.0, [(1.0002, 5_000.0)], 0.0, "v3")
    hops = [Hop(small, "buy"), Hop(pool("WETH/USDC", 2_100.0, None, venue="cex"), "sell")]
    room = 5_000.0 * math.sqrt(2_000.0) * 0.0002
    assert optimal_amount(hops) == pytest.approx(room, rel=1e-9)
    assert route_amount_out(hops, 2 * room) == pytest.approx(route_amount_out(hops, room), rel=1e-12)
    priced = price_route(hops, 2 * room, COSTS, 0, 2_000.0)
    assert priced.net_profit < -room * 0.9  # the half that was not taken is lost, and counted as slippage
    assert priced.slippage_cost > room * 0.9


def test_pools_of_unknown_depth_take_all_or_nothing() -> None:
    cheap, dear = pool("WETH/USDC", 2_000.0, None), pool("WETH/USDC", 2_010.0, None, venue="b")
    assert optimal_amount([Hop(cheap, "buy"), Hop(dear, "sell")], 777.0) == 777.0
    assert optimal_amount([Hop(dear, "buy"), Hop(cheap, "sell")], 777.0) == 0.0
    assert optimal_amount([Hop(cheap, "buy"), Hop(dear, "sell")]) == math.inf


@settings(deadline=None)
@given(routes(with_curves=True), st.floats(1e-2, 1e6), st.floats(0.0, 5_000.0))
def test_the_terms_add_up_for_any_route(hops: list[Hop], amount: float, native_price: float) -> None:
    priced = price_route(hops, amount, COSTS, 9, native_price)
    parts = priced.gross_profit - priced.fee_cost - priced.slippage_cost - priced.gas_cost
    assert abs(priced.net_profit - parts) <= 1e-9 * max(1.0, amount)
    assert min(priced.fee_cost, priced.slippage_cost, priced.gas_cost) >= 0.0
    assert priced.net_profit == route_amount_out(hops, amount) - amount - priced.gas_cost
    assert priced.edge_bps == pytest.approx(1e4 * math.log1p(priced.gross_profit / amount), abs=1e-6)
    assert (priced.ts_ms, priced.token, priced.pair) == (9, hops[0].token_in, hops[0].pool.pair)
    assert priced.route.token == priced.token
    assert [leg.amount_in for leg in priced.route.legs[1:]] == [leg.amount_out for leg in priced.route.legs[:-1]]


def test_a_triangle_by_hand() -> None:
    hops = [Hop(pool("WETH/USDC", 2_000.0, None, 10.0), "buy"), Hop(pool("WETH/DAI", 2_020.0, None, 20.0, "b"), "sell"),
            Hop(pool("USDC/DAI", 1.0, None, 0.0, "c"), "buy")]
    priced = price_route(hops, 1_000.0, COSTS, 0, 2_000.0)
    assert priced.route.name == "buy:a WETH/USDC>sell:b WETH/DAI>buy:c USDC/DAI"
    assert priced.gross_profit == pytest.approx(10.0)
    assert priced.fee_cost == pytest.approx(1_010.0 * (1 - 0.999 * 0.998))
    assert priced.slippage_cost == pytest.approx(0.0, abs=1e-9)
    assert priced.gas_units == 330_000
    assert priced.gas_cost == pytest.approx(330_000 * 20e-9 * 2_000.0)
    assert priced.edge_bps == pytest.approx(1e4 * math.log(1.01))


def test_depths_are_in_the_start_token() -> None:
    in_weth = [Hop(pool("LINK/USDC", 20.0, 50_000.0), "buy"), Hop(pool("LINK/WETH", 0.01, 30.0, venue="b"), "sell"),
               Hop(pool("WETH/USDC", 2_050.0, 1e6, venue="c"), "sell")]
    depths_usdc = [leg.depth_quote for leg in price_route(in_weth, 100.0, COSTS, 0, 2_000.0).route.legs]
    assert depths_usdc == [50_000.0, pytest.approx(30.0 * 2_000.0), 1e6]  # one WETH is 100 LINK of 20 USDC
    from_base = [Hop(pool("WETH/USDC", 2_000.0, 1e6), "sell"), Hop(pool("WETH/USDC", 1_990.0, 2e6, venue="b"), "buy")]
    assert [leg.depth_quote for leg in price_route(from_base, 1.0, COSTS, 0, 1.0).route.legs] == pytest.approx([500.0, 1_000.0])


def test_reprice_takes_routes_of_several_pairs() -> None:
    pools = [pool("LINK/USDC", 20.0, 50_000.0), pool("LINK/WETH", 0.0103, 300.0, venue="b"), pool("WETH/USDC", 2_000.0, 1e6, venue="c")]
    hops = [Hop(pools[0], "buy"), Hop(pools[1], "sell"), Hop(pools[2], "sell")]
    first = price_route(hops, 100.0, COSTS, 0, 2_000.0)
    assert reprice(first, pools, COSTS, 0) == first
    moved = reprice(first, [pools[0], pools[1], pool("WETH/USDC", 1_900.0, 1e6, venue="c")], COSTS, 5)
    assert moved is not None
    assert moved.gas_cost == pytest.approx(first.gas_cost * 0.95)
    assert moved.net_profit < first.net_profit
    assert reprice(first, pools[:2], COSTS, 0) is None
    links = [pool("LINK/USDC", 20.0, 50_000.0), pool("LINK/DAI", 21.0, 50_000.0, venue="b"), pool("DAI/USDC", 1.0, 1e6, venue="c")]
    elsewhere = price_route([Hop(links[0], "buy"), Hop(links[1], "sell"), Hop(links[2], "sell")], 100.0, COSTS, 0, 2_000.0)
    with pytest.raises(ConfigError, match="ML_COSTS__NATIVE_PRICE_QUOTE"):
        reprice(elsewhere, links, COSTS, 0)
    assert reprice(elsewhere, [*links, pool("WETH/USDC", 2_000.0)], COSTS, 0) == elsewhere


def test_the_two_venue_finder_sees_curves() -> None:
    thin = curved("WETH/USDC", 2_000.0, [(1.0005, 5_000.0), (1.02, 800.0)], 5.0, "v3")
    dear = pool("WETH/USDC", 2_020.0, 1e8, 5.0, "b")
    found = find_opportunities([thin, dear], COSTS, 0)[0]
    assert found.amount_in == optimal_amount([Hop(thin, "buy"), Hop(dear, "sell")])
    assert reprice(found, [thin, dear], COSTS, 0) == found


def test_what_is_no_circle_is_refused() -> None:
    buy, sell = Hop(pool("WETH/USDC", 2_000.0), "buy"), Hop(pool("WETH/USDC", 2_010.0, venue="b"), "sell")
    for hops, said in (
        ([buy], "at least two"), ([buy, buy], "pays WETH, but the next swap"), ([buy, Hop(sell.pool, "swap")], "neither 'buy' nor"),
        ([buy, Hop(pool("LINK/USDC", 20.0), "sell")], "in a circle"), ([buy, Hop(pool("WETH/USDC", math.nan, None), "sell")], "price"),
        ([Hop(Pool("a", "WETH/USDC", 0.0, 5.0, 0, 0), "buy"), sell], r"price 0\.0"),
    ):
        with pytest.raises(DataError, match=said):
            price_route(hops, 1.0, COSTS, 0, 1.0)
    for amount in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(DataError, match="amount_in"):
            price_route([buy, sell], amount, COSTS, 0, 1.0)
