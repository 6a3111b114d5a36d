"""A slow, exact reference: the swap loop of Uniswap v3 in the contracts' own integers (UniswapV3Pool.sol, SwapMath.sol,
SqrtPriceMath.sol, FullMath.sol), without what a swap does not need (ticks are given by their price, no protocol fee)."""

from collections.abc import Sequence

Q96 = 2**96
MIN_ROOT, MAX_ROOT = 4295128739, 1461446703485210103287273052203988822378723970342
MILLION = 10**6


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def amount0_delta(low: int, high: int, liquidity: int, round_up: bool) -> int:
    low, high = sorted((low, high))
    numerator = (liquidity << 96) * (high - low)
    return ceil_div(ceil_div(numerator, high), low) if round_up else numerator // high // low


def amount1_delta(low: int, high: int, liquidity: int, round_up: bool) -> int:
    low, high = sorted((low, high))
    product = liquidity * (high - low)
    return ceil_div(product, Q96) if round_up else product // Q96


def next_root_from_input(root: int, liquidity: int, amount_in: int, zero_for_one: bool) -> int:
    if zero_for_one:
        numerator = liquidity << 96
        return ceil_div(numerator * root, numerator + amount_in * root)
    return root + (amount_in << 96) // liquidity


def compute_swap_step(root: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> tuple[int, int, int, int]:
    """(next root, amount in, amount out, fee), exact input only."""
    zero_for_one = root >= target
    after_fee = remaining * (MILLION - fee_pips) // MILLION
    delta_in = amount0_delta if zero_for_one else amount1_delta
    delta_out = amount1_delta if zero_for_one else amount0_delta
    amount_in = delta_in(target, root, liquidity, True)
    reached = target if after_fee >= amount_in else next_root_from_input(root, liquidity, after_fee, zero_for_one)
    amount_in = delta_in(reached, root, liquidity, True)
    amount_out = delta_out(reached, root, liquidity, False)
    fee = ceil_div(amount_in * fee_pips, MILLION - fee_pips) if reached == target else remaining - amount_in
    return reached, amount_in, amount_out, fee


def swap(
    root: int, liquidity: int, ticks: Sequence[tuple[int, int]], amount_in: int, zero_for_one: bool, fee_pips: int
) -> tuple[int, int]:
    """(taken with the fee, paid) for an exact input that may end at the price limit.

    Args:
        ticks: (root, net liquidity when the price rises through it), ascending; one at `root` has been crossed upwards.
    """
    ahead = [tick for tick in reversed(ticks) if tick[0] <= root] if zero_for_one else [tick for tick in ticks if tick[0] > root]
    ahead.append((MIN_ROOT + 1 if zero_for_one else MAX_ROOT - 1, 0))
    remaining, paid = amount_in, 0
    for target, net in ahead:
        if liquidity == 0:
            root = target
        else:
            root, step_in, step_out, fee = compute_swap_step(root, target, liquidity, remaining, fee_pips)
            remaining -= step_in + fee
            paid += step_out
        if remaining <= 0 or root != target:
            break
        liquidity += -net if zero_for_one else net
    return amount_in - remaining, paid
