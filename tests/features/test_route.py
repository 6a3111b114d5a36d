"""Route features."""

from dataclasses import replace

import numpy as np
import pytest

from arbml.features import FEATURE_NAMES, ROUTE_FEATURE_NAMES, SCORER_FEATURE_NAMES, route_features
from arbml.market import Leg, Opportunity, Route

LEGS = (
    Leg("uniswap", "WETH/USDC", "buy", 5.0, 1000.0, 0.5, 2000.0, 1e6),
    Leg("sushi", "WETH/USDC", "sell", 30.0, 0.5, 1010.0, 2022.0, 4e6),
)
OPPORTUNITY = Opportunity(
    ts_ms=0, pair="WETH/USDC", route=Route(LEGS), token="USDC", amount_in=1000.0, gross_profit=11.0, fee_cost=3.5, slippage_cost=0.5,
    gas_cost=2.0, net_profit=5.0, revert_cost=1.4, gas_price_gwei=20.0, gas_units=240_000, edge_bps=109.4,
)


def named(opportunity: Opportunity) -> dict[str, float]:
    return dict(zip(ROUTE_FEATURE_NAMES, route_features(opportunity).tolist(), strict=True))


def test_values() -> None:
    values = named(OPPORTUNITY)
    assert values == {
        "route_hops": 2, "route_fees_bps": 35, "route_gas_bps": 20, "route_slippage_bps": 5,
        "route_liquidity_mean": pytest.approx(np.log(2.5e6)), "route_liquidity_min": pytest.approx(np.log(1e6)),
        "route_depth_share": pytest.approx(1e-3), "route_complexity": 2, "route_edge_bps": 109.4, "route_net_bps": 50,
        "route_amount": pytest.approx(np.log(1000)),
    }
    assert route_features(OPPORTUNITY).dtype == np.float64


def test_unknown_depth_stays_unknown() -> None:
    values = named(replace(OPPORTUNITY, route=Route((LEGS[0], replace(LEGS[1], depth_quote=None)))))
    unknown = {name for name, value in values.items() if np.isnan(value)}
    assert unknown == {"route_liquidity_mean", "route_liquidity_min", "route_depth_share"}


def test_ratios_do_not_know_the_token() -> None:
    cents = replace(
        OPPORTUNITY, amount_in=1e5, slippage_cost=50.0, gas_cost=200.0, net_profit=500.0,
        route=Route(tuple(replace(leg, depth_quote=100 * leg.depth_quote) for leg in LEGS if leg.depth_quote)),
    )
    a, b = named(OPPORTUNITY), named(cents)
    for name in ROUTE_FEATURE_NAMES:
        shift = np.log(100) if name in ("route_amount", "route_liquidity_mean", "route_liquidity_min") else 0.0
        assert b[name] == pytest.approx(a[name] + shift), name


def test_nothing_put_in_gives_no_ratio() -> None:
    values = named(replace(OPPORTUNITY, amount_in=0.0))
    assert np.isnan(values["route_gas_bps"])
    assert np.isnan(values["route_amount"])


def test_scorer_names_are_market_then_route() -> None:
    assert SCORER_FEATURE_NAMES == FEATURE_NAMES + ROUTE_FEATURE_NAMES
    assert len(set(SCORER_FEATURE_NAMES)) == len(SCORER_FEATURE_NAMES)
