"""What no trader decides: efficient prices, volatility, and the fees of the blocks."""
# mypy: allow-untyped-defs

import math

from arbml.collectors.simulator.world.kernels.columns import (
    BLOCK_NOISE,
    CUT,
    DEMAND,
    DEMAND_KEEP,
    DEMAND_NOISE,
    ELASTICITY,
    FAST_KEEP,
    FAST_NOISE,
    FEE,
    FULL,
    JUMP,
    JUMPS,
    KICK,
    KICK_MEAN,
    LINK,
    NATIVE,
    RUSH,
    RUSH_KEEP,
    RUSH_LOG,
    RUSHES,
    SLOW_KEEP,
    SLOW_NOISE,
    START_DAY,
    SWING,
    TAILS,
    TIP,
    USUAL_FEE,
)
from arbml.collectors.simulator.world.kernels.compiled import inner
from arbml.collectors.simulator.world.kernels.draws import CHAIN_PLACE, normal, student, unit


@inner
def pass_second(rules, state, key, second):
    """One second of efficient prices and volatility; returns the volatility over its usual level."""
    w = rules.weather
    state.mood[0] = w[FAST_KEEP] * state.mood[0] + w[FAST_NOISE] * normal(key, second, 0)
    state.mood[1] = w[SLOW_KEEP] * state.mood[1] + w[SLOW_NOISE] * normal(key, second, 2)
    nerves = state.mood[0] + state.mood[1] - w[KICK_MEAN]
    day = w[START_DAY] + second / 86_400.0
    level = (1.0 + w[SWING] * math.cos(2.0 * math.pi * (day - 15.0 / 24.0))) * math.exp(nerves)
    market, jump = student(key, second, 4, w[TAILS]), 0.0
    if unit(key, second, 6) < w[JUMPS] * math.exp(min(nerves, 1.0)):
        jump = w[JUMP] * normal(key, second, 7)
        state.mood[0] += w[KICK]
    for t in range(1, len(state.token)):
        own = student(key, second, 8 + 2 * t, w[TAILS])
        state.token[t] += level * (rules.token[t, 0] * market + rules.token[t, 1] * own) + jump * rules.token[t, 2]
    return level


@inner
def fee_market(rules, state, c, key, second):
    """Demand for the block, the least tip that gets in, and what EIP-1559 makes of the base fee of the next one.

    Returns the base fee of this block, gwei.
    """
    w, chain, rule, place = rules.weather, state.chain, rules.chain, CHAIN_PLACE + 16 * c
    chain[c, DEMAND] = rule[c, DEMAND_KEEP] * chain[c, DEMAND] + rule[c, DEMAND_NOISE] * normal(key, second, place)
    chain[c, RUSH] *= rule[c, RUSH_KEEP]
    if unit(key, second, place + 2) < rule[c, RUSHES]:
        chain[c, RUSH] = min(chain[c, RUSH] - w[RUSH_LOG] * math.log(unit(key, second, place + 3)), 3.0)
    fee = chain[c, FEE]
    demand = math.exp(
        chain[c, DEMAND] + chain[c, RUSH] + w[LINK] * (state.mood[0] + state.mood[1]) + w[BLOCK_NOISE] * normal(key, second, place + 4)
        - w[ELASTICITY] * math.log(fee / rule[c, USUAL_FEE])
    )  # in gas targets; a block takes two
    used = min(demand, 2.0)
    chain[c, FULL] = used / 2.0
    chain[c, CUT] = rule[c, TIP] * (demand / 2.0 - 1.0) if demand > 2.0 else 0.0
    chain[c, FEE] = max(fee * (1.0 + (used - 1.0) / 8.0), 1e-6)
    return fee


@inner
def gas_usd(rules, state, gwei):
    """What a unit of gas costs, USDC."""
    return 1e-9 * gwei * math.exp(state.token[int(rules.weather[NATIVE])])
