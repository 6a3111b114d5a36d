"""All simple cycles of a graph of pools: compiled search, run once for each set of pools.

Pool p is two directed edges, 2p (buy: quote to base) and 2p + 1 (sell); the one is the other's bit 0 flipped. A directed
cycle is found once: from its token of the smallest number, through tokens of greater numbers only. numba looks at this file
alone to tell whether its cache is stale, so nothing compiled here depends on another file.
"""
# mypy: allow-untyped-defs

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

MAX_LEGS = 4


def _entry(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile for one signature; kept on disk between processes wherever a folder can be written."""

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return njit(signature, cache=True)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return njit(signature)(function)  # neither package nor user cache is writable: compile each time

    return compiled


@_entry("int64(int64, int64[::1], int32[::1], int32[::1], int64, int32[:, ::1])")
def cycles_of_length(length, starts, edges, dst, bound, out):
    """Find the cycles of exactly `length` edges; return how many, or any number above `bound` if there are more.

    Args:
        starts: (tokens + 1,) where the edges out of each token stand in `edges`, which has them by the token they lead to.
        dst: (all edges,) the token that each edge leads to.
        out: (n, 4), written; with n = 0 the cycles are only counted.
    """
    n_tokens, found, write = starts.size - 1, 0, out.shape[0] > 0
    first, last = np.zeros(n_tokens, np.int64), np.zeros(n_tokens, np.int64)
    node, at, path = np.zeros(MAX_LEGS, np.int64), np.zeros(MAX_LEGS, np.int64), np.zeros(MAX_LEGS, np.int32)
    for origin in range(n_tokens):
        for i in range(starts[origin], starts[origin + 1]):  # edges to a token stand together; flipped they lead back
            token = dst[edges[i]]
            if last[token] == 0 or i == starts[origin] or dst[edges[i - 1]] != token:
                first[token] = i
            last[token] = i + 1
        depth, node[0], at[0] = 0, origin, starts[origin]
        while depth >= 0:
            if at[depth] == starts[node[depth] + 1]:
                depth -= 1
                continue
            edge = edges[at[depth]]
            at[depth] += 1
            token = dst[edge]
            seen = token <= origin
            for i in range(1, depth + 1):
                seen |= node[i] == token
            if seen:
                continue
            path[depth] = edge
            if depth < length - 2:
                depth += 1
                node[depth], at[depth] = token, starts[token]
                continue
            for i in range(first[token], last[token]):
                if length == 2 and edges[i] == edge:
                    continue  # there and back through the same pool
                if write:
                    out[found, : length - 1] = path[: length - 1]
                    out[found, length - 1] = edges[i] ^ 1
                found += 1
            if found > bound:
                return found
        for i in range(starts[origin], starts[origin + 1]):
            last[dst[edges[i]]] = 0
            first[dst[edges[i]]] = 0
    return found


@_entry("void(int32[:, ::1], int64, int64[::1], int32[::1])")
def index_by_pool(legs, n_pools, starts, index):
    """Write which cycles go through each pool, ascending.

    Args:
        legs: (cycles, 4) edges; 2 n_pools where a cycle has no more.
        starts: (n_pools + 1,) written: where the cycles of each pool stand in `index`.
        index: (legs of all cycles,) written.
    """
    starts[:] = 0
    for c in range(legs.shape[0]):
        for j in range(MAX_LEGS):
            if legs[c, j] < 2 * n_pools:
                starts[(legs[c, j] >> 1) + 1] += 1
    for p in range(n_pools):
        starts[p + 1] += starts[p]
    at = starts[:-1].copy()
    for c in range(legs.shape[0]):
        for j in range(MAX_LEGS):
            if legs[c, j] < 2 * n_pools:
                pool = legs[c, j] >> 1
                index[at[pool]] = c
                at[pool] += 1
