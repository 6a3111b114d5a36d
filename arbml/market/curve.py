"""Swaps of a v3 pool across its tick ranges, in floats and whole tokens.

Between two ticks at which liquidity changes, a v3 pool is a constant-product pool of its virtual reserves (Uniswap v3 Core
whitepaper, section 6.2). So a pool is a row of ranges, each of which takes a limited amount: `ranges` names them in the
order in which a swap meets them.

Liquidity runs out where it falls to zero and no further tick brings any: the swap can take no more there. What is put in
beyond that buys nothing, so what comes out stays the same. A gap between two positions is crossed for nothing, at once.
Beyond the last tick that a `Curve` names, the liquidity left reaches for ever; who knows only some of the ticks must let
the curve end there, with a last `net` that takes all liquidity out, or the pool looks deeper than it is.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from arbml.errors import DataError
from arbml.market.types import Curve

NOTHING = 1e-13  # liquidity below this part of the largest met on the way is what rounding left of zero


class Range(NamedTuple):
    """A swap while nothing changes its formula: out(x) = rate x / (1 + curvature x) for x up to `capacity`.

    Attributes:
        rate: tokens out for one in, at the margin.
        curvature: one over the reserve that the swap adds to; 0 where a swap moves no price.
        capacity: most that goes in; inf where the range reaches for ever.
    """

    rate: float
    curvature: float
    capacity: float = math.inf

    def out(self, amount_in: float) -> float:
        """Return what comes out for `amount_in`, at most `capacity`."""
        return self.rate * amount_in / (1.0 + self.curvature * amount_in)

    def after(self, amount_in: float) -> "Range":
        """Return what is left of the range when `amount_in` has gone in.

        >>> whole, rest = Range(2.0, 0.1), Range(2.0, 0.1).after(5.0)
        >>> whole.out(5.0) + rest.out(3.0) == whole.out(8.0)
        True
        """
        shrunk = 1.0 + self.curvature * amount_in
        return Range(self.rate / shrunk**2, self.curvature / shrunk, max(0.0, self.capacity - amount_in))

    def less(self, keep: float) -> "Range":
        """Return the range for an input of which a fee leaves the part `keep`, 0..1."""
        return Range(self.rate * keep, self.curvature * keep, self.capacity / keep if keep > 0.0 else math.inf)


def ranges(curve: Curve, root: float, *, rising: bool) -> Iterator[Range]:
    """Name the ranges that a swap meets, in order; none of them is empty, and after the last one the swap takes no more.

    Args:
        curve: liquidity over all ranges.
        root: square root of the price now, quote per base. Of a tick at exactly this price, the active liquidity has what comes in there.
        rising: True for quote in and base out, which raises the price; False for base in and quote out.

    Raises:
        DataError: if the liquidity falls below zero on the way.
    """
    liquidity = peak = curve.liquidity
    at = bisect_right(curve.roots, root) - (not rising)
    step = 1 if rising else -1
    while True:
        last = not 0 <= at < len(curve.roots)
        end = math.inf if last else curve.roots[at]
        if liquidity > NOTHING * peak:
            yield _range(liquidity, root, end, rising)
        if last:
            return
        root, liquidity = end, liquidity + step * curve.net[at]
        peak = max(peak, liquidity)
        if liquidity < -NOTHING * peak:
            raise DataError(f"the curve's liquidity falls to {liquidity!r} at the price root {root!r}; its net amounts do not fit")
        at += step


def _range(liquidity: float, root: float, end: float, rising: bool) -> Range:
    """One range from the price root `root` to `end`; whitepaper, equations 6.14 and 6.16."""
    if rising:
        return Range(1.0 / (root * root), 1.0 / (liquidity * root), liquidity * (end - root))
    return Range(root * root, root / liquidity, math.inf if end == math.inf else liquidity * (root - end) / (root * end))


def swap(curve: Curve, root: float, amount_in: float, *, rising: bool) -> tuple[float, float]:
    """Return (taken, out): what a swap takes of `amount_in`, at most all, and what it pays for that.

    Args:
        curve, root, rising: as in `ranges`.
        amount_in: after the fee; quote if rising, else base.

    >>> one_position = Curve(100.0, roots=(1.0, 2.0), net=(100.0, -100.0))  # liquid from price 1 to price 4
    >>> swap(one_position, 1.5, 10.0, rising=True)
    (10.0, 4.166666666666667)
    >>> swap(one_position, 1.5, 80.0, rising=True)  # the position is sold out at price 4
    (50.0, 16.666666666666664)
    """
    taken, out = 0.0, 0.0
    for one in ranges(curve, root, rising=rising):
        if amount_in - taken <= one.capacity:
            return amount_in, out + one.out(amount_in - taken)
        out += one.out(one.capacity)
        taken += one.capacity
    return taken, out


def check_curve(curve: Curve, where: str) -> None:
    """Refuse a curve that no pool can have.

    Args:
        where: what it belongs to, for the message.

    Raises:
        DataError: if numbers are missing, not finite or not in order.
    """
    if len(curve.roots) != len(curve.net):
        raise DataError(f"the curve of {where} has {len(curve.roots)} roots and {len(curve.net)} net amounts; each root has one")
    if not 0.0 <= curve.liquidity < math.inf:
        raise DataError(f"the curve of {where} has the liquidity {curve.liquidity!r}; it must be finite and not negative")
    if any(not math.isfinite(value) for value in (*curve.roots, *curve.net)):
        raise DataError(f"the curve of {where} holds a number that is not finite")
    if any(low >= high for low, high in zip((0.0, *curve.roots), curve.roots, strict=False)):
        raise DataError(f"the roots of the curve of {where} must be positive and ascending")
