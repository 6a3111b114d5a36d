"""Prices between tokens: what gas costs, and what the amounts of the costs section are, in any start token.

The amounts of the costs section (`notional_quote`, `max_amount_quote`, `native_price_quote`) are in one token, the quote.
Routes that start in another token need them in that one. Prices are those of the deepest pool between two tokens.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from arbml.config import CostsConfig
from arbml.errors import ConfigError
from arbml.market import costs as gas
from arbml.market.amm import spot_price
from arbml.market.routes import Hop
from arbml.market.types import Pool


def is_native(token: str, costs: CostsConfig) -> bool:
    """Return whether `token` is what gas is paid in, or its wrapped form."""
    return token.upper() in costs.native_symbols


def quote_token(pools: Iterable[Pool], costs: CostsConfig) -> str | None:
    """Return the token that the amounts of the costs section are in: the one that most pools quote in.

    The gas token counts only if no pool quotes in another; of equally many, the first by name. None without pools.

    >>> quote_token([Pool("a", "WETH/USDC", 2000.0, 5.0, 0, 0), Pool("a", "LINK/WETH", 0.01, 5.0, 0, 0)], CostsConfig())
    'USDC'
    """
    counted = Counter(pool.pair.partition("/")[2] for pool in pools)
    return min(counted, key=lambda token: (is_native(token, costs), -counted[token], token), default=None)


def exchange_rate(token: str, unit: str, pools: Sequence[Pool]) -> float | None:
    """Return the price of one `token` in `unit`, of the deepest pool between the two; None if there is none.

    Deepest by the reserve on the `unit` side. Pools of unknown depth count only among themselves: the newest of them.

    >>> exchange_rate("USDC", "WETH", [Pool("a", "WETH/USDC", 2000.0, 5.0, 0, 0)])
    0.0005
    """
    if token == unit:
        return 1.0
    straight, inverse = f"{token}/{unit}", f"{unit}/{token}"
    between = [pool for pool in pools if pool.pair in (straight, inverse) and 0.0 < spot_price(pool) < math.inf]
    if not between:
        return None

    def depth(pool: Pool) -> tuple[float, int, str]:
        reserve = pool.reserve_quote if pool.pair == straight else pool.reserve_base
        return (reserve if pool.has_reserves and reserve is not None else 0.0, pool.ts_ms, pool.venue)

    best = max(between, key=depth)
    return spot_price(best) if best.pair == straight else 1.0 / spot_price(best)


def native_price_in(token: str, pools: Sequence[Pool], costs: CostsConfig, quote: str | None = None) -> float:
    """Return the price of the gas token in `token`.

    1 if `token` is the gas token; the configured price if `token` is the quote; else that of the deepest pool between the
    two; else the price in the quote, configured or of the deepest pool, converted by the deepest pool between quote and `token`.

    Args:
        token: e.g. the token that a route starts in.
        pools: where to look; states without a positive price are passed over.
        quote: the token that `native_price_quote` is in; without it, `quote_token` of the pools.

    Raises:
        ConfigError: if none of these is known.

    >>> native_price_in("DAI", [Pool("a", "WETH/DAI", 2001.0, 5.0, 0, 0)], CostsConfig())
    2001.0
    """
    if is_native(token, costs):
        return 1.0
    quote = quote or quote_token(pools, costs)
    if costs.native_price_quote is not None and token == quote:
        return costs.native_price_quote
    price = _deepest_native(token, pools, costs)
    if price is not None:
        return price
    in_quote = costs.native_price_quote or (_deepest_native(quote, pools, costs) if quote else None)
    in_token = exchange_rate(quote, token, pools) if quote else None
    if in_quote is not None and in_token is not None:
        return in_quote * in_token
    raise ConfigError(
        f"the gas cost of routes that start in {token} is unknown: no pool between {' or '.join(costs.native_symbols)} and it "
        f"(or {quote or 'the quote'}, and from there to it); collect one, or set ML_COSTS__NATIVE_PRICE_QUOTE to the price of the "
        f"gas token in {quote or token}"
    )


def _deepest_native(token: str, pools: Sequence[Pool], costs: CostsConfig) -> float | None:
    names = {name for pool in pools for name in pool.pair.split("/") if is_native(name, costs)}
    rates = (exchange_rate(name, token, pools) for name in sorted(names))
    return next((rate for rate in rates if rate is not None), None)


def native_price_of(hops: Sequence[Hop], pools: Sequence[Pool], costs: CostsConfig, quote: str | None = None) -> float:
    """Return the price of the gas token in the start token of a route.

    As `native_price_in`, but a route whose first swap buys the gas token pays gas at that swap's own price, as the finder of
    two venues has it, unless a price is configured.

    Raises:
        ConfigError: as `native_price_in`.
    """
    token, first = hops[0].token_in, hops[0]
    own = first.side == "buy" and is_native(first.token_out, costs) and not is_native(token, costs)
    if own and (costs.native_price_quote is None or token != (quote or quote_token(pools, costs))):
        return spot_price(first.pool)
    return native_price_in(token, pools, costs, quote)


def two_venue_price(hops: Sequence[Hop], pools: Sequence[Pool], costs: CostsConfig) -> float:
    """As `native_price_of`; for one pair bought and sold again first as the finder of two venues has it.

    Raises:
        ConfigError: as `native_price_in`.
    """
    one_pair = len({hop.pool.pair for hop in hops}) == 1 and hops[0].side == "buy"
    if one_pair:
        try:
            return gas.native_price(hops[0].pool.pair, spot_price(hops[0].pool), costs)
        except ConfigError:
            pass  # the pools may know what the pair does not
    return native_price_of(hops, pools, costs)
