"""What cannot be sent, and what is cut or dropped."""

import math
from dataclasses import replace
from typing import Any

import pytest

from arbml.backtest import Backtester, Order, View
from arbml.errors import DataError
from arbml.market import Opportunity, Route
from tests.backtest.markets import COSTS, START_MS, Scripted, found, settings, two_venues

MARKET = two_venues((0, 2000.0, 2040.0), (6, 2000.0, 2040.0), (12, 2000.0, 2040.0), (18, 2000.0, 2040.0), depth=1e6)


def leg(number: int, **changes: Any) -> Any:
    def altered(best: Opportunity) -> Opportunity:
        legs = list(best.route.legs)
        legs[number] = replace(legs[number], **changes)
        return replace(best, route=Route(tuple(legs)))

    return altered


@pytest.mark.parametrize(
    ("alter", "field"),
    [
        (lambda best: replace(best, amount_in=math.nan), "opportunity.amount_in: nan is not"),
        (lambda best: replace(best, amount_in=math.inf), "opportunity.amount_in: inf is not"),
        (lambda best: replace(best, amount_in=0.0), "opportunity.amount_in: 0.0 is not"),
        (lambda best: replace(best, amount_in=-5.0), "opportunity.amount_in: -5.0 is not"),
        (leg(1, venue="mars"), r"opportunity.route.legs\[1\]: no tick of WETH/USDC on 'mars' is known yet"),
        (leg(0, pair="WBTC/USDC"), r"opportunity.route.legs\[0\]: no tick of WBTC/USDC on 'a'"),
        (leg(1, venue="a"), "opportunity.route: goes over one pool twice"),
        (leg(0, side="sell"), "opportunity.token: the route must lead from USDC back to it"),
        (lambda best: replace(best, token="DAI"), "opportunity.token: the route must lead from USDC"),
        (lambda best: replace(best, route=Route(best.route.legs[:1])), "opportunity.token: .* two legs or more"),
        (lambda best: "buy low", "opportunity: must be an Opportunity, not str"),
    ],
)
def test_what_cannot_be_sent_is_named(alter: Any, field: str) -> None:
    def send(view: View, now_ms: int) -> list[Order]:
        best = found(view)
        assert best is not None
        return [Order("x1", alter(best))]

    with pytest.raises(DataError, match=f"strategy 'careless', order 'x1', {field}"):
        Backtester(COSTS, settings()).run(MARKET, Scripted(send, name="careless"))


@pytest.mark.parametrize("bid", [math.nan, -1.0, math.inf])
def test_bids_are_numbers(bid: float) -> None:
    def send(view: View, now_ms: int) -> list[Order]:
        best = found(view)
        return [Order("x1", best, bid_gwei=bid)] if best else []

    with pytest.raises(DataError, match=f"strategy 'scripted', order 'x1', bid_gwei: {bid!r} is not a number of gwei"):
        Backtester(COSTS, settings()).run(MARKET, Scripted(send))


@pytest.mark.parametrize(("request_id", "why"), [("same", "was used before"), ("", "must be a text"), (7, "must be a text")])
def test_request_ids_are_unique_texts(request_id: Any, why: str) -> None:
    def send(view: View, now_ms: int) -> list[Order]:
        best = found(view, amount_in=10.0)
        return [Order(request_id, best), Order(request_id, best)] if best else []

    with pytest.raises(DataError, match=f"order '{request_id}', request_id: {why}"):
        Backtester(COSTS, settings()).run(MARKET, Scripted(send))


def test_something_else_than_orders() -> None:
    with pytest.raises(DataError, match=r"strategy 'scripted': decide\(\) must return orders, not str"):
        Backtester(COSTS, settings()).run(MARKET, Scripted(lambda view, now_ms: ["buy"]))  # type: ignore[list-item]


def several(*amounts: float) -> Scripted:
    def send(view: View, now_ms: int) -> list[Order]:
        orders = [(k, found(view, amount_in=amount)) for k, amount in enumerate(amounts)]
        return [Order(f"{k}", best) for k, best in orders if best is not None] if now_ms == START_MS else []

    return Scripted(send)


def test_more_under_way_than_allowed_is_dropped_and_counted() -> None:
    result = Backtester(COSTS, settings(max_open=2)).run(MARKET, several(1_000.0, 1_100.0, 1_200.0, 1_300.0))
    assert result.trades["amount_in"].tolist() == [1_000.0, 1_100.0]
    assert result.counts == {"sent": 2, "shrunk": 0, "dropped_max_open": 2, "dropped_capital": 0, "unsettled": 0}
    assert result.notes == ("2 orders were not sent: 2 under way already",)


def test_what_capital_does_not_reach_is_cut_or_dropped() -> None:
    """2,000 of capital: 1,500 and its gas of 4.8 leave 490.4 besides the gas of the second, and nothing for the third."""
    result = Backtester(COSTS, settings(max_open=9, capital=2_000.0)).run(MARKET, several(1_500.0, 1_500.0, 1_500.0))
    assert result.trades["amount_in"].tolist() == pytest.approx([1_500.0, 490.4])
    assert result.trades["shrunk"].tolist() == [False, True]
    assert result.counts == {"sent": 2, "shrunk": 1, "dropped_max_open": 0, "dropped_capital": 1, "unsettled": 0}
    assert result.equity["in_flight"].max() == pytest.approx(2_000.0)
    assert result.equity["cash"].min() == pytest.approx(0.0)
    assert result.trades["expected_net"][1] < result.trades["expected_net"][0]
    assert (result.trades["result"] == "success").all()


def test_a_cut_that_takes_the_profit_is_not_sent() -> None:
    result = Backtester(COSTS, settings(capital=200.0)).run(MARKET, several(1_500.0))  # 2 percent of 195 do not pay 4.8 of gas
    assert result.trades.empty
    assert result.counts["dropped_capital"] == 1
    assert result.notes == ("1 orders were not sent: no capital was free for them",)


def test_capital_that_is_used_up_stays_so() -> None:
    def send(view: View, now_ms: int) -> list[Order]:
        best = found(view, amount_in=100.0)
        return [Order(best.id, best)] if best is not None else []

    ticks = two_venues(*((6.0 * k, 2000.0, 2001.0) for k in range(60)))
    result = Backtester(COSTS, settings(capital=30.0)).run(ticks, Scripted(send))
    assert 0.0 < result.final_equity < 4.8
    assert result.counts["dropped_capital"] > 40
    assert (result.equity["cash"] >= 0).all()
    assert len(result.trades) == 8  # 3.36 each, until 4.8 of gas are not there any more


def test_capital_is_free_again_when_the_outcome_is_known() -> None:
    strategy = several(1_900.0)
    seen: list[tuple[int, float, int]] = []
    send = strategy._send
    strategy._send = lambda view, now_ms: [seen.append((now_ms - START_MS, view.free_capital, view.in_flight)), *send(view, now_ms)][1:]  # type: ignore[func-returns-value,misc]
    result = Backtester(COSTS, settings(capital=2_000.0)).run(MARKET, strategy)
    assert seen == [(0, 2_000.0, 0), *((ms, result.final_equity, 0) for ms in (6_000, 12_000, 18_000))]


