"""Gas in the quote token."""

import pytest

from arbml.config import CostsConfig
from arbml.errors import ConfigError
from arbml.market import Pool, gas_cost_quote, gas_price_gwei, gas_units, native_price, revert_cost


def pool(venue: str, ts_ms: int, gwei: float | None) -> Pool:
    return Pool(venue, "WETH/USDC", 2000.0, 5.0, ts_ms, ts_ms, gas_price_gwei=gwei)


def test_gas_in_quote_by_hand() -> None:
    costs = CostsConfig(gas_units_base=21_000, gas_units_per_leg=100_000)
    assert gas_units(2, costs) == 221_000
    assert gas_cost_quote(221_000, 30.0, 3_000.0) == pytest.approx(221_000 * 30e-9 * 3_000.0)


def test_native_price_is_configured_then_the_base_then_an_error() -> None:
    assert native_price("LINK/USDC", 14.0, CostsConfig(native_price_quote=2_400.0)) == 2_400.0
    assert native_price("WETH/USDC", 2_500.0, CostsConfig(native_price_quote=2_400.0)) == 2_400.0
    assert native_price("weth/USDC", 2_500.0, CostsConfig()) == 2_500.0
    with pytest.raises(ConfigError, match="ML_COSTS__NATIVE_PRICE_QUOTE"):
        native_price("LINK/USDC", 14.0, CostsConfig())


def test_gas_price_is_the_newest_stated_then_the_default() -> None:
    costs = CostsConfig(default_gas_price_gwei=7.0)
    assert gas_price_gwei([pool("a", 1, 10.0), pool("b", 2, 20.0), pool("c", 3, None)], costs) == 20.0
    assert gas_price_gwei([pool("a", 2, 30.0), pool("b", 2, 20.0)], costs) == 30.0
    assert gas_price_gwei([pool("a", 1, None)], costs) == 7.0
    assert gas_price_gwei([pool("a", 1, 0.0)], costs) == 0.0


def test_a_revert_pays_part_of_the_gas() -> None:
    assert revert_cost(10.0, CostsConfig(revert_gas_fraction=0.5)) == 5.0
