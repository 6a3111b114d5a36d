"""What the kernels must know of the tokens in which routes may start: amounts, the price of gas, and worth."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from arbml.config import CostsConfig
from arbml.errors import ConfigError
from arbml.market.cycles import kernels
from arbml.market.cycles.graph import Graph
from arbml.market.native import exchange_rate, is_native, native_price_in
from arbml.market.types import Pool

Floats = npt.NDArray[np.float64]
Key = tuple[str, str]


class StartTokens:
    """Makes the token table of the kernels, of the states held now.

    Args:
        graph: whose tokens and pools are meant.
        costs: amounts, in `quote`; the gas token, and its price if configured.
        quote: None only if the graph is empty.
    """

    def __init__(self, graph: Graph, costs: CostsConfig, quote: str | None) -> None:
        self._graph, self._costs, self._quote = graph, costs, quote
        self._natives = [token for token in graph.tokens if is_native(token, costs)]
        self._between: dict[frozenset[str], list[Key]] = {}
        for key in graph.keys:
            self._between.setdefault(frozenset(key[1].split("/")), []).append(key)

    def table(self, wanted: Iterable[str], pools: Mapping[Key, Pool], start_amount: float | None) -> Floats:
        """Return the rows of `kernels` for all tokens; NaN where a price is unknown.

        Args:
            wanted: tokens of the graph in which routes may start.
            pools: states held; keys of the graph may be missing.
            start_amount: amount in, in the start token, or None for the best.
        """
        wanted = list(wanted)
        table = np.zeros((kernels.N_TOKEN, len(self._graph.tokens)))
        for name in wanted:
            near = self._near(name, pools)
            value = self._value(name, near)
            amounts = (0.0, self._costs.notional_quote / value, self._costs.max_amount_quote / value)
            if start_amount is not None:
                amounts = (start_amount, start_amount, math.inf)
                value = value if len(wanted) > 1 else 1.0  # nothing needs converting
            elif math.isnan(value):
                amounts = (0.0, 1.0, math.inf)  # found, so that `missing` can say what is not known
            table[:, self._graph.number[name]] = (*amounts, self._native(name, near), value)
        return table

    def missing(self, name: str, pools: Mapping[Key, Pool]) -> ConfigError:
        """Return the error that tells what is not known of a token whose row has a NaN."""
        try:
            native_price_in(name, self._near(name, pools), self._costs, self._quote)
        except ConfigError as error:
            return error
        return ConfigError(
            f"amounts in {self._quote} cannot be converted into {name}: no pool between them, nor over "
            f"{' or '.join(self._costs.native_symbols)}; collect one, or give start_amount and one token"
        )

    def _near(self, name: str, pools: Mapping[Key, Pool]) -> list[Pool]:
        """The pools between a token, the quote and the gas token."""
        ends = dict.fromkeys((name, *(() if self._quote is None else (self._quote,)), *self._natives))
        pairs = {frozenset((one, other)) for one in ends for other in ends if one != other}
        return [pools[key] for pair in sorted(pairs, key=sorted) for key in self._between.get(pair, ()) if key in pools]

    def _value(self, name: str, near: list[Pool]) -> float:
        """Price of the token in the quote, directly or over the gas token; NaN if unknown."""
        if self._quote is None or name == self._quote:
            return 1.0
        straight = exchange_rate(name, self._quote, near)
        if straight is not None:
            return straight
        for native in self._natives:
            there, on = exchange_rate(name, native, near), exchange_rate(native, self._quote, near)
            if there is not None and on is not None:
                return there * on
        return math.nan

    def _native(self, name: str, near: list[Pool]) -> float:
        try:
            return native_price_in(name, near, self._costs, self._quote)
        except ConfigError:
            return math.nan  # an error only if a route starts there
