"""What the kernels reckon against the slow reckoning of routes, route by route."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.config import CostsConfig
from arbml.market import Pool
from arbml.market.cycles.gainers import Gainers
from arbml.market.cycles.graph import build_graph
from arbml.market.cycles.states import States
from arbml.market.cycles.tokens import StartTokens
from arbml.market.routes import Hop, optimal_amount, price_route
from tests.market.cycles.kit import pools

COSTS = CostsConfig(native_price_quote=2_000.0)
MARKET = st.lists(pools(), min_size=3, max_size=12, unique_by=lambda one: (one.venue, one.pair))


def gainers_of(states: list[Pool]) -> tuple[Gainers, StartTokens, list[Pool]]:
    graph = build_graph(states, "USDC", 4, 10**6)
    ordered = sorted(states, key=lambda one: (one.venue, one.pair))
    arrays = States(graph, COSTS, "USDC")
    for number, state in enumerate(ordered):
        arrays.write(number, state, fees_screened=True)
    return Gainers(graph, arrays), StartTokens(graph, COSTS, "USDC"), ordered


@settings(deadline=None, max_examples=150)
@given(MARKET, st.none() | st.floats(1.0, 1e6))
def test_net_profits_are_those_of_price_route(states: list[Pool], amount: float | None) -> None:
    gainers, tokens, ordered = gainers_of(states)
    if not any("USDC" in one.pair for one in states):
        return
    table = tokens.table(["USDC"], {(one.venue, one.pair): one for one in ordered}, amount)
    gainers.settle([], table)
    ranked, unknown = gainers.best(table, COSTS, -1, limit=10**6)
    assert unknown is None
    assert [one.net for one in ranked] == sorted((one.net for one in ranked), reverse=True)
    for route in ranked:
        hops = [Hop(ordered[number], side) for number, side in gainers.legs(route)]
        put_in = amount
        if put_in is None:
            known = all(hop.pool.has_reserves or hop.pool.curve is not None for hop in hops)
            put_in = min((optimal_amount(hops, COSTS.max_amount_quote) if known else 0.0) or COSTS.notional_quote, COSTS.max_amount_quote)
        exact = price_route(hops, put_in, COSTS, 0, 2_000.0).net_profit
        assert math.isclose(route.net, exact, rel_tol=1e-9, abs_tol=1e-9 * put_in)


@settings(deadline=None, max_examples=50)
@given(MARKET, st.integers(1, 8))
def test_a_limit_gives_the_first_of_all(states: list[Pool], limit: int) -> None:
    gainers, tokens, ordered = gainers_of(states)
    if not any("USDC" in one.pair for one in states):
        return
    table = tokens.table(["USDC"], {(one.venue, one.pair): one for one in ordered}, None)
    gainers.settle([], table)
    every, _ = gainers.best(table, COSTS, -1, limit=10**6)
    some, _ = gainers.best(table, COSTS, -1, limit)
    assert some == every[:limit]


def test_cycles_that_no_longer_gain_leave_and_the_others_keep_theirs() -> None:
    rng = np.random.default_rng(5)
    states = [
        Pool(f"v{i}", "WETH/USDC", price := float(rng.uniform(1_950, 2_050)), 1.0, 0, 0, reserve_base=1e6 / price, reserve_quote=1e6)
        for i in range(8)
    ]
    gainers, tokens, ordered = gainers_of(states)
    table = tokens.table(["USDC"], {(one.venue, one.pair): one for one in ordered}, None)
    gainers.settle([], table)
    before, _ = gainers.best(table, COSTS, -1, 1_000)
    for gone in range(7):
        gainers._states.drop(gone)
        gainers.settle([gone], table)
        after, _ = gainers.best(table, COSTS, -1, 1_000)
        before = [one for one in before if gone not in {number for number, _ in gainers.legs(one)}]
        assert after == before
        assert len(gainers) == len(before)
    assert after == pytest.approx([])
