"""The cycles that gain at the margin, kept up to date as pools change, and the best routes among them."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from arbml.config import CostsConfig
from arbml.market.cycles import kernels
from arbml.market.cycles.graph import Graph
from arbml.market.cycles.states import States

Floats = npt.NDArray[np.float64]
SmallInts = npt.NDArray[np.int32]
AMOUNTS = slice(kernels.FIXED, kernels.CAP + 1)  # rows of the token table on which profit before gas depends


class Ranked(NamedTuple):
    """A route: a cycle begun at its leg number `first`, and its net profit in the quote, to the rounding of the kernels."""

    cycle: int
    first: int
    net: float


class Gainers:
    """Cycles whose rates multiply to more than one, and what each earns before gas.

    Args:
        graph, states: of the pools.
    """

    def __init__(self, graph: Graph, states: States) -> None:
        self._graph, self._states = graph, states
        self._place: SmallInts = np.full(len(graph.legs), -1, np.int32)
        self._active: SmallInts = np.empty(0, np.int32)
        self._profit: Floats = np.empty((0, kernels.MAX_LEGS))
        self._n = 0
        self._token: Floats | None = None

    def __len__(self) -> int:
        return self._n

    def settle(self, changed: Collection[int], token: Floats) -> None:
        """Look again at the cycles through the changed pools; at all of them the first time.

        Args:
            changed: numbers of pools.
            token: table of `StartTokens`; where its amounts differ from the last ones, all cycles that gain are priced again.
        """
        graph = self._graph
        starts = graph.index_starts
        amounts_moved = self._token is None or not np.array_equal(self._token[AMOUNTS], token[AMOUNTS])
        if self._token is None or sum(int(starts[p + 1] - starts[p]) for p in changed) > len(graph.legs):
            self._look_again(np.arange(len(graph.legs), dtype=np.int32), token)
        else:
            for pool in changed:
                self._look_again(graph.index[starts[pool] : starts[pool + 1]], token)
        if amounts_moved and self._token is not None:
            states = self._states
            kernels.price_all(
                self._n, graph.legs, graph.src, states.edge, states.span, states.ranges, token, self._active, self._profit
            )
        self._token = token

    def _look_again(self, cycles: SmallInts, token: Floats) -> None:
        room = min(self._n + len(cycles), len(self._place))
        if room > len(self._active):
            size = min(2 * room, len(self._place))
            active, profit = np.empty(size, np.int32), np.empty((size, kernels.MAX_LEGS))
            active[: self._n], profit[: self._n] = self._active[: self._n], self._profit[: self._n]
            self._active, self._profit = active, profit
        graph, states = self._graph, self._states
        self._n = int(kernels.look_again(
            cycles, self._n, graph.legs, graph.src, states.edge, states.span, states.ranges, token, self._place, self._active,
            self._profit,
        ))

    def best(self, token: Floats, costs: CostsConfig, oldest_ms: int, limit: int) -> tuple[list[Ranked], int | None]:
        """Return (routes, unknown): the best routes, highest net profit first.

        Args:
            token: as settled.
            oldest_ms: event time, UTC ms, before which a state is too old.
            limit: how many at most.

        Returns:
            `unknown` is the number of a start token of a route whose prices are NaN, or None; with one there are no routes.
        """
        limit = min(limit, max(1, kernels.MAX_LEGS * self._n))
        out, nets = np.empty((limit, 2), np.int32), np.empty(limit)
        graph, states = self._graph, self._states
        n = int(kernels.best_routes(
            self._n, graph.legs, graph.src, states.edge, token, states.ts_ms, states.gwei, costs.default_gas_price_gwei,
            costs.gas_units_base, costs.gas_units_per_leg, oldest_ms, self._active, self._profit, out, nets,
        ))
        if n < 0:
            return [], -1 - n
        return [Ranked(cycle, first, net) for (cycle, first), net in zip(out[:n].tolist(), nets[:n].tolist(), strict=True)], None

    def legs(self, route: Ranked) -> list[tuple[int, str]]:
        """Return the (pool number, side) of each leg of a route."""
        edges = [edge for edge in self._graph.legs[route.cycle].tolist() if edge < self._graph.src.size]
        return [(edge >> 1, "sell" if edge & 1 else "buy") for edge in edges[route.first :] + edges[: route.first]]
