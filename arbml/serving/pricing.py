"""From what the client says to a priced opportunity, by the same finder that labelled the training data.

The client's own idea of the profit is never asked for. What it does not say of a leg is the state of the last observed tick.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from arbml.config import CostsConfig, changed
from arbml.errors import ConfigError, InvalidRequest
from arbml.market import Leg, Opportunity, Pool, PoolBook, Route
from arbml.market.finder import find_opportunities, reprice
from arbml.market.routes import Hop
from arbml.serving.chain import chain, check_cycle, in_two_venues
from arbml.serving.cycle_pricing import price_cycle
from arbml.serving.leg_state import leg_pool, says_nothing
from arbml.serving.schemas import OpportunityRequest

MAX_AGE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Priced:
    """An opportunity and where its numbers come from.

    Attributes:
        opportunity: priced now.
        observed: states taken from ticks, whose age matters.
        gas_known: false if the gas price is the configured default.
    """

    opportunity: Opportunity
    observed: tuple[Pool, ...]
    gas_known: bool


def price(
    request: OpportunityRequest,
    observed: Mapping[str, Pool],
    costs: CostsConfig,
    ts_ms: int,
    book: PoolBook | None = None,
    max_age_ms: int = MAX_AGE_MS,
) -> Priced:
    """Price the route of a request.

    Args:
        request: checked by its schema.
        observed: last state of each venue for the request's pair.
        costs: as in training; the request may bring its own gas price and price of the gas token.
        ts_ms: the moment of the decision, UTC ms.
        book: last states of all pairs, for routes that leave the request's pair and for the price of gas in other tokens.
        max_age_ms: states of `book` that are older give the price of gas only where there is no newer one.

    Raises:
        InvalidRequest: if the legs make no route back to its first token, contradict themselves, or lack market state that
            was not observed either. A round trip on one venue is priced as the loss that it is.
    """
    swaps = chain(request)
    plain = in_two_venues(swaps)
    if not plain:
        check_cycle(swaps)
    book = book or PoolBook()
    known = [observed if swap.pair == request.pair else _observed(book, swap.pair) for swap in swaps]
    pools = [leg_pool(swap.leg, i, swap.pair, known[i], request.gas_price_gwei, ts_ms) for i, swap in enumerate(swaps)]
    taken = tuple(venues[swap.leg.venue] for swap, venues in zip(swaps, known, strict=True) if says_nothing(swap.leg))
    if plain and pools[0].venue == pools[1].venue and pools[0] != pools[1]:
        said = f"'{pools[1].venue}' has another state here than in legs[0]"
        raise InvalidRequest(said, "legs[1].venue", "one venue has one state; a round trip on it can only lose")
    if plain:
        if request.native_price_quote is not None:
            costs = changed(costs, native_price_quote=request.native_price_quote)
        opportunity = _priced(request, pools, costs, ts_ms)
    else:
        hops = [Hop(pool, swap.leg.side) for pool, swap in zip(pools, swaps, strict=True)]
        opportunity = price_cycle(request, hops, book, costs, ts_ms, max_age_ms)
    return Priced(opportunity, taken, any(pool.gas_price_gwei is not None for pool in pools))


def _observed(book: PoolBook, pair: str) -> dict[str, Pool]:
    """Last state of each venue of a pair, however old."""
    return {pool.venue: pool for pool in book.pools(pair, now_ms=0)}


def _priced(request: OpportunityRequest, pools: list[Pool], costs: CostsConfig, ts_ms: int) -> Opportunity:
    buy, sell = pools
    try:
        for found in find_opportunities(pools, costs, ts_ms, request.amount_in):
            if found.route.legs[0].venue == buy.venue:
                return found
        # No gross edge in this direction: still priced, so that the answer says how much it would lose.
        repriced = reprice(_without_edge(request, buy, sell, costs, ts_ms), pools, costs, ts_ms)
    except ConfigError as error:
        raise InvalidRequest(str(error), "native_price_quote", "send native_price_quote, the price of the gas token in quote") from None
    assert repriced is not None
    return repriced


def _without_edge(request: OpportunityRequest, buy: Pool, sell: Pool, costs: CostsConfig, ts_ms: int) -> Opportunity:
    """The route with an amount and nothing priced yet, for `reprice`."""
    amount = request.amount_in if request.amount_in is not None else min(costs.notional_quote, costs.max_amount_quote)
    legs = tuple(Leg(pool.venue, pool.pair, side, pool.fee_bps, 0.0, 0.0, pool.price) for pool, side in ((buy, "buy"), (sell, "sell")))
    return Opportunity(
        ts_ms=ts_ms, pair=request.pair, route=Route(legs), token=request.pair.partition("/")[2], amount_in=amount,
        gross_profit=0.0, fee_cost=0.0, slippage_cost=0.0, gas_cost=0.0, net_profit=0.0, revert_cost=0.0,
        gas_price_gwei=0.0, gas_units=0, edge_bps=0.0,
    )  # fmt: skip
