"""The market state of one leg: what the client says of it, and what was last observed where the client says nothing."""

import math
from collections.abc import Mapping

from arbml.errors import InvalidRequest
from arbml.market import Pool
from arbml.serving.schemas import LegRequest

MAX_PRICE_GAP = 0.01  # between the price given and that of the reserves given; rounding explains less


def says_nothing(leg: LegRequest) -> bool:
    """Return whether a leg leaves its state to what was observed."""
    return leg.price is None and leg.reserve_base is None and leg.reserve_quote is None


def leg_pool(
    leg: LegRequest, i: int, pair: str, observed: Mapping[str, Pool], gas_price_gwei: float | None, ts_ms: int
) -> Pool:
    """Return the state of one leg. What the client gives of price and reserves replaces what was observed, as a whole.

    Args:
        leg: checked by its schema.
        i: its place in the request, for messages.
        pair: that it trades.
        observed: last state of each venue of the pair.
        gas_price_gwei: of the request; that of the last tick without it.
        ts_ms: the moment of the decision, UTC ms.

    Raises:
        InvalidRequest: if state is neither given nor observed, or contradicts itself.
    """
    known = observed.get(leg.venue)
    given = not says_nothing(leg)
    if known is None and not given:
        raise InvalidRequest(
            f"no price given, and none observed of {pair} on '{leg.venue}'{_seen(observed)}",
            field=f"legs[{i}].price",
            mend="POST /observe its ticks first, or send price and fee_bps",
        )
    fee_bps = leg.fee_bps if leg.fee_bps is not None else known.fee_bps if known else None
    if fee_bps is None:
        raise InvalidRequest(
            f"not given, and no tick of '{leg.venue}' was observed", f"legs[{i}].fee_bps", "send it, or POST /observe its ticks first"
        )
    state = known if not given else None
    spot = state.price if state else _spot(leg, i)
    return Pool(
        venue=leg.venue,
        pair=pair,
        price=spot,
        fee_bps=fee_bps,
        ts_ms=state.ts_ms if state else ts_ms,
        ts_known_ms=state.ts_known_ms if state else ts_ms,
        reserve_base=state.reserve_base if state else leg.reserve_base,
        reserve_quote=state.reserve_quote if state else leg.reserve_quote,
        liquidity=leg.liquidity if leg.liquidity is not None else known.liquidity if known else None,
        gas_price_gwei=gas_price_gwei if gas_price_gwei is not None else known.gas_price_gwei if known else None,
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


def _seen(observed: Mapping[str, Pool]) -> str:
    return f" (observed: {', '.join(sorted(observed)[:5])})" if observed else ""
