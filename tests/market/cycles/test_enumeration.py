"""The cycles of a graph against networkx' own search."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.market import Pool
from arbml.market.cycles.graph import Graph, build_graph

TOKENS = "ABCDEF"


def pool(venue: str, pair: str, depth: float = 1.0) -> Pool:
    return Pool(venue, pair, 1.0, 0.0, 0, 0, reserve_base=depth, reserve_quote=depth)


@st.composite
def graphs(draw: st.DrawFn) -> list[Pool]:
    ends = st.tuples(st.sampled_from("uvw"), st.sampled_from(TOKENS), st.sampled_from(TOKENS)).filter(lambda row: row[1] != row[2])
    rows = draw(st.lists(ends, max_size=16, unique=True))
    return [pool(venue, f"{base}/{quote}") for venue, base, quote in rows]


def from_networkx(pools: list[Pool], max_legs: int) -> set[tuple[str, ...]]:
    """A node for each token and for each direction of a pool, so that parallel pools are told apart."""
    graph = nx.DiGraph()
    for one in pools:
        base, quote = one.pair.split("/")
        for side, into, out in (("buy", quote, base), ("sell", base, quote)):
            edge = f"{one.venue} {one.pair} {side}"
            graph.add_edge(into, edge)
            graph.add_edge(edge, out)
    cycles = set()
    for nodes in nx.simple_cycles(graph, length_bound=2 * max_legs):
        edges = [node for node in nodes if node not in TOKENS]
        if len({edge.rsplit(" ", 1)[0] for edge in edges}) == len(edges):  # not there and back through one pool
            cycles.add(turned(edges))
    return cycles


def turned(edges: list[str]) -> tuple[str, ...]:
    """The cycle begun at its least edge."""
    least = edges.index(min(edges))
    return (*edges[least:], *edges[:least])


def named(graph: Graph) -> list[tuple[str, ...]]:
    cycles = []
    for legs in graph.legs.tolist():
        edges = [leg for leg in legs if leg < graph.src.size]
        cycles.append(turned([f"{' '.join(graph.keys[leg >> 1])} {'sell' if leg & 1 else 'buy'}" for leg in edges]))
    return cycles


@settings(deadline=None, max_examples=200)
@given(graphs(), st.integers(2, 4))
def test_the_cycles_are_those_of_networkx_each_once(pools: list[Pool], max_legs: int) -> None:
    graph = build_graph(pools, "A", max_legs, 10**6)
    found = named(graph)
    assert len(found) == len(set(found))
    assert set(found) == from_networkx(pools, max_legs)
    assert sum(graph.coverage.cycles.values()) == len(found)
    assert graph.coverage.complete


@settings(deadline=None, max_examples=50)
@given(graphs())
def test_the_index_names_the_cycles_through_each_pool(pools: list[Pool]) -> None:
    graph = build_graph(pools, "A", 4, 10**6)
    for number in range(len(graph.keys)):
        through = graph.index[graph.index_starts[number] : graph.index_starts[number + 1]].tolist()
        assert through == np.flatnonzero((graph.legs >> 1 == number).any(axis=1)).tolist()


@settings(deadline=None, max_examples=50)
@given(graphs(), st.randoms())
def test_the_order_of_arrival_changes_nothing(pools: list[Pool], random: st.DataObject) -> None:
    shuffled = list(pools)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = build_graph(pools, "A", 4, 10**6), build_graph(shuffled, "A", 4, 10**6)
    assert first.keys == second.keys
    assert np.array_equal(first.legs, second.legs)


def test_two_pools_of_one_pair_are_two_cycles() -> None:
    graph = build_graph([pool("u", "A/B"), pool("v", "A/B")], "B", 4, 100)
    assert sorted(named(graph)) == [("u A/B buy", "v A/B sell"), ("u A/B sell", "v A/B buy")]


def test_beyond_the_bound_the_deepest_pools_are_searched() -> None:
    pools = [pool(f"v{i}", pair, depth=1.0 + i) for i in range(6) for pair in ("A/B", "B/C", "C/A")]
    whole = build_graph(pools, "A", 3, 10**6)
    assert whole.coverage.cycles == {2: 3 * 6 * 5, 3: 2 * 6**3}
    pruned = build_graph(pools, "A", 3, 200)
    assert pruned.coverage.cycles == {2: 90, 3: 2 * 4 * 4 * 3}  # 110 left: 11 pools make 96 cycles, the 12th makes 128
    assert pruned.coverage.pools_used == {2: 18, 3: 11}
    assert not pruned.coverage.complete
    assert {legs for legs in named(pruned) if len(legs) == 3} < {legs for legs in named(whole) if len(legs) == 3}
    used = {leg >> 1 for legs in pruned.legs[90:].tolist() for leg in legs if leg < pruned.src.size}
    assert {pruned.keys[number][0] for number in used} == {"v2", "v3", "v4", "v5"}


@pytest.mark.parametrize("bound", [1, 3, 50])
def test_the_bound_holds_whatever_it_is(bound: int) -> None:
    pools = [pool(f"v{i}", pair) for i in range(4) for pair in ("A/B", "B/C", "C/A", "A/D", "D/B")]
    assert len(build_graph(pools, "A", 4, bound).legs) <= bound


def test_no_pools_no_cycles() -> None:
    graph = build_graph([], None, 4, 100)
    assert (graph.legs.shape, graph.tokens, graph.coverage.pools) == ((0, 4), (), 0)
