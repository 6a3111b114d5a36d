"""The cycle finder after one tick, beside networkx' cycle search with scipy's optimiser; results are compared before the clock starts."""

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import networkx as nx
import numpy as np
from scipy.optimize import minimize_scalar

from arbml.clock import stopwatch_s
from arbml.config import CostsConfig
from arbml.market import Hop, Opportunity, Pool, optimal_amount, price_route, route_amount_out, spot_price
from arbml.market.cycles import CycleFinder
from arbml.market.cycles.graph import Graph, build_graph
from benchmarks.figures import Figure, median_seconds

COSTS = CostsConfig(native_price_quote=2_000.0)
START = "USDC"
PEER = "networkx + numpy + scipy"
LIMIT = 10
NOISE = 4e-4  # standard deviation of a pool's log price around the token's worth
GWEI = 1.0    # a layer 2: at this gas some routes pay
WORTH = {"WETH": 2_000.0, "USDC": 1.0, "USDT": 1.0, "DAI": 1.0, "WBTC": 60_000.0}
VENUES = (("uniswap_v3_1bps", 1), ("uniswap_v3_5bps", 5), ("uniswap_v3_30bps", 30), ("uniswap_v2", 30), ("sushiswap", 30), ("curve", 4),
          ("balancer", 10), ("pancakeswap", 25))
HUBS = ("WETH/USDC", "WETH/USDT", "WETH/DAI", "WBTC/WETH", "WBTC/USDC", "WBTC/USDT", "USDT/USDC", "DAI/USDC", "DAI/USDT")
TAIL = (("WETH", 1.9), ("USDC", 0.5), ("USDT", 0.15), ("DAI", 0.05), ("WBTC", 0.05))  # pools of a small token with each hub, on average


def run(ticks: int = 2_000, peer_ticks: int = 60) -> list[Figure]:
    """Measure markets of 200 and 2,000 pools, `ticks` ticks each, of which the peer sees the first `peer_ticks`."""
    figures = []
    for size in (200, 2_000):
        figures += _market_figures(_pools(size), ticks, peer_ticks)
    return [*figures, *_listing(_pools(200), _pools(2_000)), _amount()]


def _market_figures(pools: Sequence[Pool], ticks: int, peer_ticks: int) -> list[Figure]:
    """Times of a tick of any pool, and of the pool with the most cycles."""
    finder = CycleFinder(COSTS, quote=START)
    for pool in pools:
        finder.update(pool)
    finder.find([START], 0)
    graph = build_graph(pools, START, 4, 10**7)
    peer = _Peer(graph, [finder.pools[key] for key in graph.keys])
    hub = int(np.argmax(np.diff(graph.index_starts)))
    rng = np.random.default_rng(1)
    gaps = rng.normal(0, NOISE, (2, ticks)).tolist()
    anywhere = list(zip(rng.integers(len(pools), size=ticks).tolist(), gaps[0], strict=True))
    at_hub = [(hub, gap) for gap in gaps[1]]
    through = np.diff(graph.index_starts)
    size = f"{len(pools):,} pools of {len(graph.tokens):,} tokens, {len(graph.legs):,} cycles of 2 to 4 legs"
    meets = {"any pool": f"{np.median(through):,.0f} (median)", "the hub pool": f"{through[hub]:,}"}
    figures = []
    for name, moves, start_ms in (("any pool", anywhere, 0), ("the hub pool", at_hub, ticks)):
        ours, theirs = _timed(finder, peer, moves, peer_ticks, start_ms)
        note = f"{size}, {meets[name]} through the pool; {ticks:,} ticks, update and best {LIMIT} routes; peer {len(theirs)} ticks"
        for what, q in (("median", 50), ("99th percentile", 99)):
            value, peer_value = float(np.percentile(ours, q)), float(np.percentile(theirs, q))
            figures.append(Figure(f"{len(pools):,} pools, a tick of {name}, {what}", value, "us", PEER, peer_value, note))
    return figures


def _timed(
    finder: CycleFinder, peer: "_Peer", ticks: Sequence[tuple[int, float]], peer_ticks: int, start_ms: int
) -> tuple[list[float], list[float]]:
    """Microseconds of each tick; the best net profits of both are compared after each tick that both see."""
    ours, theirs = [], []
    for i, (number, gap) in enumerate(ticks):
        now_ms = start_ms + i
        state = _moved(peer.base[number], gap, now_ms)
        start = stopwatch_s()
        finder.update(state)
        found = finder.find([START], now_ms, limit=LIMIT)
        ours.append(1e6 * (stopwatch_s() - start))
        if i < peer_ticks:
            start = stopwatch_s()
            known = peer.tick(number, state)
            theirs.append(1e6 * (stopwatch_s() - start))
            nets, peers = ([one.net_profit for one in routes] for routes in (found, known))
            assert np.allclose(nets, peers, rtol=1e-6, atol=1e-6), (nets, peers)
        else:
            peer.state(number, state)
    peer.settle()
    return ours, theirs


@dataclass
class _Peer:
    """What one would write with libraries: networkx' cycles, their log rates summed by numpy, amounts found by scipy.

    It too looks only at the cycles through the pool that moved.
    """

    graph: Graph
    pools: list[Pool]
    base: list[Pool] = field(init=False)
    weight: np.ndarray = field(init=False)
    best: dict[int, tuple[float, float, list[Hop]]] = field(default_factory=dict)  # by cycle: net profit, amount in, route

    def __post_init__(self) -> None:
        self.base = list(self.pools)
        self.weight = np.zeros(2 * len(self.pools) + 1)
        self.starts_at = [  # the place of START in each cycle, or -1
            next((j for j, leg in enumerate(legs) if leg < self.graph.src.size and self.graph.tokens[self.graph.src[leg]] == START), -1)
            for legs in self.graph.legs.tolist()
        ]
        for number, pool in enumerate(self.pools):
            self.state(number, pool)
        self.settle()

    def state(self, number: int, pool: Pool) -> None:
        self.pools[number] = pool
        keep, price = math.log1p(-pool.fee_bps / 1e4), math.log(spot_price(pool))
        self.weight[2 * number], self.weight[2 * number + 1] = keep - price, keep + price

    def settle(self) -> None:
        """Price everything."""
        self.best = {}
        self._price(np.arange(len(self.graph.legs)))

    def tick(self, number: int, pool: Pool) -> list[Opportunity]:
        """Take in a state; return the best routes, as the finder does."""
        self.state(number, pool)
        self._price(self.graph.index[self.graph.index_starts[number] : self.graph.index_starts[number + 1]])
        chosen = heapq.nlargest(LIMIT, self.best.values(), key=lambda one: one[0])
        return [price_route(hops, amount, COSTS, pool.ts_ms, 2_000.0) for _, amount, hops in chosen]

    def _price(self, cycles: np.ndarray) -> None:
        gains = self.weight[self.graph.legs[cycles]].sum(axis=1) > 1e-12
        for cycle in cycles[~gains].tolist():
            self.best.pop(cycle, None)
        for cycle in cycles[gains].tolist():
            at = self.starts_at[cycle]
            if at >= 0:
                legs = [leg for leg in self.graph.legs[cycle].tolist() if leg < self.graph.src.size]
                hops = [Hop(self.pools[leg >> 1], "sell" if leg & 1 else "buy") for leg in legs[at:] + legs[:at]]
                gas = (COSTS.gas_units_base + len(hops) * COSTS.gas_units_per_leg) * GWEI * 1e-9 * 2_000.0
                found = _searched(hops)
                self.best[cycle] = (-found.fun - gas, found.x, hops)


def _searched(hops: Sequence[Hop]) -> "_Found":
    """scipy's best amount up to the cap: bounded around the scale of the pools, as the profit is flat far from its top."""
    high = COSTS.max_amount_quote
    while True:
        options = {"xatol": 1e-7 * high}
        found = minimize_scalar(lambda x: x - route_amount_out(hops, x), bounds=(0.0, high), method="bounded", options=options)
        if found.x > 0.01 * high or high < 1e-6:
            return _Found(float(found.x), float(found.fun))
        high *= 0.05


@dataclass(frozen=True)
class _Found:
    x: float
    fun: float


def _listing(small: Sequence[Pool], large: Sequence[Pool]) -> list[Figure]:
    """Time to list the cycles of a new set of pools."""
    n, many = (len(build_graph(pools, START, 4, 10**7).legs) for pools in (small, large))
    assert _nx_count(small) == n
    ours, peer = median_seconds(1, lambda: build_graph(small, START, 4, 10**7), lambda: _nx_count(small))
    (alone,) = median_seconds(3, lambda: build_graph(large, START, 4, 10**7))
    note = f"{n:,} cycles; once for a set of pools"
    return [
        Figure("cycles of 200 pools listed", 1e3 * ours, "ms", "networkx simple_cycles", 1e3 * peer, note),
        Figure("cycles of 2,000 pools listed", 1e3 * alone, "ms", note=f"{many:,} cycles; the peer would take minutes"),
    ]


def _nx_count(pools: Sequence[Pool]) -> int:
    """Cycles that networkx finds, with a node for each direction of each pool, as its multigraphs name no edges."""
    graph = nx.DiGraph()
    for number, pool in enumerate(pools):
        base, _, quote = pool.pair.partition("/")
        for edge, into, out in ((2 * number, quote, base), (2 * number + 1, base, quote)):
            graph.add_edge(into, edge)
            graph.add_edge(edge, out)
    found = 0
    for nodes in nx.simple_cycles(graph, length_bound=8):
        edges = [node >> 1 for node in nodes if isinstance(node, int)]
        found += len(set(edges)) == len(edges)
    return found


def _amount() -> Figure:
    """The best amount of a triangle: closed form in Python, and scipy's search for it."""
    pools = {f"{pool.venue} {pool.pair}": pool for pool in _pools(200)}
    hops = [Hop(_moved(pools["uniswap_v3_5bps WETH/USDC"], -5e-3, 0), "buy"), Hop(pools["uniswap_v3_5bps WETH/USDT"], "sell"),
            Hop(pools["uniswap_v3_1bps USDT/USDC"], "sell")]
    ours, peer = optimal_amount(hops, COSTS.max_amount_quote), _searched(hops).x
    assert ours > 0.0
    assert math.isclose(ours, peer, rel_tol=1e-3), (ours, peer)
    times = 500
    seconds, peer_s = median_seconds(
        5, lambda: [optimal_amount(hops) for _ in range(times)], lambda: [_searched(hops) for _ in range(times)]
    )
    note = "one route, both called from Python"
    return Figure("best amount of a triangle", 1e6 * seconds / times, "us", "scipy minimize_scalar", 1e6 * peer_s / times, note)


def _moved(pool: Pool, gap: float, ts_ms: int) -> Pool:
    assert pool.reserve_quote is not None
    return replace(pool, ts_ms=ts_ms, price=pool.price * math.exp(gap), reserve_quote=pool.reserve_quote * math.exp(gap))


def _pools(size: int) -> list[Pool]:
    """A market with five hubs: pools between them on four (of 2,000: eight) venues, and small tokens traded against them."""
    return list(_drawn(size, np.random.default_rng(0)))


def _drawn(size: int, rng: np.random.Generator) -> Iterator[Pool]:
    worth, n = dict(WORTH), 0

    def drawn(venue: str, fee_bps: int, pair: str, depth_usd: float) -> Pool:
        base, _, quote = pair.partition("/")
        price, depth = worth[base] / worth[quote] * math.exp(rng.normal(0, NOISE)), depth_usd / worth[quote]
        return Pool(venue, pair, price, fee_bps, 0, 0, reserve_base=depth / price, reserve_quote=depth, gas_price_gwei=GWEI)

    for pair in HUBS:
        for venue, fee_bps in VENUES[: 4 if size <= 200 else 8]:
            n += 1
            yield drawn(venue, fee_bps, pair, 10 ** rng.uniform(5.5, 8))
    for token in (f"T{i}" for i in range(size)):
        worth[token] = 10 ** rng.uniform(-3, 2)
        for hub, mean in TAIL:
            for at in rng.permutation(len(VENUES) - 2)[: min(rng.poisson(mean), 4)]:
                if n == size:
                    return
                n += 1
                yield drawn(*VENUES[at + 2], f"{token}/{hub}", 10 ** rng.uniform(4, 6.5))
