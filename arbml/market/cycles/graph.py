"""Pools as a graph: tokens are nodes, each pool an edge in both directions, and all cycles listed once for a set of pools."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arbml.market.cycles.depth import deepest_first
from arbml.market.cycles.enumeration import MAX_LEGS, cycles_of_length, index_by_pool
from arbml.market.types import Pool

Ints = npt.NDArray[np.int64]
SmallInts = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is searched.

    Attributes:
        pools, tokens: in the graph.
        cycles: found of each number of legs.
        pools_used: of each number of legs, how many pools its cycles may use: all of them, or the deepest so many where
            the bound on the number of cycles did not allow more.
    """

    pools: int
    tokens: int
    cycles: dict[int, int]
    pools_used: dict[int, int]

    @property
    def complete(self) -> bool:
        """True if no cycle was left out."""
        return all(used == self.pools for used in self.pools_used.values())


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A set of pools and the simple directed cycles through them, each once.

    Attributes:
        keys: (venue, pair) of each pool, sorted, so that nothing depends on the order of arrival.
        tokens: names, those of the most pools first; number: their places.
        src: (2 pools,) token that each edge takes.
        legs: (cycles, 4) edges of each cycle from its token of the smallest number, the shortest cycles first; the number
            2 pools stands where a cycle has no more.
        index_starts, index: the cycles through each pool.
    """

    keys: tuple[tuple[str, str], ...]
    tokens: tuple[str, ...]
    number: dict[str, int]
    src: SmallInts
    legs: SmallInts
    index_starts: Ints
    index: SmallInts
    coverage: Coverage


def build_graph(pools: Sequence[Pool], quote: str | None, max_legs: int, max_cycles: int) -> Graph:
    """List the cycles of 2 to `max_legs` legs through `pools`: no pool twice, no token twice, all on one chain.

    Hubs make cycles explode: where there are more than `max_cycles`, shorter ones go first, and those of the number of legs
    that does not fit are listed through as many of the deepest pools as fit.

    Args:
        pools: in any order, one for each venue and pair.
        quote: the token in which depths are compared.
    """
    pools = sorted(pools, key=lambda pool: (pool.venue, pool.pair))
    ends = [pool.pair.partition("/")[::2] for pool in pools]  # (base, quote)
    count = Counter(token for both in ends for token in both)
    tokens = tuple(sorted(count, key=lambda token: (-count[token], token)))
    number = {token: i for i, token in enumerate(tokens)}
    sides = np.array([[number[quote_], number[base]] for base, quote_ in ends], dtype=np.int32).reshape(-1, 2)
    src, dst = sides.ravel(), np.ascontiguousarray(sides[:, ::-1]).ravel()
    parts, used, left = list[SmallInts](), dict[int, int](), max_cycles
    order = np.arange(len(pools))
    for length in range(2, max_legs + 1):
        fits = _fitting(src, dst, len(tokens), length, order, left)
        if fits < len(pools):
            order = np.array(deepest_first(pools, quote), dtype=np.int64)
            fits = _fitting(src, dst, len(tokens), length, order, left)
        used[length] = fits
        parts.append(_on_one_chain(_listed(src, dst, len(tokens), length, order[:fits]), pools))
        left -= len(parts[-1])
    legs = np.ascontiguousarray(np.concatenate(parts))
    starts, index = np.empty(len(pools) + 1, np.int64), np.empty(int((legs < src.size).sum()), np.int32)
    index_by_pool(legs, len(pools), starts, index)
    cycles = {length: len(part) for length, part in enumerate(parts, start=2)}
    coverage = Coverage(len(pools), len(tokens), cycles, used)
    return Graph(tuple((pool.venue, pool.pair) for pool in pools), tokens, number, src, legs, starts, index, coverage)


def _fitting(src: SmallInts, dst: SmallInts, n_tokens: int, length: int, order: Ints, bound: int) -> int:
    """How many of the first pools of `order` have at most `bound` cycles of this length: all, or found by halving."""
    fits, too_many = 0, len(order) + 1
    trial = len(order)
    while fits + 1 < too_many:
        nothing = np.empty((0, MAX_LEGS), np.int32)
        starts, edges = _out_edges(src, dst, n_tokens, order[:trial])
        if cycles_of_length(length, starts, edges, dst, bound, nothing) <= bound:
            fits = trial
        else:
            too_many = trial
        trial = (fits + too_many) // 2
    return fits


def _listed(src: SmallInts, dst: SmallInts, n_tokens: int, length: int, chosen: Ints) -> SmallInts:
    starts, edges = _out_edges(src, dst, n_tokens, chosen)
    bound = np.iinfo(np.int64).max
    n = cycles_of_length(length, starts, edges, dst, bound, np.empty((0, MAX_LEGS), np.int32))
    out = np.full((n, MAX_LEGS), src.size, np.int32)
    if n:
        cycles_of_length(length, starts, edges, dst, bound, out)
    return out


def _on_one_chain(legs: SmallInts, pools: Sequence[Pool]) -> SmallInts:
    """The cycles that one transaction can make; pools of an unknown chain go with all."""
    known = {chain: i for i, chain in enumerate(sorted({pool.chain_id for pool in pools if pool.chain_id is not None}))}
    if len(known) < 2 or not len(legs):
        return legs
    # the place after the last pool is for the legs that are not there
    chain_of = np.array([*(-1 if pool.chain_id is None else known[pool.chain_id] for pool in pools), -1])[legs >> 1]
    highest, lowest = chain_of.max(axis=1), np.where(chain_of < 0, len(known), chain_of).min(axis=1)
    return np.ascontiguousarray(legs[(highest == lowest) | (highest < 0)])


def _out_edges(src: SmallInts, dst: SmallInts, n_tokens: int, chosen: Ints) -> tuple[Ints, SmallInts]:
    """The edges of the chosen pools by the token they leave, then by the one they lead to."""
    edges = np.sort(np.concatenate([2 * chosen, 2 * chosen + 1])).astype(np.int32)
    edges = edges[np.lexsort((edges >> 1, dst[edges], src[edges]))]
    return np.searchsorted(src[edges], np.arange(n_tokens + 1)).astype(np.int64), edges
