"""Swap mathematics of constant-product pools, in floats and whole tokens.

A Uniswap v3 pool is a constant-product pool of its virtual reserves as long as the swap stays inside the active tick
range (Uniswap v3 Core whitepaper, section 6.2), so one formula serves both. A pool whose liquidity is known beyond that
range (`Pool.curve`) is swapped across ticks by `arbml.market.curve`.
"""

import math

from arbml.errors import DataError
from arbml.market.curve import swap
from arbml.market.types import Pool


def keep_fraction(fee_bps: float) -> float:
    """Return the part of the input that a fee of `fee_bps` leaves.

    Raises:
        DataError: for a fee outside 0..10 000 bps.
    """
    if not 0.0 <= fee_bps <= 10_000.0:
        raise DataError(f"fee_bps {fee_bps!r} is outside 0..10000; fees are basis points, 0.3 % is 30")
    return 1.0 - fee_bps / 10_000.0


def amount_out(amount_in: float, reserve_in: float, reserve_out: float, fee_bps: float) -> float:
    """Return what a constant-product pool pays for `amount_in` (Uniswap v2 whitepaper, section 3.2.1).

    Args:
        amount_in: in the token that goes in, whole tokens, >= 0.
        reserve_in, reserve_out: reserves before the swap, whole tokens, > 0.
        fee_bps: fee taken from the input.

    Raises:
        DataError: for a negative amount or a fee outside 0..10 000 bps.

    >>> amount_out(100.0, 1_000.0, 1_000.0, fee_bps=0.0)
    90.9090909090909
    >>> round(amount_out(100.0, 1_000.0, 1_000.0, fee_bps=30.0), 6)
    90.661089
    """
    if amount_in < 0.0:
        raise DataError(f"a swap of {amount_in!r} is not possible; amounts are positive")
    taken = amount_in * keep_fraction(fee_bps)
    return taken * reserve_out / (reserve_in + taken)


def virtual_reserves(liquidity: float, price: float) -> tuple[float, float]:
    """Return (base, quote) reserves that make a v3 pool a constant-product pool inside its active range.

    Args:
        liquidity: L in whole tokens, i.e. the contract's integer divided by 10^((base decimals + quote decimals) / 2).
        price: quote per base.

    >>> virtual_reserves(100.0, 4.0)
    (50.0, 200.0)
    """
    root = math.sqrt(price)
    return liquidity / root, liquidity * root


def spot_price(pool: Pool) -> float:
    """Return the marginal price before fees, quote per base: of the reserves where known, else the last price stated."""
    if pool.reserve_base and pool.reserve_quote:
        return pool.reserve_quote / pool.reserve_base
    return pool.price


def buy_base(pool: Pool, quote_in: float) -> float:
    """Return the base token got for `quote_in`: exact with reserves or curve, otherwise price minus fee without impact."""
    if pool.curve is not None:
        return swap(pool.curve, math.sqrt(spot_price(pool)), quote_in * keep_fraction(pool.fee_bps), rising=True)[1]
    if pool.reserve_base and pool.reserve_quote:
        return amount_out(quote_in, pool.reserve_quote, pool.reserve_base, pool.fee_bps)
    return quote_in * keep_fraction(pool.fee_bps) / pool.price


def sell_base(pool: Pool, base_in: float) -> float:
    """Return the quote token got for `base_in`: exact with reserves or curve, otherwise price minus fee without impact."""
    if pool.curve is not None:
        return swap(pool.curve, math.sqrt(spot_price(pool)), base_in * keep_fraction(pool.fee_bps), rising=False)[1]
    if pool.reserve_base and pool.reserve_quote:
        return amount_out(base_in, pool.reserve_base, pool.reserve_quote, pool.fee_bps)
    return base_in * keep_fraction(pool.fee_bps) * pool.price


def optimal_two_pool(buy: Pool, sell: Pool) -> float:
    """Return the quote amount that maximises quote out minus quote in when buying base on `buy` and selling it on `sell`.

    The two swaps compose to out(x) = a x / (b + c x), so out(x) - x is concave with its maximum at (sqrt(a b) - b) / c.

    Args:
        buy, sell: pools with reserves, whole tokens.

    Returns:
        The amount in, quote; 0.0 where fees eat the whole edge (a <= b).

    Raises:
        DataError: if a pool has no reserves.

    >>> cheap = Pool("a", "WETH/USDC", 2000.0, 30.0, 0, 0, reserve_base=500.0, reserve_quote=1_000_000.0)
    >>> dear = Pool("b", "WETH/USDC", 2040.0, 30.0, 0, 0, reserve_base=500.0, reserve_quote=1_020_000.0)
    >>> round(optimal_two_pool(cheap, dear), 2)
    3475.95
    >>> optimal_two_pool(dear, cheap)
    0.0
    """
    if not (buy.reserve_quote and buy.reserve_base and sell.reserve_quote and sell.reserve_base):
        raise DataError(f"the optimal amount between {buy.venue} and {sell.venue} needs the reserves of both")
    keep_buy, keep_sell = keep_fraction(buy.fee_bps), keep_fraction(sell.fee_bps)
    a = keep_buy * keep_sell * buy.reserve_base * sell.reserve_quote
    b = sell.reserve_base * buy.reserve_quote
    if a <= b:
        return 0.0
    c = keep_buy * (sell.reserve_base + keep_sell * buy.reserve_base)
    return b * (math.sqrt(a / b) - 1.0) / c
