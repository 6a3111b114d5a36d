"""Arbitrage over cycles of pools: which round trips from a token back to it gain, after which costs, and with how much.

All cycles are listed once for a set of pools. A new state of a pool only touches the cycles through it: they are screened
by the sum of their log rates, and only those that gain at the margin are priced, in closed form or over the tick ranges of
v3 pools. Gas is taken off when the best are chosen, so its price may change at any time.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from arbml.config import CostsConfig
from arbml.errors import ConfigError, DataError
from arbml.market.cycles import kernels
from arbml.market.cycles.gainers import Gainers, Ranked
from arbml.market.cycles.graph import Coverage, Graph, build_graph
from arbml.market.cycles.states import States, check_pool
from arbml.market.cycles.tokens import Floats, Key, StartTokens
from arbml.market.native import quote_token
from arbml.market.routes import Hop, optimal_amount, price_route
from arbml.market.types import Opportunity, Pool

MAX_CYCLES = 2_000_000  # 36 bytes each, and 36 more while it gains
ALWAYS = np.iinfo(np.int64).min


class CycleFinder:
    """Finds cycles of 2 to 4 swaps that gain, over any number of venues and tokens.

    Not safe for threads. A state without a positive price, or with an empty reserve, takes its pool out of use until the next
    one. A pool of unknown depth (price and fee alone) moves no price; a route with such a pool takes `notional_quote`, as its
    best amount is unknown. No cycle goes over two chains; a token is told by its name, and has one worth on all chains.

    Args:
        costs: gas units and default gas price; amounts, which are in `quote`.
        max_legs: 2 to 4.
        quote: token that `notional_quote`, `max_amount_quote` and `native_price_quote` are in, converted for routes that start
            in another; without it, the one that most pools quote in, the gas token last.
        fees_screened: without it, cycles whose fees eat the edge are returned too, with their loss at `notional_quote`. Half
            of all cycles have such an edge: not for large graphs.
        max_cycles: bound on the cycles held; beyond it those of the most legs are searched in the deepest pools only, see
            `coverage`.

    Raises:
        ConfigError: for another number of legs, or no cycles.

    >>> finder = CycleFinder(CostsConfig())
    >>> for pool in (Pool("a", "WETH/USDC", 2000.0, 5.0, 0, 0, 500.0, 1e6), Pool("b", "WETH/DAI", 2040.0, 5.0, 0, 0, 500.0, 1.02e6),
    ...              Pool("c", "DAI/USDC", 1.0, 1.0, 0, 0, 5e6, 5e6)):
    ...     finder.update(pool)
    >>> best, = finder.find(["USDC"], ts_ms=0)
    >>> best.route.name, round(best.amount_in), round(best.net_profit, 2)
    ('buy:a WETH/USDC>sell:b WETH/DAI>sell:c DAI/USDC', 4266, 26.88)
    """

    def __init__(
        self, costs: CostsConfig, max_legs: int = kernels.MAX_LEGS, *, quote: str | None = None, fees_screened: bool = True,
        max_cycles: int = MAX_CYCLES,
    ) -> None:
        if not 2 <= max_legs <= kernels.MAX_LEGS or max_cycles < 1:
            raise ConfigError(f"max_legs {max_legs} must be 2 to {kernels.MAX_LEGS}, max_cycles {max_cycles} at least 1")
        self._costs, self._max_legs, self._max_cycles = costs, max_legs, max_cycles
        self._quote, self._fees_screened = quote, fees_screened
        self._pools: dict[Key, Pool] = {}
        self._searched: _Searched | None = None

    @property
    def pools(self) -> Mapping[Key, Pool]:
        """The states held, by (venue, pair)."""
        return MappingProxyType(self._pools)

    @property
    def quote(self) -> str | None:
        """The token that the amounts of the costs are in; None before the first pool."""
        return self._topology().quote

    @property
    def coverage(self) -> Coverage:
        """What is searched."""
        return self._topology().graph.coverage

    def update(self, pool: Pool) -> None:
        """Take in a pool, or its new state; one that happened before the state held is late and ignored.

        Costs microseconds: cycles are priced at the next `find`, and listed anew there if the pool is a new one.

        Raises:
            DataError: for a pair that is not BASE/QUOTE, a fee outside 0..10 000 bps, a curve that no pool can have.
        """
        key = (pool.venue, pool.pair)
        held = self._pools.get(key)
        if held is not None and pool.ts_ms < held.ts_ms:
            return
        check_pool(pool)
        self._pools[key] = pool
        if self._searched is not None and not self._searched.write(pool, self._fees_screened):
            self._searched = None  # a new pool

    def remove(self, venue: str, pair: str) -> None:
        """Forget a pool; nothing happens if it is not held."""
        if self._pools.pop((venue, pair), None) is not None and self._searched is not None:
            self._searched.drop((venue, pair))

    def find(
        self, tokens: Sequence[str], ts_ms: int, start_amount: float | None = None, limit: int = 10, max_age_ms: int | None = None
    ) -> list[Opportunity]:
        """Return the routes that start and end in one of `tokens` and gain at the margin, best net profit first.

        Each cycle comes once for each of the tokens that it passes. Net profit may be negative: gas, and with `start_amount`
        price impact, may take more than the edge. Profits in different tokens are compared at the price of the deepest pool.

        Args:
            tokens: e.g. ["USDC", "WETH"]; those that no pool trades are passed over.
            ts_ms: the moment of the decision, UTC ms.
            start_amount: put in, in the start token, whichever that is; without it the amount that earns most, at most
                `max_amount_quote`, or `notional_quote` where a depth on the way is unknown.
            limit: how many at most.
            max_age_ms: pools that changed longer ago are left out.

        Raises:
            DataError: if `start_amount` or `limit` is not positive, or `tokens` is a string.
            ConfigError: if there is a route whose gas or amounts cannot be converted into its start token.
        """
        if isinstance(tokens, str):
            raise DataError(f"tokens is the string '{tokens}'; give a list of names, e.g. ['{tokens}']")
        if start_amount is not None and not 0.0 < start_amount < math.inf:
            raise DataError(f"start_amount {start_amount!r} must be positive, in the start token")
        if limit < 1:
            raise DataError(f"limit {limit} must be at least 1")
        searched = self._topology()
        wanted = sorted({token for token in tokens if token in searched.graph.number})
        table = searched.tokens.table(wanted, self._pools, start_amount)
        searched.gainers.settle(searched.changed, table)
        searched.changed.clear()
        routes, unknown = searched.gainers.best(table, self._costs, ALWAYS if max_age_ms is None else ts_ms - max_age_ms, limit)
        if unknown is not None:
            raise searched.tokens.missing(searched.graph.tokens[unknown], self._pools)
        searched.answers = {route[:2]: self._answer(searched, route, table, ts_ms) for route in routes}
        found = [answer.opportunity for answer in searched.answers.values()]
        worth = {token: float(table[kernels.VALUE, searched.graph.number[token]]) for token in wanted}
        return sorted(found, key=lambda one: -one.net_profit * worth[one.token])  # the kernels' rounding may have swapped equals

    def _topology(self) -> "_Searched":
        """What is known of the pools held, listed anew if there is a new one."""
        if self._searched is None:
            quote = self._quote or quote_token(self._pools.values(), self._costs)
            graph = build_graph(list(self._pools.values()), quote, self._max_legs, self._max_cycles)
            self._searched = _Searched(graph, self._costs, quote)
            for pool in self._pools.values():
                self._searched.write(pool, self._fees_screened)
        return self._searched

    def _answer(self, searched: "_Searched", route: Ranked, table: Floats, ts_ms: int) -> "_Answer":
        """The route as an opportunity; that of the last time where nothing that it depends on has changed since."""
        legs, keys = searched.gainers.legs(route), searched.graph.keys
        hops = [Hop(self._pools[keys[number]], side) for number, side in legs]
        fixed, notional, cap, native, _ = table[:, searched.graph.number[hops[0].token_in]].tolist()
        own = float(searched.states.edge[kernels.OWN, 2 * legs[0][0] + (legs[0][1] == "sell")])
        terms = (fixed, notional, cap, native if math.isnan(own) else own)
        last = searched.answers.get(route[:2])
        if last is not None and last.terms == terms and all(a.pool is b.pool for a, b in zip(last.hops, hops, strict=True)):
            same = last.opportunity.ts_ms == ts_ms
            return last if same else last._replace(opportunity=replace(last.opportunity, ts_ms=ts_ms))
        amount = fixed
        if not fixed:
            known = all(hop.pool.has_reserves or hop.pool.curve is not None for hop in hops)
            amount = min((optimal_amount(hops, cap) if known else 0.0) or notional, cap)
        return _Answer(hops, terms, price_route(hops, amount, self._costs, ts_ms, terms[-1]))


class _Answer(NamedTuple):
    """An opportunity and what it depends on."""

    hops: list[Hop]
    terms: tuple[float, ...]  # amounts and the price of gas
    opportunity: Opportunity


class _Searched:
    """A set of pools, its cycles, and what is known of them."""

    def __init__(self, graph: Graph, costs: CostsConfig, quote: str | None) -> None:
        self.graph, self.quote = graph, quote
        self.number = {key: i for i, key in enumerate(graph.keys)}
        self.states = States(graph, costs, quote)
        self.tokens = StartTokens(graph, costs, quote)
        self.gainers = Gainers(graph, self.states)
        self.changed: set[int] = set()
        self.answers: dict[tuple[int, int], _Answer] = {}  # of the last find, by cycle and first leg

    def write(self, pool: Pool, fees_screened: bool) -> bool:
        """Take in a state; return False if its pool is not part of the graph."""
        number = self.number.get((pool.venue, pool.pair))
        if number is not None:
            self.states.write(number, pool, fees_screened=fees_screened)
            self.changed.add(number)
        return number is not None

    def drop(self, key: Key) -> None:
        """Take a pool out of use."""
        self.states.drop(self.number[key])
        self.changed.add(self.number[key])
