"""From what the client says to a priced opportunity, by the same finder that labelled the training data.

The client's own idea of the profit is never asked for. What it does not say of a leg is the state of the last observed tick.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from arbml.config import CostsConfig, changed
from arbml.errors import ConfigError, InvalidRequest
from arbml.market import Leg, Opportunity, Pool, Route
from arbml.market.finder import find_opportunities, reprice
from arbml.serving.schemas import LegRequest, OpportunityRequest

MAX_PRICE_GAP = 0.01  # between the price given and that of the reserves given; rounding explains less


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


def price(request: OpportunityRequest, observed: Mapping[str, Pool], costs: CostsConfig, ts_ms: int) -> Priced:
    """Price the route of a request.

    Args:
        request: checked by its schema.
        observed: last state of each venue for the request's pair.
        costs: as in training; the request may bring its own gas price and price of the gas token.
        ts_ms: the moment of the decision, UTC ms.

    Raises:
        InvalidRequest: if the legs are no buy and sale of the pair, contradict themselves, or lack market state that was
            not observed either. A round trip on one venue is priced as the loss that it is.
    """
    _check_route(request)
    pools, taken = [], []
    for i, leg in enumerate(request.legs):
        known = observed.get(leg.venue)
        if _says_nothing(leg):
            if known is None:
                raise InvalidRequest(
                    f"no price given, and none observed of {request.pair} on '{leg.venue}'{_seen(observed)}",
                    field=f"legs[{i}].price",
                    mend="POST /observe its ticks first, or send price and fee_bps",
                )
            taken.append(known)
        pools.append(_pool(leg, i, request, known, ts_ms))
    if pools[0].venue == pools[1].venue and pools[0] != pools[1]:
        said = f"'{pools[1].venue}' has another state here than in legs[0]"
        raise InvalidRequest(said, "legs[1].venue", "one venue has one state; a round trip on it can only lose")
    if request.native_price_quote is not None:
        costs = changed(costs, native_price_quote=request.native_price_quote)
    opportunity = _priced(request, pools, costs, ts_ms)
    return Priced(opportunity, tuple(taken), any(pool.gas_price_gwei is not None for pool in pools))


def _check_route(request: OpportunityRequest) -> None:
    for i, (leg, side) in enumerate(zip(request.legs, ("buy", "sell"), strict=True)):
        if leg.side != side:
            raise InvalidRequest(f"must be '{side}'; got '{leg.side}'", f"legs[{i}].side", "put the buy first, then the sell")
        if leg.pair is not None and leg.pair != request.pair:
            raise InvalidRequest(f"is '{leg.pair}', the opportunity's is '{request.pair}'", f"legs[{i}].pair", "one pair in both legs")


def _says_nothing(leg: LegRequest) -> bool:
    return leg.price is None and leg.reserve_base is None and leg.reserve_quote is None


def _pool(leg: LegRequest, i: int, request: OpportunityRequest, known: Pool | None, ts_ms: int) -> Pool:
    """State of one leg. What the client gives of price and reserves replaces what was observed, as a whole."""
    fee_bps = leg.fee_bps if leg.fee_bps is not None else known.fee_bps if known else None
    if fee_bps is None:
        raise InvalidRequest(
            f"not given, and no tick of '{leg.venue}' was observed", f"legs[{i}].fee_bps", "send it, or POST /observe its ticks first"
        )
    given = not _says_nothing(leg)
    state = known if not given else None
    spot = state.price if state else _spot(leg, i)
    gas = request.gas_price_gwei if request.gas_price_gwei is not None else known.gas_price_gwei if known else None
    return Pool(
        venue=leg.venue,
        pair=request.pair,
        price=spot,
        fee_bps=fee_bps,
        ts_ms=state.ts_ms if state else ts_ms,
        ts_known_ms=state.ts_known_ms if state else ts_ms,
        reserve_base=state.reserve_base if state else leg.reserve_base,
        reserve_quote=state.reserve_quote if state else leg.reserve_quote,
        liquidity=leg.liquidity if leg.liquidity is not None else known.liquidity if known else None,
        gas_price_gwei=gas,
        chain_id=known.chain_id if known else None,
    )


def _spot(leg: LegRequest, i: int) -> float:
    """The price given, or that of the reserves given; both must agree."""
    if (leg.reserve_base is None) != (leg.reserve_quote is None):
        lacks = "reserve_base" if leg.reserve_base is None else "reserve_quote"
        raise InvalidRequest("is missing beside the other reserve", f"legs[{i}].{lacks}", "send both reserves or neither")
    if leg.reserve_base is None or leg.reserve_quote is None:
        assert leg.price is not None
        return leg.price
    implied = leg.reserve_quote / leg.reserve_base
    if leg.price is None:
        if not 1e-15 <= implied <= 1e15:
            raise InvalidRequest(f"makes a price of {implied:.6g}", f"legs[{i}].reserve_base", "send reserves in whole tokens")
        return implied
    if abs(math.log(implied / leg.price)) > MAX_PRICE_GAP:
        raise InvalidRequest(
            f"is {leg.price:.10g}, but the reserves make {implied:.10g}",
            f"legs[{i}].price",
            "send reserves in whole tokens (virtual ones for v3), quote per base",
        )
    return leg.price


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


def _seen(observed: Mapping[str, Pool]) -> str:
    return f" (observed: {', '.join(sorted(observed)[:5])})" if observed else ""
