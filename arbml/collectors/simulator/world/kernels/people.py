"""Who wants to trade in a block: people who must swap, people who know the efficient price, and searchers."""
# mypy: allow-untyped-defs

import math

from arbml.collectors.simulator.world.kernels.columns import (
    BASE,
    BID,
    BLOCK_S,
    CHAIN,
    EAGER,
    GAS_UNITS,
    INFORMED_TRADE,
    KEEP,
    LARGEST,
    LATENCY,
    LIQUIDITY,
    LOOKS,
    MARGIN,
    MAX_EVENTS,
    NOISE_TRADE,
    QUOTE,
    REACTION,
    RIVAL_TRADE,
    ROOT,
    SWAP_UNITS,
    TIP,
    TRADE_USD,
    TRADES,
    VALUE,
)
from arbml.collectors.simulator.world.kernels.compiled import inner
from arbml.collectors.simulator.world.kernels.draws import POOL_PLACE, RIVAL_PLACE, normal, unit
from arbml.collectors.simulator.world.kernels.swaps import needed, swap
from arbml.collectors.simulator.world.kernels.weather import gas_usd


@inner
def gains(rules, state, c, fee, pays, amounts):
    """For each route of a chain what the best amount earns after gas, USDC, on the active ranges; how long it has paid is noted."""
    for r in range(len(rules.start)):
        if rules.route[r, 0] != c:
            continue
        rate, curvature, legs = 1.0, 0.0, rules.route[r, 1]
        for i in range(legs):
            p, buys = rules.route[r, 2 + 2 * i], rules.route[r, 3 + 2 * i] == 1
            root, liquidity, keep = state.pool[p, ROOT], state.pool[p, LIQUIDITY], rules.pool[p, KEEP]
            curvature += rate * keep / (liquidity * root if buys else liquidity / root)
            rate *= keep / (root * root) if buys else keep * root * root
        pays[r] = -1.0
        if rate > 1.0:
            x = (math.sqrt(rate) - 1.0) / curvature
            earned = (rate * x / (1.0 + curvature * x) - x) * math.exp(state.token[rules.start[r]])
            amounts[r], pays[r] = x, earned - (GAS_UNITS + legs * SWAP_UNITS) * gas_usd(rules, state, fee)
        state.age[r] = state.age[r] + rules.chain[c, BLOCK_S] if pays[r] > rules.chain[c, MARGIN] else 0.0


@inner
def informed_root(rules, state, p):
    """The root price to which somebody who knows the efficient price trades; 0.0 if the pool is within its fee of it."""
    efficient = state.token[int(rules.pool[p, BASE])] - state.token[int(rules.pool[p, QUOTE])]
    gap, band = efficient - 2.0 * math.log(state.pool[p, ROOT]), -math.log(rules.pool[p, KEEP])
    if abs(gap) <= band:
        return 0.0
    return math.exp(0.5 * (efficient - math.copysign(band, gap)))


@inner
def traders(rules, state, c, fee, key, second, kind, who, size, tip, n):
    """Write the transactions of those who must swap and of those who know the price; return their number."""
    tip_usual, seconds = rules.chain[c, TIP], rules.chain[c, BLOCK_S]
    activity = math.exp(min(0.5 * (state.mood[0] + state.mood[1]), 1.5))
    for p in range(len(rules.pool)):
        if rules.pool[p, CHAIN] != c:
            continue
        place = POOL_PLACE + 24 * p
        threshold = math.exp(-rules.pool[p, TRADES] * seconds * activity)
        product, count = unit(key, second, place), 0
        while product >= threshold and count < 3 and n < MAX_EVENTS - 1:  # Poisson, by Knuth; more are taken together
            at = place + 5 * count
            usd = min(rules.pool[p, TRADE_USD] * math.exp(normal(key, second, at + 2)), LARGEST * rules.pool[p, VALUE])
            kind[n], who[n], tip[n] = NOISE_TRADE, p, tip_usual * (0.2 - math.log(unit(key, second, at + 4)))
            size[n] = usd if unit(key, second, at + 5) < 0.5 else -usd
            n, count = n + 1, count + 1
            product *= unit(key, second, at + 1)
        target = informed_root(rules, state, p)
        if target > 0.0 and n < MAX_EVENTS - 1:
            beyond = abs(2.0 * math.log(target / state.pool[p, ROOT])) / -math.log(rules.pool[p, KEEP])  # in fees; much draws eyes
            looks = seconds * rules.pool[p, LOOKS] * (1.0 + beyond) ** 2 * math.exp(0.5 * state.chain[c, EAGER])
            if unit(key, second, place + 20) < -math.expm1(-looks):
                root, buys = state.pool[p, ROOT], target > state.pool[p, ROOT]
                amount = needed(rules, state, p, target)
                got = swap(rules, state, p, amount, buys, False)
                paid, out = (rules.pool[p, QUOTE], rules.pool[p, BASE]) if buys else (rules.pool[p, BASE], rules.pool[p, QUOTE])
                earned = got * math.exp(state.token[int(out)]) - amount * math.exp(state.token[int(paid)])
                cost = (GAS_UNITS + SWAP_UNITS) * gas_usd(rules, state, 1.0)
                if earned > cost * (fee + tip_usual):
                    kind[n], who[n], size[n] = INFORMED_TRADE, p, target - root
                    tip[n] = tip_usual + 0.5 * (earned / cost - fee - tip_usual) * unit(key, second, place + 21)
                    n += 1
    return n


@inner
def rivals(rules, state, c, fee, key, second, pays, kind, who, size, tip, n):
    """Write the transactions of the other searchers, each on the route that pays most of those it has had time to see."""
    speed = rules.chain[c, BLOCK_S] * math.exp(state.chain[c, EAGER])
    for k in range(len(rules.rival)):
        place, best = RIVAL_PLACE + 64 * c + 4 * k, -1
        for r in range(len(pays)):
            old = state.age[r] >= rules.rival[k, LATENCY] and state.age[r] > 0.0 and rules.route[r, 0] == c
            if old and (best < 0 or pays[r] > pays[best]):
                best = r
        if best < 0 or n >= MAX_EVENTS - 1:
            continue
        eyes = math.sqrt(pays[best] / rules.chain[c, MARGIN])  # much draws eyes
        if unit(key, second, place) < -math.expm1(-speed * eyes / rules.rival[k, REACTION]):
            units = GAS_UNITS + rules.route[best, 1] * SWAP_UNITS
            kind[n], who[n], size[n] = RIVAL_TRADE, best, 0.5 + 0.5 * unit(key, second, place + 1)
            bid = min(rules.rival[k, BID] * (0.5 + unit(key, second, place + 2)), 0.95) * pays[best]
            tip[n] = rules.chain[c, TIP] + bid / (units * gas_usd(rules, state, 1.0))
            n += 1
    return n
