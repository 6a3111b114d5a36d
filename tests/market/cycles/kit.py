"""Small random markets, and a slow finder that tries every cycle anew: the reference of the fast one."""

import math
from collections.abc import Iterable, Iterator, Sequence

from hypothesis import strategies as st

from arbml.config import CostsConfig
from arbml.market import Curve, Opportunity, Pool
from arbml.market.native import exchange_rate, native_price_of
from arbml.market.routes import Hop, optimal_amount, price_route

WORTH = {"USDC": 1.0, "WETH": 2_000.0, "DAI": 1.0, "WBTC": 60_000.0, "LINK": 20.0}
PAIRS = ("WETH/USDC", "WETH/DAI", "DAI/USDC", "WBTC/WETH", "LINK/WETH", "LINK/USDC", "USDC/WETH", "WBTC/USDC")
VENUES = ("a", "b", "c")


@st.composite
def pools(draw: st.DrawFn, ts_ms: int = 0, venue: str | None = None, pair: str | None = None) -> Pool:
    """A pool whose price is off by up to 2 %: with reserves, of unknown depth, or of v3 positions."""
    pair = draw(st.sampled_from(PAIRS)) if pair is None else pair
    venue = draw(st.sampled_from(VENUES)) if venue is None else venue
    base, _, quote = pair.partition("/")
    price = WORTH[base] / WORTH[quote] * draw(st.floats(0.98, 1.02))
    fee_bps, kind = draw(st.sampled_from((0.0, 1.0, 5.0, 30.0))), draw(st.sampled_from(("reserves", "reserves", "price", "curve")))
    gwei = draw(st.sampled_from((None, 0.0, 10.0, 35.0)))
    depth = draw(st.floats(1e4, 1e8)) / WORTH[quote] if kind == "reserves" else None
    return Pool(
        venue, pair, price, fee_bps, ts_ms, ts_ms, reserve_base=None if depth is None else depth / price, reserve_quote=depth,
        gas_price_gwei=gwei, curve=draw(curves(price, WORTH[quote])) if kind == "curve" else None,
    )


@st.composite
def curves(draw: st.DrawFn, price: float, worth: float) -> Curve:
    """One to three positions around a price."""
    root, net, active = math.sqrt(price), dict[float, float](), 0.0
    for _ in range(draw(st.integers(1, 3))):
        width, liquidity = draw(st.floats(1.0005, 1.03)), draw(st.floats(1e4, 1e7)) / worth / root
        net[root / width] = net.get(root / width, 0.0) + liquidity
        net[root * width] = net.get(root * width, 0.0) - liquidity
        active += liquidity
    ends = sorted(net)
    return Curve(active, tuple(ends), tuple(net[end] for end in ends))


def all_cycles(pools: Iterable[Pool], max_legs: int) -> Iterator[list[Hop]]:
    """Every simple cycle begun at every of its tokens: the obvious recursion."""
    edges = [Hop(pool, side) for pool in pools for side in ("buy", "sell")]

    def grow(path: list[Hop], seen: tuple[str, ...]) -> Iterator[list[Hop]]:
        for hop in edges:
            if hop.token_in != path[-1].token_out or any(hop.pool is one.pool for one in path):
                continue
            if hop.token_out == path[0].token_in:
                yield [*path, hop]
            elif hop.token_out not in seen and len(path) + 1 < max_legs:
                yield from grow([*path, hop], (*seen, hop.token_out))

    for hop in edges:
        yield from grow([hop], (hop.token_in, hop.token_out))


def brute_force(
    pools: Sequence[Pool], costs: CostsConfig, tokens: Sequence[str], max_legs: int, amount: float | None, quote: str, ts_ms: int
) -> list[Opportunity]:
    """All that gain after fees at the margin, best first by net profit in `quote`."""
    found = []
    for hops in all_cycles(pools, max_legs):
        token = hops[0].token_in
        margins = [next(hop.ranges(), None) for hop in hops]
        gain = sum(-math.inf if one is None else math.log(one.rate) for one in margins)
        if token not in tokens or not gain > 1e-12:
            continue
        worth = exchange_rate(token, quote, pools)
        assert worth is not None
        put_in = amount
        if put_in is None:
            known = all(hop.pool.has_reserves or hop.pool.curve is not None for hop in hops)
            cap = costs.max_amount_quote / worth
            put_in = min((optimal_amount(hops, cap) if known else 0.0) or costs.notional_quote / worth, cap)
        native = native_price_of(hops, pools, costs, quote)
        found.append((worth, price_route(hops, put_in, costs, ts_ms, native)))
    return [opportunity for _, opportunity in sorted(found, key=lambda one: -one[0] * one[1].net_profit)]
