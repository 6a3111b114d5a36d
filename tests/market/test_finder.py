"""The finder: identity of the profit terms, who is found, in which order, and at which amount."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.config import CostsConfig, changed
from arbml.errors import ConfigError, DataError
from arbml.market import (
    Opportunity,
    Pool,
    best_opportunity,
    find_opportunities,
    opportunity_from_dict,
    optimal_two_pool,
    reprice,
    spot_price,
)

COSTS = CostsConfig()


def pool(
    venue: str, price: float, fee_bps: float = 5.0, depth: float | None = 500.0, pair: str = "WETH/USDC", gwei: float = 20.0
) -> Pool:
    quote = None if depth is None else depth * price
    return Pool(venue, pair, price, fee_bps, 1_000, 1_000, reserve_base=depth, reserve_quote=quote, gas_price_gwei=gwei)


def identity_gap(opportunity: Opportunity) -> float:
    parts = opportunity.gross_profit - opportunity.fee_cost - opportunity.slippage_cost - opportunity.gas_cost
    return abs(opportunity.net_profit - parts) / max(1.0, opportunity.amount_in)


pools_of_one_pair = st.lists(
    st.tuples(st.floats(1500.0, 2500.0), st.floats(0.0, 100.0), st.none() | st.floats(1.0, 1e5), st.floats(0.0, 500.0)),
    min_size=0, max_size=5,
).map(lambda rows: [pool(f"v{i}", price, fee, depth, gwei=gwei) for i, (price, fee, depth, gwei) in enumerate(rows)])


@settings(deadline=None)
@given(pools_of_one_pair, st.none() | st.floats(0.01, 1e6))
def test_profit_terms_add_up_and_none_is_negative_but_the_net(pools: list[Pool], amount: float | None) -> None:
    found = find_opportunities(pools, COSTS, ts_ms=5, amount_in=amount)
    crossed = {(a.venue, b.venue) for a in pools for b in pools if spot_price(b) > spot_price(a)}
    assert {(o.route.legs[0].venue, o.route.legs[1].venue) for o in found} == crossed
    assert len(found) == len(crossed)
    for opportunity in found:
        assert identity_gap(opportunity) < 1e-9
        assert opportunity.gross_profit > 0
        assert opportunity.edge_bps > 0
        assert min(opportunity.fee_cost, opportunity.slippage_cost, opportunity.gas_cost, opportunity.revert_cost) >= 0
        assert opportunity.net_profit <= opportunity.gross_profit
        assert opportunity.route.legs[0].amount_out == opportunity.route.legs[1].amount_in
    assert best_opportunity(pools, COSTS, ts_ms=5, amount_in=amount) == (found[0] if found else None)
    assert found == sorted(found, key=lambda opportunity: -opportunity.net_profit)


@settings(deadline=None)
@given(st.floats(1500.0, 2500.0), st.floats(0.0, 50.0), st.none() | st.floats(1.0, 1e5), st.floats(0.01, 1e6))
def test_never_profit_from_nothing(price: float, fee_bps: float, depth: float | None, amount: float) -> None:
    assert find_opportunities([pool("a", price, fee_bps, depth), pool("b", price, fee_bps, depth)], COSTS, 0, amount) == []


@settings(deadline=None)
@given(st.floats(0.0, 100.0), st.floats(0.0, 100.0), st.none() | st.floats(10.0, 1e5), st.floats(1.0, 1e5))
def test_net_profit_falls_with_the_fee(fee: float, other: float, depth: float | None, amount: float) -> None:
    low, high = sorted((fee, other))
    sell = pool("b", 2050.0, 5.0, depth)
    cheap = find_opportunities([pool("a", 2000.0, low, depth), sell], COSTS, 0, amount)[0]
    dear = find_opportunities([pool("a", 2000.0, high, depth), sell], COSTS, 0, amount)[0]
    assert dear.net_profit <= cheap.net_profit + 1e-9 * amount


def test_the_best_route_comes_first_among_three_venues() -> None:
    found = find_opportunities([pool("a", 2000.0), pool("b", 2100.0), pool("c", 2040.0)], COSTS, 7)
    assert [opportunity.route.name for opportunity in found] == [
        "buy:a>sell:b WETH/USDC", "buy:c>sell:b WETH/USDC", "buy:a>sell:c WETH/USDC",
    ]
    assert {(opportunity.ts_ms, opportunity.token, opportunity.pair) for opportunity in found} == {(7, "USDC", "WETH/USDC")}
    assert found[0].entry_stream == "a|WETH/USDC"


def test_amount_is_optimal_then_capped_then_the_notional() -> None:
    shallow = [pool("a", 2000.0, depth=500.0), pool("b", 2040.0, depth=500.0)]
    assert find_opportunities(shallow, COSTS, 0)[0].amount_in == optimal_two_pool(*shallow)
    assert find_opportunities(shallow, changed(COSTS, max_amount_quote=100.0), 0)[0].amount_in == 100.0
    unknown = [pool("a", 2000.0, depth=None), pool("b", 2040.0)]
    assert find_opportunities(unknown, COSTS, 0)[0].amount_in == COSTS.notional_quote
    eaten = [pool("a", 2000.0, fee_bps=30.0), pool("b", 2001.0, fee_bps=30.0)]
    honest = find_opportunities(eaten, COSTS, 0)[0]
    assert honest.amount_in == COSTS.notional_quote
    assert honest.net_profit < -honest.gas_cost < 0


def test_by_hand_without_reserves() -> None:
    found = find_opportunities([pool("a", 2000.0, 10.0, None), pool("b", 2020.0, 30.0, None)], COSTS, 0, amount_in=1_000.0)[0]
    assert found.gross_profit == pytest.approx(10.0)
    assert found.fee_cost == pytest.approx(1010.0 * (1 - 0.999 * 0.997))
    assert found.slippage_cost == pytest.approx(0.0, abs=1e-9)
    assert found.gas_cost == pytest.approx(240_000 * 20e-9 * 2000.0)
    assert found.revert_cost == pytest.approx(0.7 * found.gas_cost)
    assert found.edge_bps == pytest.approx(1e4 * math.log(1.01))


def test_pairs_and_venues_are_not_mixed() -> None:
    others = [pool("a", 2000.0), pool("a", 2100.0), pool("b", 30_000.0, pair="WBTC/USDC"), pool("c", 15.0, pair="LINK/USDC")]
    assert find_opportunities(others, COSTS, 0) == []


def test_reprice_keeps_route_and_amount_and_moves_with_the_state() -> None:
    pools = [pool("a", 2000.0), pool("b", 2040.0), pool("c", 2010.0)]
    first = find_opportunities(pools, COSTS, 0)[0]
    assert reprice(first, pools, COSTS, 0) == first
    gone = reprice(first, [pool("b", 1990.0, gwei=40.0), pool("a", 2000.0)], COSTS, 12)
    assert gone is not None
    assert (gone.ts_ms, gone.route.name, gone.amount_in, gone.gas_price_gwei) == (12, first.route.name, first.amount_in, 40.0)
    assert gone.net_profit < gone.gross_profit < 0
    assert identity_gap(gone) < 1e-12
    assert reprice(first, [pool("a", 2000.0), pool("c", 2010.0)], COSTS, 12) is None


def test_an_opportunity_survives_json_shapes() -> None:
    found = find_opportunities([pool("a", 2000.0), pool("b", 2040.0)], COSTS, 3)[0]
    assert opportunity_from_dict(found.to_dict()) == found
    assert opportunity_from_dict(found.to_dict()).id == found.id


def test_an_unknown_gas_token_and_a_bad_amount_are_refused() -> None:
    links = [pool("a", 14.0, pair="LINK/USDC"), pool("b", 15.0, pair="LINK/USDC")]
    with pytest.raises(ConfigError, match="ML_COSTS__NATIVE_PRICE_QUOTE"):
        find_opportunities(links, COSTS, 0)
    assert find_opportunities(links, changed(COSTS, native_price_quote=2000.0), 0)[0].gas_cost == pytest.approx(9.6)
    for amount in (0.0, -1.0, float("nan")):
        with pytest.raises(DataError, match="amount_in"):
            find_opportunities(links, COSTS, 0, amount_in=amount)


def test_one_transaction_cannot_trade_on_two_chains() -> None:
    here, there, unknown = pool("a", 2000.0), replace(pool("b", 2020.0), chain_id=10), pool("c", 2010.0)
    assert len(find_opportunities([replace(here, chain_id=1), there], COSTS, 0)) == 0
    assert len(find_opportunities([replace(here, chain_id=10), there], COSTS, 0)) == 1
    assert {one.route.venues for one in find_opportunities([replace(here, chain_id=1), there, unknown], COSTS, 0)} == {
        "buy:a>sell:c", "buy:c>sell:b"
    }
