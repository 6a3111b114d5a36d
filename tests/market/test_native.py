"""The price of gas in any start token."""

import math

import pytest

from arbml.config import CostsConfig
from arbml.errors import ConfigError
from arbml.market import Pool
from arbml.market.native import exchange_rate, native_price_in, native_price_of, quote_token
from arbml.market.routes import Hop

COSTS = CostsConfig()


def pool(pair: str, price: float, depth: float | None = 1e6, venue: str = "a", ts_ms: int = 0) -> Pool:
    return Pool(venue, pair, price, 5.0, ts_ms, ts_ms, reserve_base=None if depth is None else depth / price, reserve_quote=depth)


def test_the_deepest_pool_between_two_tokens_says_the_price() -> None:
    pools = [pool("WETH/USDC", 2_000.0, 1e6), pool("WETH/USDC", 2_010.0, 9e6, "b"), pool("WETH/USDC", 1_000.0, None, "cex"),
             pool("USDC/WETH", 1 / 1_990.0, 5_000.0, "inverse"), pool("LINK/USDC", 20.0, 9e9)]
    assert exchange_rate("WETH", "USDC", pools[:3]) == pytest.approx(2_010.0)
    assert exchange_rate("WETH", "USDC", pools) == pytest.approx(1_990.0)  # 5,000 WETH are 9.95 million USDC
    assert exchange_rate("USDC", "WETH", pools[:3]) == pytest.approx(1 / 2_010.0)
    assert exchange_rate("USDC", "USDC", []) == 1.0
    assert exchange_rate("DAI", "USDC", pools) is None
    unknown = [pool("WETH/USDC", 1_000.0, None, "old", 1), pool("WETH/USDC", 1_001.0, None, "new", 2)]
    assert exchange_rate("WETH", "USDC", unknown) == 1_001.0
    assert exchange_rate("WETH", "USDC", [pool("WETH/USDC", math.nan, None)]) is None


def test_the_quote_is_what_most_pools_quote_in_and_seldom_the_gas_token() -> None:
    links = [pool("LINK/WETH", 0.01, venue=f"v{i}") for i in range(5)]
    assert quote_token(links, COSTS) == "WETH"
    assert quote_token([*links, pool("WETH/USDT", 2_000.0)], COSTS) == "USDT"
    assert quote_token([*links, pool("WETH/USDT", 2_000.0), pool("WETH/DAI", 2_000.0)], COSTS) == "DAI"
    assert quote_token([], COSTS) is None


def test_native_price_by_start_token() -> None:
    pools = [pool("WETH/USDC", 2_000.0), pool("WETH/WBTC", 0.05, 100.0), pool("DAI/USDC", 0.5)]
    assert native_price_in("WETH", pools, COSTS) == 1.0
    assert native_price_in("weth", pools, COSTS) == 1.0
    assert native_price_in("USDC", pools, COSTS) == 2_000.0
    assert native_price_in("WBTC", pools, COSTS) == 0.05
    assert native_price_in("DAI", pools, COSTS) == 4_000.0  # over USDC, the quote
    with pytest.raises(ConfigError, match="routes that start in LINK"):
        native_price_in("LINK", pools, COSTS)


def test_a_configured_price_is_in_the_quote_and_converted() -> None:
    costs = CostsConfig(native_price_quote=2_500.0)
    pools = [pool("WETH/USDC", 2_000.0), pool("WETH/WBTC", 0.05, 100.0), pool("DAI/USDC", 0.5)]
    assert native_price_in("USDC", pools, costs) == 2_500.0
    assert native_price_in("WETH", pools, costs) == 1.0
    assert native_price_in("WBTC", pools, costs) == 0.05      # not 2,500 WBTC
    assert native_price_in("DAI", pools, costs) == 5_000.0
    assert native_price_in("DAI", pools, costs, quote="DAI") == 2_500.0
    with pytest.raises(ConfigError, match="LINK"):
        native_price_in("LINK", pools, costs)


def test_a_route_that_buys_the_gas_token_first_pays_its_own_price() -> None:
    pools = [pool("WETH/USDC", 2_000.0), pool("WETH/USDC", 2_040.0, 9e6, "b")]
    there, back = [Hop(pools[0], "buy"), Hop(pools[1], "sell")], [Hop(pools[1], "sell"), Hop(pools[0], "buy")]
    assert native_price_of(there, pools, COSTS) == 2_000.0
    assert native_price_of(back, pools, COSTS) == 1.0
    assert native_price_of(there, pools, CostsConfig(native_price_quote=2_500.0)) == 2_500.0
