"""Prices a route of several legs or pairs by the mathematics that finds cycles for the bot. All money is in its start token."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from arbml.config import CostsConfig
from arbml.errors import ConfigError, InvalidRequest
from arbml.market import Opportunity, Pool, PoolBook
from arbml.market.native import exchange_rate, native_price_of, quote_token
from arbml.market.routes import Hop, optimal_amount, price_route
from arbml.serving.schemas import OpportunityRequest

T = TypeVar("T")


def price_cycle(
    request: OpportunityRequest, hops: Sequence[Hop], book: PoolBook, costs: CostsConfig, ts_ms: int, max_age_ms: int
) -> Opportunity:
    """Price the hops as they stand.

    Args:
        request: brings the amount and the price of the gas token, both in the start token, where it has them.
        hops: that make a route back to its first token.
        book: where other prices come from: of gas in the start token, and of the token that the costs section is in.
        costs: as in training.
        ts_ms: the moment of the decision, UTC ms.
        max_age_ms: states that are older give a price only where there is no newer one.

    Raises:
        InvalidRequest: if the price of gas or a size for the amount is neither given nor observed.
    """
    every = [*(hop.pool for hop in hops), *(pool for pair in book.pairs() for pool in book.pools(pair, now_ms=0))]
    fresh = [pool for pool in every if pool.ts_ms >= ts_ms - max_age_ms]
    quote = quote_token(every, costs)
    token = hops[0].token_in
    native_price = request.native_price_quote
    if native_price is None:
        native_price = _known("native_price_quote", lambda pools: native_price_of(hops, pools, costs, quote), fresh, every, token)
    amount = request.amount_in
    if amount is None:
        rate = _known("amount_in", lambda pools: _rate(quote or token, token, pools), fresh, every, token)
        amount = _best_amount(hops, costs, rate)
    return price_route(hops, amount, costs, ts_ms, native_price)


def _known(field: str, find: Callable[[Sequence[Pool]], T], fresh: Sequence[Pool], every: Sequence[Pool], token: str) -> T:
    """What `find` finds among fresh pools, else among all."""
    try:
        return find(fresh)
    except ConfigError:
        try:
            return find(every)
        except ConfigError as error:
            raise InvalidRequest(str(error), field, f"send {field}, in {token}") from None


def _rate(quote: str, token: str, pools: Sequence[Pool]) -> float:
    """The price of the quote, which the amounts of the costs section are in, in the start token."""
    rate = exchange_rate(quote, token, pools)
    if rate is None:
        raise ConfigError(f"no size is known for a route that starts in {token}: no pool between it and {quote}")
    return rate


def _best_amount(hops: Sequence[Hop], costs: CostsConfig, rate: float) -> float:
    """As the finder of two venues has it: the best amount where all depths are known and it gains, else the notional."""
    known = all(hop.pool.has_reserves or hop.pool.curve is not None for hop in hops)
    best = optimal_amount(hops, costs.max_amount_quote * rate) if known else 0.0
    return min(best or costs.notional_quote * rate, costs.max_amount_quote * rate)
