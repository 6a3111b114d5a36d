"""The benchmark of the cycle finder on a small market: it compares results before it reports, and fails where they differ."""

import pytest

from arbml.market.cycles import CycleFinder
from benchmarks import finder


def test_the_finder_and_its_peer_agree_on_a_small_market() -> None:
    figures = finder._market_figures(finder._pools(60), ticks=40, peer_ticks=40)
    assert [figure.name for figure in figures] == [
        f"60 pools, a tick of {pool}, {what}" for pool in ("any pool", "the hub pool") for what in ("median", "99th percentile")
    ]
    assert all(figure.value > 0 and figure.ratio and figure.unit == "us" for figure in figures)


def test_another_result_is_not_reported() -> None:
    class Blind(CycleFinder):
        def find(self, *arguments, **options):  # type: ignore[no-untyped-def]
            return super().find(*arguments, **options)[1:]

    pools = finder._pools(60)
    blind = Blind(finder.COSTS, quote=finder.START)
    for pool in pools:
        blind.update(pool)
    graph = finder.build_graph(pools, finder.START, 4, 10**6)
    peer = finder._Peer(graph, [blind.pools[key] for key in graph.keys])
    with pytest.raises((AssertionError, ValueError)):
        finder._timed(blind, peer, [(0, -0.01)], 1, 0)
