"""The states of the pools of a graph as the arrays that the kernels read."""

import math

import numpy as np
import numpy.typing as npt

from arbml.config import CostsConfig
from arbml.errors import DataError
from arbml.market.amm import keep_fraction, spot_price
from arbml.market.curve import Range, check_curve
from arbml.market.cycles import kernels
from arbml.market.cycles.graph import Graph
from arbml.market.native import is_native
from arbml.market.routes import Hop
from arbml.market.types import Pool

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SPARE = 2  # room for tick ranges beside those there are, so that a pool that gains some seldom moves


def check_pool(pool: Pool) -> None:
    """Refuse a state that is a mistake of whoever made it; a price or reserve that is not usable is not, see `usable`.

    Raises:
        DataError: for a pair that is not BASE/QUOTE of two tokens, a fee outside 0..10 000 bps, an impossible curve.
    """
    tokens = pool.pair.split("/")
    if len(tokens) != 2 or not all(tokens) or tokens[0] == tokens[1]:
        raise DataError(f"the pair '{pool.pair}' on {pool.venue} is not BASE/QUOTE of two tokens, e.g. WETH/USDC")
    try:
        keep_fraction(pool.fee_bps)
    except DataError as error:
        raise DataError(f"{pool.pair} on {pool.venue}: {error}") from None
    if pool.curve is not None:
        check_curve(pool.curve, f"{pool.pair} on {pool.venue}")
        if usable(pool):
            _check_ranges(pool)


def _check_ranges(pool: Pool) -> None:
    """Walk the curve in both directions, before anything is changed for it."""
    try:
        for side in ("buy", "sell"):
            for _ in Hop(pool, side).ranges():
                pass
    except (DataError, ZeroDivisionError) as error:
        raise DataError(f"the curve of {pool.pair} on {pool.venue} cannot be swapped on: {error}") from None


def usable(pool: Pool) -> bool:
    """Return whether swaps can be priced on a state: a positive price, and reserves that are unknown or positive.

    An empty pool is not one of unknown depth: it is left out.
    """
    reserves = (pool.reserve_base, pool.reserve_quote)
    if any(reserve is not None and not 0.0 < reserve < math.inf for reserve in reserves):
        return False
    return 0.0 < spot_price(pool) < math.inf


class States:
    """Arrays of the pools of a graph; their meaning is told in `kernels`.

    Args:
        graph: whose pools are held; all are out of use until they are written.
        costs: tells the gas token.
        quote: token that a configured price of the gas token is in.
    """

    def __init__(self, graph: Graph, costs: CostsConfig, quote: str | None) -> None:
        n = len(graph.keys)
        self.edge: Floats = np.zeros((kernels.N_EDGE, 2 * n + 1))
        self.edge[kernels.WEIGHT, :-1] = -np.inf
        self.edge[kernels.OWN] = np.nan
        self.span: Ints = np.zeros((2, 2 * n + 1), np.int64)
        self.ranges: Floats = np.zeros((16, 3))
        self.ts_ms: Ints = np.zeros(n, np.int64)
        self.gwei: Floats = np.full(n, np.nan)
        self._room: Ints = np.zeros(2 * n, np.int64)
        self._used = 0
        self._costs, self._quote = costs, quote

    def write(self, number: int, pool: Pool, *, fees_screened: bool) -> None:
        """Take in the state of the pool `number`.

        Args:
            fees_screened: whether the screen counts the rate after the fee, or before it.
        """
        self.drop(number)
        self.ts_ms[number] = pool.ts_ms
        self.gwei[number] = np.nan if pool.gas_price_gwei is None else pool.gas_price_gwei
        if not usable(pool):
            return
        price, keep = spot_price(pool), keep_fraction(pool.fee_bps)
        for side, edge in (("buy", 2 * number), ("sell", 2 * number + 1)):
            hop = Hop(pool, side)
            met = list(hop.ranges())
            if not met or not 0.0 < met[0].rate < math.inf or not math.isfinite(met[0].curvature):
                continue
            weight = math.log(met[0].rate) - (0.0 if fees_screened else math.log(keep))
            self.edge[: kernels.OWN, edge] = weight, met[0].rate, met[0].curvature
            if pool.curve is not None:
                self._write_ranges(edge, met)
            own = side == "buy" and is_native(hop.token_out, self._costs) and not is_native(hop.token_in, self._costs)
            if own and (self._costs.native_price_quote is None or hop.token_in != self._quote):
                self.edge[kernels.OWN, edge] = price

    def drop(self, number: int) -> None:
        """Take the pool `number` out of use: no cycle through it gains."""
        edges = slice(2 * number, 2 * number + 2)
        self.edge[:, edges] = 0.0
        self.edge[kernels.WEIGHT, edges] = -np.inf
        self.edge[kernels.OWN, edges] = np.nan
        self.span[1, edges] = self.span[0, edges]

    def _write_ranges(self, edge: int, met: list[Range]) -> None:
        n = len(met)
        if n > self._room[edge]:
            self._room[edge] = SPARE * n
            self.span[0, edge] = self._used
            self._used += SPARE * n
            if self._used > len(self.ranges):
                self.ranges = np.vstack([self.ranges, np.zeros((self._used, 3))])
        start = self.span[0, edge]
        self.ranges[start : start + n] = met
        self.span[1, edge] = start + n
