"""A route and amount on given states, under one of the slippage models."""

from collections.abc import Sequence
from dataclasses import replace

from arbml.config import BacktestConfig, CostsConfig
from arbml.market import Leg, Opportunity, Pool, reprice
from arbml.market.amm import spot_price


def priced(
    opportunity: Opportunity, pools: Sequence[Pool], costs: CostsConfig, config: BacktestConfig, ts_ms: int
) -> Opportunity | None:
    """Return the same route and amount on other states; None if one of its pools is not among them.

    exact: swap mathematics, the finder's own. The others swap at the spot price, whatever the reserves: none without
    impact; linear and quadratic worsen each leg by `slippage_bps` times s and s^2, where s is the leg's amount in percent of
    the quote-side depth. A leg of unknown depth is taken for one percent of it.

    Slippage is charged here and nowhere else: net = gross - fees - slippage - gas.
    """
    if config.slippage == "exact":
        return reprice(opportunity, pools, costs, ts_ms)
    flat = [replace(pool, price=spot_price(pool), reserve_base=None, reserve_quote=None, curve=None) for pool in pools]
    there = reprice(opportunity, flat, costs, ts_ms)
    if there is None or config.slippage == "none":
        return there
    depths = {(pool.venue, pool.pair): pool.depth_quote for pool in pools}
    kept = 1.0
    for leg in there.route.legs:
        kept *= max(0.0, 1.0 - impact_bps(leg, depths[leg.venue, leg.pair], config) / 1e4)
    lost = (there.amount_in + there.gross_profit - there.fee_cost) * (1.0 - kept)
    return replace(there, slippage_cost=lost, net_profit=there.net_profit - lost)


def impact_bps(leg: Leg, depth_quote: float | None, config: BacktestConfig) -> float:
    """Return by how much a leg moves the price against itself, bps ("linear" and "quadratic").

    >>> leg = Leg("a", "WETH/USDC", "buy", 5.0, amount_in=20_000.0, amount_out=10.0, price=2000.0)
    >>> impact_bps(leg, 1_000_000.0, BacktestConfig(slippage="linear", slippage_bps=5.0))
    10.0
    >>> impact_bps(leg, 1_000_000.0, BacktestConfig(slippage="quadratic", slippage_bps=5.0))
    20.0
    """
    quote = leg.amount_in if leg.side == "buy" else leg.amount_out
    percent = 100.0 * quote / depth_quote if depth_quote else 1.0
    return config.slippage_bps * (percent if config.slippage == "linear" else percent * percent)
