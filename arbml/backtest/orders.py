"""Orders: what is wrong with them, and those under way."""

import math
from collections.abc import Container
from dataclasses import dataclass

from arbml.backtest.gas import Bid
from arbml.backtest.strategy import Order
from arbml.errors import DataError
from arbml.market import Opportunity, Result


@dataclass(frozen=True, slots=True)
class Fill:
    """What became of an attempt; money in token, before it is booked.

    net = gross - fee - slippage - gas. Nothing but gas was paid for by a reverted attempt, nothing at all by a failed one.
    """

    result: Result
    net: float
    gross: float = 0.0
    fee: float = 0.0
    slippage: float = 0.0
    gas: float = 0.0
    gas_used: float = 0.0
    gas_price_gwei: float = math.nan
    competed: bool = False


@dataclass(slots=True)
class Sent:
    """An order under way.

    Attributes:
        number: in the order of sending.
        opportunity: with the amount that was sent.
        streams: of its legs, and rows of the tape whose states it will meet there.
        known_ms: when its outcome will be known.
    """

    number: int
    order: Order
    opportunity: Opportunity
    decided_ms: int
    landed_ms: int
    known_ms: int
    streams: tuple[int, ...]
    rows: tuple[int, ...]
    bid: Bid
    shrunk: bool
    fill: Fill | None = None


def check_order(strategy: str, order: Order, token: str, streams: Container[str], used: Container[str]) -> None:
    """Refuse what cannot be sent.

    Args:
        strategy: its name. token: of the routes. streams: seen so far. used: request ids.

    Raises:
        DataError: naming strategy, order and field.
    """
    if not isinstance(order, Order):
        raise DataError(f"strategy '{strategy}': decide() must return orders, not {type(order).__name__}")

    def refuse(field: str, why: str) -> DataError:
        return DataError(f"strategy '{strategy}', order '{order.request_id}', {field}: {why}")

    found = order.opportunity
    if not isinstance(order.request_id, str) or not order.request_id:
        raise refuse("request_id", "must be a text that is not empty")
    if order.request_id in used:
        raise refuse("request_id", "was used before in this run; give each order its own")
    if not isinstance(found, Opportunity):
        raise refuse("opportunity", f"must be an Opportunity, not {type(found).__name__}")
    if not 0.0 < found.amount_in < math.inf:
        raise refuse("opportunity.amount_in", f"{found.amount_in!r} is not a positive number")
    if order.bid_gwei is not None and not 0.0 <= order.bid_gwei < math.inf:
        raise refuse("bid_gwei", f"{order.bid_gwei!r} is not a number of gwei")
    for i, leg in enumerate(found.route.legs):
        if f"{leg.venue}|{leg.pair}" not in streams:
            raise refuse(f"opportunity.route.legs[{i}]", f"no tick of {leg.pair} on '{leg.venue}' is known yet")
    if len({(leg.venue, leg.pair) for leg in found.route.legs}) < len(found.route.legs):
        raise refuse("opportunity.route", f"goes over one pool twice, which is priced as if it had not: {found.route.name}")
    if len(found.route.legs) < 2 or found.token != token or found.route.token != token:
        raise refuse("opportunity.token", f"the route must lead from {token} back to it over two legs or more; it is {found.route.name}")
