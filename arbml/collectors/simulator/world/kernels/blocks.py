"""One block: its transactions, in the order of their tips."""
# mypy: allow-untyped-defs

import math

import numpy as np

from arbml.collectors.simulator.world.kernels.columns import (
    AMOUNT,
    AT,
    BASE,
    BLOCK_S,
    CHAIN,
    CHANGES,
    CUT,
    DEPTH,
    EAGER,
    EAGER_KEEP,
    EAGERNESS,
    FAILS,
    FIRST_LEG,
    INFORMED,
    INFORMED_TRADE,
    LEGS,
    LIQUIDITY,
    MAX_EVENTS,
    MAX_FEE,
    MISS,
    NATIVE_PRICE,
    NOISE_TRADE,
    OFFER,
    ON,
    OUR_TRADE,
    PAID_GWEI,
    PROFIT,
    QUOTE,
    REVERT_PART,
    REVERTED,
    REVERTS,
    RIVAL_TRADE,
    ROOT,
    SENT,
    SPREAD,
    STATUS,
    SUCCEEDED,
    UNITS,
    V3,
)
from arbml.collectors.simulator.world.kernels.compiled import inner
from arbml.collectors.simulator.world.kernels.draws import CHAIN_PLACE, POOL_PLACE, PROVIDER_PLACE, normal, unit
from arbml.collectors.simulator.world.kernels.people import gains, informed_root, rivals, traders
from arbml.collectors.simulator.world.kernels.swaps import needed, provide, swap
from arbml.collectors.simulator.world.kernels.weather import fee_market


@inner
def _cycle(rules, state, legs, pools, sides, amount, least):
    """Trade a route if it pays more than `least` beyond what goes in, in its token; return what it pays beyond that."""
    out = amount
    for i in range(legs):
        out = swap(rules, state, pools[i], out, sides[i] == 1, False)
    if out - amount > least:
        out = amount
        for i in range(legs):
            out = swap(rules, state, pools[i], out, sides[i] == 1, True)
    return out - amount


@inner
def _ours(rules, state, attempt, answer, fee):
    """Our attempt, at its place in the block: it succeeds if it still pays after gas and bid, or reverts and pays for gas."""
    legs = int(attempt[LEGS])
    pools, sides = np.empty(4, np.int64), np.empty(4, np.int64)
    for i in range(legs):
        pools[i], sides[i] = int(attempt[FIRST_LEG + 2 * i]), int(attempt[FIRST_LEG + 2 * i + 1])
    gwei = fee + attempt[OFFER]
    gas = 1e-9 * gwei * attempt[UNITS] * attempt[NATIVE_PRICE]
    net = _cycle(rules, state, legs, pools, sides, attempt[AMOUNT], gas) - gas
    answer[PAID_GWEI] = gwei
    if net > 0.0:
        answer[STATUS], answer[PROFIT] = SUCCEEDED, net
    else:
        answer[STATUS], answer[PROFIT] = REVERTS, -attempt[REVERT_PART] * gas


@inner
def _include(rules, state, c, fee, key, second, e, kind, who, size, amounts, attempt, answer):
    """Let one transaction happen."""
    if kind[e] == NOISE_TRADE:
        p, buys = who[e], size[e] > 0.0
        token = int(rules.pool[p, QUOTE] if buys else rules.pool[p, BASE])
        swap(rules, state, p, abs(size[e]) / math.exp(state.token[token]), buys, True)
    elif kind[e] == INFORMED_TRADE:
        p, target = who[e], informed_root(rules, state, who[e])
        if target > 0.0 and (target > state.pool[p, ROOT]) == (size[e] > 0.0):
            swap(rules, state, p, needed(rules, state, p, target), size[e] > 0.0, True)
            state.chain[c, INFORMED] += 1.0
    elif kind[e] == RIVAL_TRADE:
        route = rules.route[who[e]]
        state.chain[c, SENT] += 1.0
        if _cycle(rules, state, route[1], route[2::2], route[3::2], size[e] * amounts[who[e]], 0.0) <= 0.0:
            state.chain[c, REVERTED] += 1.0
    else:
        _ours(rules, state, attempt, answer, fee)


@inner
def _providers(rules, state, c, key, second):
    """Liquidity comes, goes and moves."""
    w = rules.weather
    for p in range(len(rules.pool)):
        place = POOL_PLACE + 24 * p + 16
        if rules.pool[p, CHAIN] != c or unit(key, second, place + 6) >= w[CHANGES] * rules.chain[c, BLOCK_S]:
            continue
        if rules.pool[p, V3] > 0.0:
            i = 1 + int(unit(key, second, place + 7) * (state.position.shape[1] - 1))
            provide(rules, state, p, i, key, second, PROVIDER_PLACE + 8 * p)
        else:
            z = normal(key, second, PROVIDER_PLACE + 8 * p)
            change = 0.5 * (w[SPREAD] * (z - 0.5 * (state.mood[0] + state.mood[1])) - state.pool[p, DEPTH])
            state.pool[p, DEPTH] += change
            state.pool[p, LIQUIDITY] *= math.exp(change)


@inner
def make_block(rules, state, c, key, second, attempt, answer):
    """One block of a chain."""
    eager, noise = rules.chain[c, EAGER_KEEP], rules.weather[EAGERNESS]
    z = normal(key, second, CHAIN_PLACE + 16 * c + 6)
    state.chain[c, EAGER] = eager * state.chain[c, EAGER] + noise * math.sqrt(1.0 - eager * eager) * z
    fee = fee_market(rules, state, c, key, second)
    pays, amounts = np.zeros(len(rules.start)), np.zeros(len(rules.start))
    kind, who = np.empty(MAX_EVENTS, np.int64), np.empty(MAX_EVENTS, np.int64)
    size, tip = np.empty(MAX_EVENTS), np.empty(MAX_EVENTS)
    gains(rules, state, c, fee, pays, amounts)
    n = traders(rules, state, c, fee, key, second, kind, who, size, tip, 0)
    n = rivals(rules, state, c, fee, key, second, pays, kind, who, size, tip, n)
    if attempt[AT] == second and attempt[ON] == c:
        missed = unit(key, second, CHAIN_PLACE + 16 * c + 8) < rules.chain[c, MISS]
        if missed or fee + attempt[OFFER] > attempt[MAX_FEE] or attempt[OFFER] < state.chain[c, CUT]:
            answer[STATUS], answer[PROFIT], answer[PAID_GWEI] = FAILS, 0.0, 0.0
        else:
            kind[n], who[n], size[n], tip[n] = OUR_TRADE, 0, 0.0, attempt[OFFER]
            n += 1
    done = np.zeros(n, np.bool_)
    for _ in range(n):  # the highest tip first
        first = -1
        for e in range(n):
            if not done[e] and (first < 0 or tip[e] > tip[first]):
                first = e
        done[first] = True
        if tip[first] >= state.chain[c, CUT] or kind[first] == OUR_TRADE:
            _include(rules, state, c, fee, key, second, first, kind, who, size, amounts, attempt, answer)
    _providers(rules, state, c, key, second)
