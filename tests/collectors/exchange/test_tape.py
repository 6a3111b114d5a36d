"""Trades that come twice, late and out of order are counted once; holes are counted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.collectors.exchange.quotes import ExchangeClock, quote_of
from arbml.collectors.exchange.tape import REMEMBERED, TradeTape


def trade(number: int) -> dict[str, Any]:
    return {"id": str(number), "timestamp": 1000 + number, "price": 10.0, "amount": 1.0}


@given(order=st.permutations(range(100, 140)), extra=st.lists(st.integers(80, 139)), cut=st.integers(0, 40))
def test_in_whatever_order_and_however_often_each_trade_counts_once(order: list[int], extra: list[int], cut: int) -> None:
    tape = TradeTape()
    tape.begin(map(trade, range(80, 100)))
    for part in (order[:cut], extra if cut == 40 else [], order[cut:], extra):
        tape.add(map(trade, part))
    assert (tape.take(), tape.missing(), tape.last_ms) == (400.0, 0, 1139)


@given(numbers=st.sets(st.integers(100, 160), min_size=1))
def test_holes_are_what_lies_between_and_did_not_come(numbers: set[int]) -> None:
    tape = TradeTape()
    tape.begin(map(trade, range(80, 100)))
    for number in numbers:
        tape.add([trade(number)])
    assert tape.missing() == max(numbers) - 99 - len(numbers)
    assert tape.forgive() == max(numbers) - 99 - len(numbers)
    assert tape.missing() == 0


@pytest.mark.parametrize("ids", [["a1", "a2"] * 10, [str(7 * i) for i in range(20)], [str(i) for i in range(9)] + ["50", "51"]])
def test_ids_that_do_not_run_without_holes_say_nothing_of_missing_trades(ids: list[str]) -> None:
    tape = TradeTape()
    for i, name in enumerate(ids):
        tape.add([{**trade(i), "id": name}])
    tape.add([{**trade(99), "id": "999"}])
    assert tape.missing() == 0


def test_malformed_trades_are_counted_and_left_out() -> None:
    tape = TradeTape()
    bad = [{"timestamp": 0}, {"price": None}, {"amount": float("nan")}, {"price": -1.0}, {"timestamp": None}, {"price": "12"}]
    assert tape.add([{**trade(i), **fault} for i, fault in enumerate(bad)]) == 0
    assert (tape.malformed, tape.take()) == (6, 0.0)


def test_a_hole_of_millions_costs_no_memory_of_that_size() -> None:
    tape = TradeTape()
    tape.begin(map(trade, range(20)))
    tape.add([trade(5_000_020)])
    assert tape.missing() == 5_000_000
    assert len(tape._holes) <= 10_000
    for i in range(REMEMBERED + 500):
        tape.add([trade(6_000_000 + i)])
    assert len(tape._seen) == REMEMBERED


def test_trades_without_ids_count_once_each() -> None:
    tape = TradeTape()
    page = [{**trade(i // 2), "id": None, "side": "buy"} for i in range(6)]  # each of three moments has two that are alike
    assert (tape.add(page), tape.take()) == (6, 60.0)
    assert (tape.add(page), tape.take(), tape.duplicates, tape.missing()) == (0, 0.0, 6, 0)


@pytest.mark.parametrize(
    "book",
    [
        {}, {"bids": [], "asks": [[1, 1]]}, {"bids": [[2, 1]], "asks": [[1, 1]]}, {"bids": [["x", 1]], "asks": [[1, 1]]},
        {"bids": [[float("nan"), 1]], "asks": [[1, 1]]}, {"bids": [[1, float("inf")]], "asks": [[1.001, 1]]}, {"bids": None, "asks": 3},
        {"bids": [[0, 1]], "asks": [[1, 1]]},
    ],
)  # fmt: skip
def test_an_order_book_that_cannot_be_is_no_quote(book: dict[str, Any]) -> None:
    assert quote_of(book) is None


def test_depth_is_the_thinner_side_within_50_bps() -> None:
    quote = quote_of({"bids": [[99.9, 1.0], [99.6, 2.0], [99.4, 50.0]], "asks": [[100.1, 1.0], [100.5, 3.0], [100.6, 9.0]], "timestamp": 5})
    assert quote is not None
    assert quote.price == 100.0
    assert quote.liquidity == pytest.approx(99.9 + 2 * 99.6)
    assert quote.ts_ms == 5


@given(offset=st.integers(-10**7, 10**7), trip=st.integers(0, 2000), age=st.integers(0, 10**6))
def test_an_event_is_never_after_we_know_it_and_near_where_it_was(offset: int, trip: int, age: int) -> None:
    clock, now_ms = ExchangeClock(), 1_700_000_000_000
    clock.measured(now_ms - trip, now_ms - trip // 2 + offset, now_ms)
    happened = clock.event_ms(now_ms + offset - age, now_ms)
    assert happened <= now_ms
    if clock.offset_ms:
        assert abs(happened - (now_ms - age)) <= trip + 1
    else:
        assert abs(offset) <= max(100, trip) + trip + 1
