"""What gas costs, in the quote token of the pair. Fees and price impact are part of the swap (`arbml.market.amm`)."""

from collections.abc import Sequence

from arbml.config import CostsConfig
from arbml.errors import ConfigError
from arbml.market.types import Pool

GWEI = 1e-9


def gas_units(n_legs: int, costs: CostsConfig) -> int:
    """Return the gas units of a transaction with `n_legs` swaps.

    >>> gas_units(2, CostsConfig())
    240000
    """
    return costs.gas_units_base + n_legs * costs.gas_units_per_leg


def gas_cost_quote(units: int, gas_price_gwei: float, native_price_quote: float) -> float:
    """Return what `units` of gas cost, in quote.

    >>> round(gas_cost_quote(240_000, 20.0, 2_500.0), 6)
    12.0
    """
    return units * gas_price_gwei * GWEI * native_price_quote


def native_price(pair: str, price: float, costs: CostsConfig) -> float:
    """Return the price of the gas token in the quote of `pair`.

    Args:
        pair: "BASE/QUOTE".
        price: the pair's own price, used where its base is the gas token.

    Raises:
        ConfigError: if it is neither configured nor the pair's own base.

    >>> native_price("WETH/USDC", 2_500.0, CostsConfig())
    2500.0
    """
    if costs.native_price_quote is not None:
        return costs.native_price_quote
    if pair.partition("/")[0].upper() in costs.native_symbols:
        return price
    raise ConfigError(
        f"the gas cost of {pair} is unknown: its base is none of {', '.join(costs.native_symbols)}; "
        f"set ML_COSTS__NATIVE_PRICE_QUOTE to the price of the gas token in {pair.partition('/')[2]}"
    )


def gas_price_gwei(pools: Sequence[Pool], costs: CostsConfig) -> float:
    """Return the newest gas price that any of the pools states (of two equally new, the higher), else the default."""
    newest: tuple[int, float] | None = None
    for pool in pools:
        if pool.gas_price_gwei is not None and (newest is None or (pool.ts_ms, pool.gas_price_gwei) > newest):
            newest = (pool.ts_ms, pool.gas_price_gwei)
    return costs.default_gas_price_gwei if newest is None else newest[1]


def revert_cost(gas_cost: float, costs: CostsConfig) -> float:
    """Return what an attempt that lands and reverts pays, in the unit of `gas_cost`.

    >>> round(revert_cost(12.0, CostsConfig()), 6)
    8.4
    """
    return gas_cost * costs.revert_gas_fraction
