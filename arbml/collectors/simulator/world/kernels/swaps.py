"""Swaps on the pools, exact across the ranges of their providers.

A v3 pool is constant product between two bounds of its providers' positions (Uniswap v3 Core whitepaper, section 6.2) and is
walked from bound to bound. Bounds are counted in tick ranges: bound b is the root price exp(b width / 2). `cell` is the range
in which the price is; a position is active where lower <= cell < upper. One position of each v3 pool covers all prices.
"""
# mypy: allow-untyped-defs

import math

import numpy as np

from arbml.collectors.simulator.world.kernels.columns import (
    CELL,
    FAR,
    FULL_RANGE,
    HALF,
    KEEP,
    LIQUIDITY,
    QUOTE,
    ROOT,
    SPREAD,
    V3,
    VALUE,
    VOLUME,
    WIDTH,
    WITHDRAWN,
)
from arbml.collectors.simulator.world.kernels.compiled import inner
from arbml.collectors.simulator.world.kernels.draws import normal, unit


@inner
def _bounds(position, p, cell):
    """The nearest bounds of positions at or below a cell and above it."""
    below, above = -FAR, FAR
    for i in range(position.shape[1]):
        if position[p, i, 2] > 0.0:
            for j in range(2):
                bound = position[p, i, j]
                if bound <= cell and bound > below:
                    below = bound
                elif bound > cell and bound < above:
                    above = bound
    return below, above


@inner
def active(position, p, cell):
    """The liquidity of a v3 pool in a cell."""
    total = 0.0
    for i in range(position.shape[1]):
        if position[p, i, 0] <= cell < position[p, i, 1]:
            total += position[p, i, 2]
    return total


@inner
def _range(rules, state, p, root, liquidity, cell, rising):
    """What is left of the range that a swap is in: root price at its end, what it takes, and the cell beyond it."""
    below, above = -FAR, FAR
    if rules.pool[p, V3] > 0.0:
        below, above = _bounds(state.position, p, cell)
    if rising:
        end = math.exp(0.5 * rules.pool[p, WIDTH] * above) if above < FAR else np.inf
        return end, liquidity * (end - root), above
    end = math.exp(0.5 * rules.pool[p, WIDTH] * below) if below > -FAR else 0.0
    return end, liquidity * (1.0 / end - 1.0 / root) if end > 0.0 else np.inf, below - 1.0


@inner
def _paid(taken, root, end, rising):
    """What a range pays for what has moved the root price through it; of equations 6.14 and 6.16, without a difference."""
    return taken / (root * end) if rising else taken * root * end


@inner
def swap(rules, state, p, amount, buys, commit):
    """What a pool pays for `amount`, fee included; with `commit` the pool is moved. Buying puts quote in."""
    root, liquidity, taken = state.pool[p, ROOT], state.pool[p, LIQUIDITY], amount * rules.pool[p, KEEP]
    if rules.pool[p, V3] == 0.0:
        base, quote = liquidity / root, liquidity * root
        if buys:
            out = taken * base / (quote + taken)
            base, quote = base - out, quote + amount
        else:
            out = taken * quote / (base + taken)
            base, quote = base + amount, quote - out
        if commit:
            state.pool[p, ROOT], state.pool[p, LIQUIDITY] = math.sqrt(quote / base), math.sqrt(quote * base)
            state.pool[p, VOLUME] += amount if buys else out
        return out
    cell, width, out = state.pool[p, CELL], rules.pool[p, WIDTH], 0.0
    end, capacity, beyond = _range(rules, state, p, root, liquidity, cell, buys)
    while taken > capacity:
        out += _paid(capacity, root, end, buys)
        taken, root, cell, liquidity = taken - capacity, end, beyond, active(state.position, p, beyond)
        end, capacity, beyond = _range(rules, state, p, root, liquidity, cell, buys)
    new = root + taken / liquidity if buys else 1.0 / (1.0 / root + taken / liquidity)
    out += _paid(taken, root, new, buys)
    if commit:
        below, above = _bounds(state.position, p, cell)
        cell = min(max(math.floor(2.0 * math.log(new) / width), below), above - 1.0)
        state.pool[p, ROOT], state.pool[p, LIQUIDITY], state.pool[p, CELL] = new, liquidity, cell
        state.pool[p, VOLUME] += amount if buys else out
    return out


@inner
def needed(rules, state, p, target):
    """The amount in that moves a pool's root price to `target`, fee included (of a v2 pool but for the fee that stays)."""
    root, liquidity, cell, total = state.pool[p, ROOT], state.pool[p, LIQUIDITY], state.pool[p, CELL], 0.0
    rising = target > root
    end, capacity, beyond = _range(rules, state, p, root, liquidity, cell, rising)
    while target > end if rising else target < end:
        total, root, cell, liquidity = total + capacity, end, beyond, active(state.position, p, beyond)
        end, capacity, beyond = _range(rules, state, p, root, liquidity, cell, rising)
    total += liquidity * (target - root if rising else 1.0 / target - 1.0 / root)
    return total / rules.pool[p, KEEP]


@inner
def provide(rules, state, p, i, key, second, place):
    """A provider of a v3 pool moves its range to the price, with a new width and value; or withdraws."""
    w, nerves = rules.weather, state.mood[0] + state.mood[1]
    z = normal(key, second, place)
    if unit(key, second, place + 2) < w[WITHDRAWN] and second >= 0:
        state.position[p, i, 2] = 0.0
    else:
        half = max(1.0, math.floor(rules.pool[p, HALF] * math.exp(w[SPREAD] * z + 0.3 * nerves) + 0.5))
        lower, upper = state.pool[p, CELL] - half, state.pool[p, CELL] + half + 1.0
        share = (1.0 - w[FULL_RANGE]) / (state.position.shape[1] - 1)
        value = rules.pool[p, VALUE] * share * math.exp(w[SPREAD] * (normal(key, second, place + 3) - 0.5 * nerves))
        root, width = state.pool[p, ROOT], rules.pool[p, WIDTH]
        in_quote = value / math.exp(state.token[int(rules.pool[p, QUOTE])])
        low, high = math.exp(0.5 * width * lower), math.exp(0.5 * width * upper)
        state.position[p, i, 0], state.position[p, i, 1] = lower, upper
        state.position[p, i, 2] = in_quote / (2.0 * root - low - root * root / high)
    state.pool[p, LIQUIDITY] = active(state.position, p, state.pool[p, CELL])
