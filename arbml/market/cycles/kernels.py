"""The arithmetic of the cycle finder, compiled: which cycles gain, what each earns, and which earn most.

Swaps are the maps out(x) = rate x / (1 + curvature x) of `arbml.market.routes`, which is the reference for all of this. Each
sum is computed anew in a fixed order, never added to and taken from, so the state after any number of updates equals that
from scratch. numba looks at this file alone to tell whether its cache is stale: nothing here depends on another file.

Shared arguments:
    edge: (4, edges + 1) float64, rows WEIGHT, RATE, CURVATURE, OWN; the last column is the edge that is not there.
    span: (2, edges + 1) int64, first and last place of an edge's tick ranges in `ranges`; equal where it has no curve.
    ranges: (n, 3) float64, rate, curvature and capacity of each tick range, fee included.
    legs: (cycles, 4) int32, see `graph.Graph`. src: (edges,) int32, token that an edge takes.
    token: (5, tokens) float64, rows FIXED, NOTIONAL, CAP, NATIVE, VALUE; CAP is 0 for tokens in which no route starts.
    place: (cycles,) int32, slot of a cycle that gains, else -1. active: (slots,) int32, its inverse.
    profit: (slots, 4) float64, before gas, of the cycle begun at each of its legs; -inf where it may not begin.
"""
# mypy: allow-untyped-defs

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

MAX_LEGS = 4
WEIGHT, RATE, CURVATURE, OWN, N_EDGE = 0, 1, 2, 3, 4          # OWN: the price of gas that the edge itself states, or NaN
FIXED, NOTIONAL, CAP, NATIVE, VALUE, N_TOKEN = 0, 1, 2, 3, 4, 5  # FIXED: the amount in, or 0 for the best one
EDGE = 1e-12  # a gain of the log rate that is not more is rounding
GWEI = 1e-9

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": False}
_inner = njit(**_OPTIONS)


def _entry(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile for one signature; kept on disk between processes wherever a folder can be written."""

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return njit(signature, cache=True, **_OPTIONS)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return njit(signature, **_OPTIONS)(function)  # neither package nor user cache is writable: compile each time

    return compiled


@_inner
def _size(legs, c, none):
    """Number of legs of a cycle."""
    n = 2
    while n < MAX_LEGS and legs[c, n] != none:
        n += 1
    return n


@_inner
def _out(e, amount, edge, span, ranges):
    """What one swap pays; beyond its last tick range it takes no more."""
    if span[0, e] == span[1, e]:
        return edge[RATE, e] * amount / (1.0 + edge[CURVATURE, e] * amount)
    out = 0.0
    for r in range(span[0, e], span[1, e]):
        taken = min(amount, ranges[r, 2])
        out += ranges[r, 0] * taken / (1.0 + ranges[r, 1] * taken)
        amount -= taken
        if amount <= 0.0:
            break
    return out


@_inner
def _walk(route, n, cap, edge, span, ranges):
    """The best amount in, at most `cap`, of a route with curves: `arbml.market.routes.optimal_amount`."""
    rate, curvature, room = np.empty(MAX_LEGS), np.empty(MAX_LEGS), np.empty(MAX_LEGS)
    at = np.empty(MAX_LEGS, np.int64)
    for i in range(n):
        e = route[i]
        at[i] = span[0, e]
        curved = span[0, e] < span[1, e]
        rate[i] = ranges[at[i], 0] if curved else edge[RATE, e]
        curvature[i] = ranges[at[i], 1] if curved else edge[CURVATURE, e]
        room[i] = ranges[at[i], 2] if curved else np.inf
    amount = 0.0
    while True:
        a, b, end, which = 1.0, 0.0, np.inf, 0
        for i in range(n):
            if room[i] < np.inf and a > b * room[i]:
                needed = room[i] / (a - b * room[i])
                if needed < end:
                    end, which = needed, i
            b += a * curvature[i]
            a *= rate[i]
        if not a > 1.0:
            return amount
        best = (np.sqrt(a) - 1.0) / b if b > 0.0 else np.inf
        step = min(best, end, cap - amount)
        amount += step
        if step < end:
            return amount
        x = step
        for i in range(n):
            if i == which:
                x = room[i]
            shrunk = 1.0 + curvature[i] * x
            y = rate[i] * x / shrunk
            if i == which:
                at[i] += 1
                if at[i] == span[1, route[i]]:
                    return amount  # the liquidity has run out
                rate[i], curvature[i], room[i] = ranges[at[i], 0], ranges[at[i], 1], ranges[at[i], 2]
            else:
                rate[i] /= shrunk * shrunk
                curvature[i] /= shrunk
                room[i] = max(0.0, room[i] - x)
            x = y


@_inner
def _earned(route, n, start, edge, span, ranges, token):
    """Profit before gas of a route that starts in the token number `start`."""
    a, b, flat, curved = 1.0, 0.0, False, False
    for i in range(n):
        e = route[i]
        b += a * edge[CURVATURE, e]
        a *= edge[RATE, e]
        flat |= edge[CURVATURE, e] == 0.0
        curved |= span[0, e] < span[1, e]
    amount = token[FIXED, start]
    if not amount > 0.0:
        if not flat and a > 1.0:  # else the best amount is unknown
            amount = _walk(route, n, token[CAP, start], edge, span, ranges) if curved else (np.sqrt(a) - 1.0) / b
        if not amount > 0.0:
            amount = token[NOTIONAL, start]
        amount = min(amount, token[CAP, start])
    if not curved:
        earned = a * amount / (1.0 + b * amount) - amount
    else:
        out = amount
        for i in range(n):
            out = _out(route[i], out, edge, span, ranges)
        earned = out - amount
    return earned if np.isfinite(earned) else -np.inf


@_inner
def _price(slot, active, profit, legs, src, edge, span, ranges, token):
    c = active[slot]
    n = _size(legs, c, src.size)
    route = np.empty(MAX_LEGS, np.int32)
    for j in range(MAX_LEGS):
        profit[slot, j] = -np.inf
        if j < n and token[CAP, src[legs[c, j]]] > 0.0:
            for i in range(n):
                route[i] = legs[c, (j + i) % n]
            profit[slot, j] = _earned(route, n, src[legs[c, j]], edge, span, ranges, token)


@_entry(
    "int64(int32[::1], int64, int32[:, ::1], int32[::1], float64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1],"
    "int32[::1], int32[::1], float64[:, ::1])"
)
def look_again(cycles, n_active, legs, src, edge, span, ranges, token, place, active, profit):
    """Screen `cycles` again, and price those that gain at the margin; return how many are active now.

    A cycle gains if the weights of its edges, the logs of their rates, add up to more than EDGE. `active` has room for all.
    """
    for k in range(cycles.size):
        c = cycles[k]
        slot = place[c]
        if edge[WEIGHT, legs[c, 0]] + edge[WEIGHT, legs[c, 1]] + edge[WEIGHT, legs[c, 2]] + edge[WEIGHT, legs[c, 3]] > EDGE:
            if slot < 0:
                slot, n_active = n_active, n_active + 1
                place[c], active[slot] = slot, c
            _price(slot, active, profit, legs, src, edge, span, ranges, token)
        elif slot >= 0:
            n_active -= 1
            active[slot], place[c] = active[n_active], -1
            if slot < n_active:
                place[active[slot]] = slot
                profit[slot] = profit[n_active]
    return n_active


@_entry(
    "void(int64, int32[:, ::1], int32[::1], float64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], int32[::1],"
    "float64[:, ::1])"
)
def price_all(n_active, legs, src, edge, span, ranges, token, active, profit):
    """Price the active cycles again, for other start tokens or amounts."""
    for slot in range(n_active):
        _price(slot, active, profit, legs, src, edge, span, ranges, token)


@_inner
def _gas(c, j, n, legs, edge, native, ts, gwei, default_gwei, units):
    """Gas cost in the start token at the newest gas price that the pools of the cycle state (the higher of two as new)."""
    newest, price = np.int64(0), np.nan
    for i in range(n):
        p = legs[c, i] >> 1
        if gwei[p] == gwei[p] and (price != price or ts[p] > newest or (ts[p] == newest and gwei[p] > price)):
            newest, price = ts[p], gwei[p]
    if price != price:
        price = default_gwei
    own = edge[OWN, legs[c, j]]
    return units * price * GWEI * (native if own != own else own)


@_entry(
    "int64(int64, int32[:, ::1], int32[::1], float64[:, ::1], float64[:, ::1], int64[::1], float64[::1], float64, int64, int64,"
    "int64, int32[::1], float64[:, ::1], int32[:, ::1], float64[::1])"
)
def best_routes(n_active, legs, src, edge, token, ts, gwei, default_gwei, gas_base, gas_leg, oldest_ms, active, profit, out, nets):
    """Write the routes of the highest net profit, highest first; return how many, or -1 - the token whose prices are unknown.

    Profits of several start tokens are compared in one token, by VALUE. Of equals, the cycle listed first goes first.

    Args:
        ts, gwei: (pools,) event time and gas price, NaN where none is stated.
        oldest_ms: cycles through a pool that is older are passed over.
        out: (limit, 2) cycle and first leg, nets: (limit,): written.
    """
    n, limit = 0, nets.size
    for slot in range(n_active):
        c = active[slot]
        for j in range(MAX_LEGS):
            earned = profit[slot, j]
            if earned == -np.inf:
                continue
            start = src[legs[c, j]]
            if n == limit and earned * token[VALUE, start] < nets[n - 1]:
                continue  # gas can only take from it
            size, fresh = _size(legs, c, src.size), True
            for i in range(size):
                fresh &= ts[legs[c, i] >> 1] >= oldest_ms
            if not fresh:
                continue
            cost = _gas(c, j, size, legs, edge, token[NATIVE, start], ts, gwei, default_gwei, gas_base + size * gas_leg)
            net = (earned - cost) * token[VALUE, start]
            if net != net:
                return -1 - start
            at = n if n < limit else limit
            while at > 0 and (net > nets[at - 1] or (net == nets[at - 1] and (
                    c < out[at - 1, 0] or (c == out[at - 1, 0] and j < out[at - 1, 1])))):
                at -= 1
            if at == limit:
                continue
            n = min(n + 1, limit)
            for i in range(n - 1, at, -1):
                nets[i], out[i, 0], out[i, 1] = nets[i - 1], out[i - 1, 0], out[i - 1, 1]
            nets[at], out[at, 0], out[at, 1] = net, c, j
    return n
