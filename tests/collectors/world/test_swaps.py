"""Pools of the world: exact swaps, v2 and v3, against the market's own mathematics, which shares no code with them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.collectors.simulator.world.arrays import Rules, State
from arbml.collectors.simulator.world.config import WorldConfig
from arbml.collectors.simulator.world.kernels import columns, entries
from arbml.collectors.simulator.world.layout import first_state, rivals_routes, rules_of
from arbml.config import changed
from arbml.market import Curve, Pool, amm

CONFIG = changed(WorldConfig(), seed=5)
RULES = rules_of(CONFIG)
V2 = next(p for p, pool in enumerate(CONFIG.pools) if pool.kind == "v2")
V3 = [p for p, pool in enumerate(CONFIG.pools) if pool.kind == "v3"]


def state(seed: int = 5) -> State:
    return first_state(CONFIG, RULES, np.uint64(seed))


def pool_of(rules: Rules, now: State, p: int) -> Pool:
    """The pool as the finder has it, with the whole curve of its liquidity."""
    root, liquidity = now.pool[p, columns.ROOT], now.pool[p, columns.LIQUIDITY]
    net: dict[float, float] = {}
    for lower, upper, amount in now.position[p].tolist():
        if amount > 0.0 and lower > -columns.FAR:
            net[lower] = net.get(lower, 0.0) + amount
            net[upper] = net.get(upper, 0.0) - amount
    bounds = sorted(bound for bound in net if net[bound])
    roots = tuple(math.exp(0.5 * rules.pool[p, columns.WIDTH] * bound) for bound in bounds)
    curve = Curve(liquidity, roots, tuple(net[bound] for bound in bounds)) if rules.pool[p, columns.V3] else None
    return Pool("x", "A/B", root**2, CONFIG.pools[p].fee_bps, 0, 0, liquidity / root, liquidity * root, curve=curve)


def swap(now: State, p: int, amount: float, buys: bool) -> float:
    before = pool_of(RULES, now, p)
    paid = entries.trade(RULES, now, p, amount, buys)
    expected = amm.buy_base(before, amount) if buys else amm.sell_base(before, amount)
    assert paid == pytest.approx(expected, rel=1e-9)
    return float(paid)


@settings(max_examples=60, deadline=None)
@given(
    which=st.integers(0, len(V3) - 1), seed=st.integers(0, 99),
    trades=st.lists(st.tuples(st.floats(1e-6, 0.5), st.booleans()), max_size=6),
)  # fmt: skip
def test_v3_swaps_are_exact_across_ranges(which: int, seed: int, trades: list[tuple[float, bool]]) -> None:
    p, now = V3[which], state(seed)
    for part, buys in trades:
        held = CONFIG.pools[p].value_usd * part
        token = columns.QUOTE if buys else columns.BASE
        swap(now, p, held / math.exp(now.token[int(RULES.pool[p, token])]), buys)
        root, width, cell = now.pool[p, columns.ROOT], RULES.pool[p, columns.WIDTH], now.pool[p, columns.CELL]
        assert cell - 1e-6 <= 2.0 * math.log(root) / width <= cell + 1 + 1e-6
        inside = [(lower <= cell < upper) * amount for lower, upper, amount in now.position[p].tolist()]
        assert now.pool[p, columns.LIQUIDITY] == pytest.approx(sum(inside), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(part=st.floats(1e-6, 1.0), buys=st.booleans())
def test_a_v2_swap_is_the_markets_swap_and_its_fee_stays(part: float, buys: bool) -> None:
    now = state()
    reserve = pool_of(RULES, now, V2)
    before = now.pool[V2, columns.LIQUIDITY]
    swap(now, V2, part * ((reserve.reserve_quote if buys else reserve.reserve_base) or 0.0), buys)
    assert now.pool[V2, columns.LIQUIDITY] > before


def test_a_round_trip_through_many_ranges_gains_nothing() -> None:
    now = state()
    p = V3[0]
    bought = swap(now, p, 2e7, True)
    assert swap(now, p, bought, False) < 2e7


def test_providers_take_ranges_of_their_own() -> None:
    now = state()
    for p in V3:
        assert now.position[p, 0].tolist()[:2] == [-columns.FAR, columns.FAR]
        assert len(np.unique(now.position[p, 1:, 0])) > 3
        assert (now.position[p, 1:, 0] <= now.pool[p, columns.CELL]).all()
        assert (now.position[p, 1:, 1] > now.pool[p, columns.CELL]).all()


def test_a_pools_value_is_the_configured_one() -> None:
    """Both tokens of all positions, at the price; provider's values scatter by their spread."""
    for p in V3:
        values = []
        for seed in range(20):
            now = state(seed)
            root, width = now.pool[p, columns.ROOT], RULES.pool[p, columns.WIDTH]
            total = 0.0
            for lower, upper, amount in now.position[p].tolist():
                low, high = (0.0, math.inf) if lower == -columns.FAR else (math.exp(0.5 * width * lower), math.exp(0.5 * width * upper))
                total += amount * (root - low + root - root * root / high)
            values.append(total * math.exp(now.token[int(RULES.pool[p, columns.QUOTE])]))
        assert np.mean(values) == pytest.approx(CONFIG.pools[p].value_usd, rel=0.12)


def test_routes_of_the_rivals_are_round_trips_on_one_chain() -> None:
    routes = rivals_routes(CONFIG.pools)
    assert len(routes) == len(set(routes))
    assert {len(route) for route in routes} == {2, 3}
    for route in routes:
        assert len({CONFIG.pools[p].chain_id for p, _ in route}) == 1
        tokens = []
        for p, buys in route:
            base, _, quote = CONFIG.pools[p].pair.partition("/")
            tokens.append((quote, base) if buys else (base, quote))
        assert all(one[1] == after[0] for one, after in zip(tokens, [*tokens[1:], tokens[0]], strict=True))
