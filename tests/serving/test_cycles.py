"""Routes of two to four swaps over several pairs: what chains is priced as the bot prices it, what does not is told where."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.config import CostsConfig
from arbml.errors import InvalidRequest
from arbml.features.spec import SCORER_FEATURE_NAMES
from arbml.market import Pool, PoolBook, Recommendation, Tick, Variant
from arbml.market.routes import Hop, optimal_amount, price_route
from arbml.models.scaler import ColumnScale, InputScaler
from arbml.serving import OpportunityRequest
from arbml.serving.chain import chain
from arbml.serving.pricing import price
from arbml.serving.quality import unseen_route
from arbml.serving.requests import parse
from tests.serving.kit import NOW_MS, PAIR, Kit, ask

COSTS = CostsConfig()
TRIANGLE = [
    {"venue": "a", "side": "buy", "pair": "WETH/USDC"},
    {"venue": "b", "side": "buy", "pair": "LINK/WETH"},
    {"venue": "c", "side": "sell", "pair": "LINK/USDC"},
]
SPOTS = {("a", "WETH/USDC"): 2000.0, ("b", "LINK/WETH"): 0.005, ("c", "LINK/USDC"): 10.2, ("c", "WETH/USDC"): 2010.0}


def tick(venue: str, pair: str, spot: float, ts_ms: int = NOW_MS, depth: float = 1e6, **changes: Any) -> Tick:
    fields = {"fee_bps": 5.0, "gas_price_gwei": 2.0, "reserve_quote": depth * spot, "reserve_base": depth, "volume": 1.0}
    return Tick(ts_ms, venue, pair, spot, ts_ms, **{**fields, **changes})


def book(**ages_ms: int) -> PoolBook:
    """The pools of SPOTS; `a_=5` makes those of venue a 5 ms old."""
    made = PoolBook()
    for (venue, pair), spot in SPOTS.items():
        made.update(tick(venue, pair, spot, NOW_MS - ages_ms.get(venue, 0)))
    return made


def pool(venue: str, pair: str) -> Pool:
    return next(one for one in book().pools(pair, 0) if one.venue == venue)


def request(legs: list[dict[str, Any]], **more: Any) -> OpportunityRequest:
    return parse(OpportunityRequest, {"pair": legs[0].get("pair", PAIR), "legs": legs, **more})


def priced(legs: list[dict[str, Any]], **more: Any) -> Any:
    made = book()
    asked = request(legs, **more)
    return price(asked, {one.venue: one for one in made.pools(asked.pair, 0)}, COSTS, NOW_MS, made)


def hops(legs: list[dict[str, Any]]) -> list[Hop]:
    return [Hop(pool(leg["venue"], leg["pair"]), leg["side"]) for leg in legs]


def test_a_triangle_is_priced_as_the_market_prices_routes() -> None:
    found = priced(TRIANGLE, amount_in=500.0)
    assert found.opportunity == price_route(hops(TRIANGLE), 500.0, COSTS, NOW_MS, native_price=2000.0)
    assert found.opportunity.token == "USDC"
    assert [(one.venue, one.pair) for one in found.observed] == [(leg["venue"], leg["pair"]) for leg in TRIANGLE]


def test_without_an_amount_it_is_the_best_one() -> None:
    found = priced(TRIANGLE).opportunity
    assert found.amount_in == optimal_amount(hops(TRIANGLE), COSTS.max_amount_quote)
    for amount in (0.9 * found.amount_in, 1.1 * found.amount_in):
        if amount <= COSTS.max_amount_quote:
            assert priced(TRIANGLE, amount_in=amount).opportunity.net_profit < found.net_profit


def test_a_route_that_starts_in_the_base_is_in_the_base() -> None:
    """Sell dear, buy cheap: the same edge as the other way round, all money in WETH, gas at a price of one."""
    legs = [{"venue": "c", "side": "sell", "pair": "WETH/USDC"}, {"venue": "a", "side": "buy", "pair": "WETH/USDC"}]
    found = priced(legs, amount_in=0.5).opportunity
    assert (found.token, found.pair, found.amount_in) == ("WETH", "WETH/USDC", 0.5)
    assert found.gas_cost == pytest.approx(found.gas_units * 2.0 * 1e-9)
    other = priced([legs[1], legs[0]], amount_in=1000.0).opportunity
    assert found.edge_bps == pytest.approx(other.edge_bps)
    assert found.gas_cost * 2000.0 == pytest.approx(other.gas_cost)
    sized = priced(legs).opportunity.amount_in
    assert 0 < sized <= COSTS.max_amount_quote / 2000.0, "the most that may be put in is a sum of USDC"


def test_four_swaps_and_an_inverted_pair() -> None:
    four = [TRIANGLE[0], TRIANGLE[1], {"venue": "d", "side": "sell", "pair": "LINK/DAI", "price": 10.3, "fee_bps": 1.0},
            {"venue": "d", "side": "sell", "pair": "DAI/USDC", "price": 1.0, "fee_bps": 1.0}]  # fmt: skip
    found = priced(four, amount_in=100.0)
    assert (len(found.opportunity.route.legs), found.opportunity.token, len(found.observed)) == (4, "USDC", 2)
    inverted = [TRIANGLE[0], {"venue": "d", "side": "buy", "pair": "USDC/WETH", "price": 1 / 2020.0, "fee_bps": 1.0}]
    assert priced(inverted, amount_in=100.0).opportunity.gross_profit == pytest.approx(1.0)


def test_the_request_may_bring_the_price_of_gas_and_all_state() -> None:
    legs = [{**leg, "price": SPOTS[leg["venue"], leg["pair"]], "fee_bps": 5.0} for leg in TRIANGLE]
    found = price(request(legs, amount_in=10.0, native_price_quote=1234.5, gas_price_gwei=7.0), {}, COSTS, NOW_MS).opportunity
    assert found.gas_cost == pytest.approx(found.gas_units * 7e-9 * 1234.5)


def test_fresh_pools_say_what_gas_costs() -> None:
    """A dead pool of great depth would say 1000 for ever."""
    made = book()
    made.update(tick("dead", "WETH/DAI", 1000.0, NOW_MS - 120_000, depth=1e9))
    made.update(tick("live", "WETH/DAI", 2000.0, depth=1e3))
    legs = [
        {"venue": "x", "side": "buy", "pair": "LINK/DAI", "price": 10.0, "fee_bps": 1.0},
        {"venue": "y", "side": "sell", "pair": "LINK/WETH", "price": 0.005, "fee_bps": 1.0},
        {"venue": "z", "side": "sell", "pair": "WETH/DAI", "reserve_base": 1.0, "reserve_quote": 2000.0, "fee_bps": 1.0},
    ]
    found = price(request(legs, amount_in=10.0, gas_price_gwei=1.0), {}, COSTS, NOW_MS, made).opportunity
    assert found.gas_cost == pytest.approx(found.gas_units * 1e-9 * 2000.0)


def leg(side: str, pair: str, venue: str = "a") -> dict[str, Any]:
    return {"venue": venue, "side": side, "pair": pair, "price": 1.0, "fee_bps": 1.0}


@pytest.mark.parametrize(
    ("legs", "field", "message", "mend"),
    [
        ([leg("buy", "A/B"), leg("buy", "A/B", "b")], "legs[1].side", "A arrives from legs[0], but 'buy' of A/B takes B", "'sell' takes A"),
        ([leg("buy", "A/B"), leg("sell", "C/B")], "legs[1].pair", "A arrives from legs[0], but 'sell' of C/B takes C", "name a pair of A"),
        ([leg("buy", "A/B"), leg("sell", "A/C", "b")], "legs[1].pair", "gives C, but the route started with B", "that gives B"),
        ([leg("buy", "A/B"), leg("buy", "C/A"), leg("buy", "C/B", "b")], "legs[2].side", "C arrives", "'sell' takes C"),
        ([leg("sell", "A/B"), leg("buy", "A/B")], "legs[1].venue", "'a' A/B is already used by legs[0]", "each pool once"),
        ([leg("buy", "A/A"), leg("buy", "A/A", "b")], "legs[0].pair", "'A/A' is a token against itself", "two tokens"),
    ],
)
def test_what_does_not_chain_is_named_with_its_mend(legs: list[dict[str, Any]], field: str, message: str, mend: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        price(request(legs, native_price_quote=1.0), {}, COSTS, NOW_MS)
    assert refusal.value.field == field
    assert message in refusal.value.message
    assert mend in refusal.value.mend


def test_the_pair_of_the_request_is_that_of_its_first_leg() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        price(request(TRIANGLE).model_copy(update={"pair": "LINK/USDC"}), {}, COSTS, NOW_MS)
    assert (refusal.value.field, "is that of its first leg" in refusal.value.mend) == ("legs[0].pair", True)


@pytest.mark.parametrize(("count", "message"), [(1, "at least 2"), (5, "at most 4")])
def test_two_to_four_legs(count: int, message: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        request([leg("buy", "A/B")] * count)
    assert (refusal.value.field, message in refusal.value.message) == ("legs", True)


def test_what_is_not_observed_is_named_with_its_own_pair() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        priced([TRIANGLE[0], {**TRIANGLE[1], "venue": "new"}, TRIANGLE[2]])
    assert refusal.value.field == "legs[1].price"
    assert "none observed of LINK/WETH on 'new' (observed: b)" in refusal.value.message


def test_an_unknown_price_of_gas_and_an_unknown_size_ask_for_it() -> None:
    legs = [leg("buy", "A/B"), leg("sell", "A/B", "b")]
    with pytest.raises(InvalidRequest) as refusal:
        price(request([legs[0], {**legs[1], "pair": "B/A", "side": "buy"}], amount_in=1.0), {}, COSTS, NOW_MS)
    assert (refusal.value.field, refusal.value.mend) == ("native_price_quote", "send native_price_quote, in B")
    made = PoolBook()
    for i in range(3):
        made.update(tick(f"q{i}", "WETH/USDC", 2000.0))
    with pytest.raises(InvalidRequest) as refusal:
        price(request([leg("sell", "A/B"), leg("buy", "A/B", "b")], native_price_quote=1.0), {}, COSTS, NOW_MS, made)
    assert (refusal.value.field, refusal.value.mend) == ("amount_in", "send amount_in, in A")


TOKENS = st.sampled_from("ABCD")
LEGS = st.lists(st.tuples(st.sampled_from(["buy", "sell"]), TOKENS, TOKENS, st.sampled_from("xyz")), min_size=2, max_size=4)


@given(legs=LEGS)
def test_whatever_chains_comes_back_and_whatever_does_not_is_refused(legs: list[tuple[str, str, str, str]]) -> None:
    asked = request([leg(side, f"{base}/{quote}", venue) for side, base, quote, venue in legs])
    flows = [(quote, base) if side == "buy" else (base, quote) for side, base, quote, _ in legs]
    whole = all(flows[i][1] == flows[(i + 1) % len(flows)][0] for i in range(len(flows)))
    if whole:
        assert [(swap.takes, swap.gives) for swap in chain(asked)] == flows
    else:
        with pytest.raises(InvalidRequest, match=r"legs.*takes|started with") as refusal:
            chain(asked)
        assert refusal.value.mend


@given(
    prices=st.lists(st.floats(1e-15, 1e15), min_size=3, max_size=3), fee=st.floats(0, 9999.9), amount=st.floats(1e-300, 1e15),
    depth=st.floats(1e-12, 1e6) | st.none(),
)  # fmt: skip
def test_extreme_numbers_give_finite_money(prices: list[float], fee: float, amount: float, depth: float | None) -> None:
    legs = []
    for one, spot in zip(TRIANGLE, prices, strict=True):
        reserves = {"reserve_base": depth, "reserve_quote": max(1e-12, depth * spot)} if depth and depth * spot >= 1e-12 else {}
        legs.append({**one, "price": None if reserves else spot, "fee_bps": fee, **reserves})
    for amount_in in (amount, None):
        found = price(request(legs, amount_in=amount_in, native_price_quote=2000.0), {}, COSTS, NOW_MS, book()).opportunity
        for name in ("gross_profit", "fee_cost", "slippage_cost", "gas_cost", "net_profit", "revert_cost", "edge_bps"):
            assert abs(getattr(found, name)) < float("inf"), name


def observing(kit: Kit, **changes: Any) -> Any:
    """A predictor that knows the kit's market and the pools of the triangle, profitable as can be."""
    predictor = kit.predictor(**changes)
    predictor.observe([tick("dear", "LINK/WETH", 0.005), tick("dear", "LINK/USDC", 10.5), tick("dear", "LINK/WETH", 0.005, NOW_MS + 1)])
    return predictor


CYCLE = [{"venue": "cheap", "side": "buy"}, {"venue": "dear", "side": "buy", "pair": "LINK/WETH"},
         {"venue": "dear", "side": "sell", "pair": "LINK/USDC"}]  # fmt: skip


def test_a_scorer_of_two_leg_routes_abstains_on_longer_ones_and_says_so(kit: Kit) -> None:
    predictor = observing(kit)
    record = predictor.predict(ask(legs=CYCLE, request_id="c"))
    assert record.opportunity.net_profit > 0, "there is something to be tempted by"
    assert record.prediction.recommendation is not Recommendation.EXECUTE
    assert record.prediction.variant is Variant.CHAMPION
    said = [reason for reason in record.prediction.reasons if reason.startswith("input_out_of_range: 3 swaps over WETH/USDC and")]
    assert len(said) == 1
    assert record.prediction.pair == PAIR
    assert predictor.predict(ask(legs=CYCLE, request_id="c")) == record
    plain = predictor.predict(ask())
    assert plain.prediction.recommendation is Recommendation.EXECUTE


def test_it_abstains_on_two_legs_that_start_in_the_base(kit: Kit) -> None:
    legs = [{"venue": "dear", "side": "sell"}, {"venue": "cheap", "side": "buy"}]
    prediction = kit.predictor().predict(ask(legs=legs)).prediction
    assert prediction.profit_token == "WETH"
    assert prediction.recommendation is not Recommendation.EXECUTE
    assert any("start in WETH" in reason for reason in prediction.reasons)


def test_a_scorer_that_saw_several_lengths_judges_by_its_ranges() -> None:
    seen = InputScaler(SCORER_FEATURE_NAMES, {"route_hops": ColumnScale(3.0, 1.0, 2.0, 4.0)}, {})
    route = priced(TRIANGLE, amount_in=1.0).opportunity.route
    assert unseen_route(seen, route) == ""
    assert unseen_route(None, route) == ""


def test_one_old_leg_makes_the_market_stale(kit: Kit) -> None:
    predictor = observing(kit)
    kit.clock.advance(61_000)
    for venue, pair, spot in (("cheap", PAIR, 2000.0), ("dear", "LINK/WETH", 0.005)):
        predictor.observe([tick(venue, pair, spot, kit.clock.now_ms())])
    prediction = predictor.predict(ask(legs=CYCLE)).prediction
    assert prediction.reasons[0].startswith("market_stale: the market state is 61 s old"), prediction.reasons
    predictor.observe([tick("dear", "LINK/USDC", 10.5, kit.clock.now_ms())])
    assert not any(reason.startswith("market_stale") for reason in predictor.predict(ask(legs=CYCLE)).prediction.reasons)


def test_two_legs_of_one_pair_are_priced_as_before_whether_the_legs_name_it_or_not(kit: Kit) -> None:
    predictor = kit.predictor()
    named = [{"venue": "cheap", "side": "buy", "pair": PAIR}, {"venue": "dear", "side": "sell", "pair": PAIR}]
    assert predictor.predict(ask(legs=named)).opportunity == predictor.predict(ask()).opportunity


def test_pairs_of_one_venue_are_not_mixed_up() -> None:
    """One venue trades several pairs: each leg takes the state of its own."""
    made = PoolBook()
    for pair, spot in (("WETH/USDC", 2000.0), ("LINK/WETH", 0.005), ("LINK/USDC", 10.2)):
        made.update(replace(tick("one", pair, spot), fee_bps=7.0))
    legs = [{**one, "venue": "one"} for one in TRIANGLE]
    found = price(request(legs, amount_in=1.0), {one.venue: one for one in made.pools(PAIR, 0)}, COSTS, NOW_MS, made)
    assert [one.price for one in found.opportunity.route.legs] == [2000.0, 0.005, 10.2]
