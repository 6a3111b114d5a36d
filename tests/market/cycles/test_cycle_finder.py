"""The cycle finder against a slow one that tries everything anew, the finder of two venues, and what may go wrong."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from arbml.config import CostsConfig, changed
from arbml.errors import ConfigError, DataError
from arbml.market import Curve, Opportunity, Pool, find_opportunities, reprice
from arbml.market.cycles import CycleFinder
from tests.market.cycles.kit import PAIRS, VENUES, brute_force, pools

COSTS = CostsConfig()


def pool(venue: str, price: float, depth: float | None = 1e6, pair: str = "WETH/USDC", fee_bps: float = 5.0, ts_ms: int = 0) -> Pool:
    return Pool(venue, pair, price, fee_bps, ts_ms, ts_ms, gas_price_gwei=20.0,
                reserve_base=None if depth is None else depth / price, reserve_quote=depth)


def finder_of(*states: Pool, costs: CostsConfig = COSTS, max_legs: int = 4, quote: str | None = "USDC") -> CycleFinder:
    finder = CycleFinder(costs, max_legs, quote=quote)
    for state in states:
        finder.update(state)
    return finder


def nets(found: list[Opportunity]) -> dict[str, float]:
    return {f"{one.token} {one.route.name}": one.net_profit for one in found}


ANCHORS = [pool("deep", 2_000.0, 1e9, fee_bps=100.0), pool("deep", 60_000.0, 1e9, "WBTC/USDC", 100.0),
           pool("deep", 20.0, 1e9, "LINK/USDC", 100.0), pool("deep", 1.0, 1e9, "DAI/USDC", 100.0)]
"""The deepest of all, so that every token has a price in USDC."""


@settings(deadline=None, max_examples=60)
@given(
    st.lists(pools(), max_size=7, unique_by=lambda one: (one.venue, one.pair)), st.integers(2, 4), st.none() | st.floats(1.0, 1e5),
    st.sampled_from((("USDC",), ("WETH",), ("USDC", "WETH", "LINK"))), st.booleans(),
)
def test_it_finds_what_brute_force_finds(states: list[Pool], legs: int, amount: float | None, tokens: tuple[str, ...], fixed: bool) -> None:
    costs = changed(COSTS, native_price_quote=2_100.0 if fixed else None)
    states = [*states, *ANCHORS]
    found = finder_of(*states, costs=costs, max_legs=legs).find(tokens, 7, amount, limit=10**6)
    slow = brute_force(states, costs, tokens, legs, amount, "USDC", 7)
    assert nets(found) == pytest.approx(nets(slow), rel=1e-9, abs=1e-9)
    assert len(found) == len(slow)
    assert all(one.gross_profit > 0 and one.route.token == one.token and one.ts_ms == 7 for one in found)


class Incremental(RuleBasedStateMachine):
    """After any updates and removals the finder answers as one that was just made of the states held, to the last bit."""

    @initialize(states=st.lists(pools(), min_size=8, max_size=14, unique_by=lambda one: (one.venue, one.pair)))
    def start(self, states: list[Pool]) -> None:
        self.clock, states = 0, [*states, *ANCHORS]
        self.finder = finder_of(*states)
        self.held = {(one.venue, one.pair): one for one in states}

    @rule(data=st.data())
    def update(self, data: st.DataObject) -> None:
        self.clock += 1
        key = data.draw(st.sampled_from(sorted(self.held)))
        self.finder.update(state := data.draw(pools(self.clock, *key)))
        self.held[key] = state

    @rule(data=st.data(), venue=st.sampled_from(VENUES), pair=st.sampled_from(PAIRS))
    def add(self, data: st.DataObject, venue: str, pair: str) -> None:
        self.finder.update(state := data.draw(pools(self.clock, venue, pair)))
        self.held[venue, pair] = state

    @rule(venue=st.sampled_from(VENUES), pair=st.sampled_from(PAIRS))
    def update_late(self, venue: str, pair: str) -> None:
        if (venue, pair) in self.held:
            self.finder.update(replace(self.held[venue, pair], ts_ms=-1, price=1e9, reserve_base=None, reserve_quote=None))

    @rule(venue=st.sampled_from(VENUES), pair=st.sampled_from(PAIRS), price=st.sampled_from([0.0, math.nan, math.inf, -1.0]))
    def break_down(self, venue: str, pair: str, price: float) -> None:
        self.clock += 1
        self.held[venue, pair] = Pool(venue, pair, price, 5.0, self.clock, self.clock)
        self.finder.update(self.held[venue, pair])

    @rule(venue=st.sampled_from(VENUES), pair=st.sampled_from(PAIRS))
    def remove(self, venue: str, pair: str) -> None:
        self.finder.remove(venue, pair)
        self.held.pop((venue, pair), None)

    @rule(tokens=st.sampled_from((["USDC"], ["WETH", "LINK"])), amount=st.none() | st.just(500.0))
    def ask_for_something_else(self, tokens: list[str], amount: float | None) -> None:
        fresh = finder_of(*self.held.values())
        assert self.finder.find(tokens, self.clock, amount, limit=9) == fresh.find(tokens, self.clock, amount, limit=9)

    @invariant()
    def same_as_from_scratch(self) -> None:
        assert dict(self.finder.pools) == self.held
        fresh = finder_of(*self.held.values())
        found = self.finder.find(["USDC"], self.clock, limit=10**6)  # the same tokens each time, or all is priced anew
        assert found == fresh.find(["USDC"], self.clock, limit=10**6)
        first = self.finder.find(["USDC"], self.clock, limit=3)
        assert first == fresh.find(["USDC"], self.clock, limit=3)
        assert [one.net_profit for one in first] == pytest.approx([one.net_profit for one in found[:3]])  # equals may change places
        young = self.finder.find(["USDC"], self.clock, limit=10**6, max_age_ms=2)
        ages = {key: self.clock - state.ts_ms for key, state in self.held.items()}
        assert young == [one for one in found if all(ages[leg.venue, leg.pair] <= 2 for leg in one.route.legs)]


TestIncremental = Incremental.TestCase
TestIncremental.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.floats(1_980.0, 2_020.0), st.sampled_from((0.0, 5.0, 30.0)), st.none() | st.floats(1e4, 1e8), st.floats(0, 99)),
        min_size=2, max_size=5,
    ),
    st.none() | st.floats(1.0, 1e5), st.booleans(),
)
def test_two_venues_are_as_the_finder_of_two_venues_has_them(
    rows: list[tuple[float, float, float | None, float]], amount: float | None, fees_screened: bool
) -> None:
    states = [
        replace(pool(f"v{i}", price, depth, fee_bps=fee, ts_ms=i), gas_price_gwei=gwei) for i, (price, fee, depth, gwei) in enumerate(rows)
    ]
    finder = CycleFinder(COSTS, 2, fees_screened=fees_screened)
    for state in states:
        finder.update(state)
    found = {one.route.name: one for one in finder.find(["USDC"], 3, amount, limit=100)}
    known = {one.route.name: one for one in find_opportunities(states, COSTS, 3, amount) if one.edge_bps > 1e-7}
    if fees_screened:
        known = {name: one for name, one in known.items() if _gains_after_fees(one)}
        found = {name: one for name, one in found.items() if _gains_after_fees(one)}
    else:
        found = {name: one for name, one in found.items() if one.edge_bps > 1e-7}
    assert found.keys() == known.keys()
    for name, one in known.items():
        assert found[name].amount_in == pytest.approx(one.amount_in, rel=1e-6)
        if amount is not None or found[name].amount_in == one.amount_in:
            assert found[name] == one
        assert found[name].net_profit == pytest.approx(one.net_profit, rel=1e-9, abs=1e-9)
        assert reprice(found[name], states, COSTS, 3) == found[name]


def _gains_after_fees(one: Opportunity) -> bool:
    kept = one.route.legs[0].fee_bps / 1e4, one.route.legs[1].fee_bps / 1e4
    return one.edge_bps / 1e4 + math.log1p(-kept[0]) + math.log1p(-kept[1]) > 1e-11


def test_an_opportunity_of_three_pairs_survives_repricing() -> None:
    states = [pool("a", 2_000.0), pool("b", 2_040.0, pair="WETH/DAI"), pool("c", 1.0, 5e6, "DAI/USDC")]
    best, = finder_of(*states).find(["USDC"], 3)
    assert best.net_profit > 0
    assert reprice(best, states, COSTS, 3) == best
    assert [one.token for one in finder_of(*states).find(["USDC", "WETH", "DAI", "USDC", "XYZ"], 3)].count("USDC") == 1


def test_each_start_token_gives_the_same_cycle_its_own_amounts() -> None:
    finder = finder_of(pool("a", 2_000.0), pool("b", 2_040.0, 1e6))
    dollars, ether = finder.find(["USDC", "WETH"], 0)
    assert {dollars.token, ether.token} == {"USDC", "WETH"}
    in_weth = dollars if dollars.token == "WETH" else ether
    in_usdc = ether if in_weth is dollars else dollars
    assert in_weth.amount_in == pytest.approx(in_usdc.amount_in / 2_000.0, rel=0.05)
    assert in_weth.gas_cost == pytest.approx(240_000 * 20e-9)  # in WETH
    assert [leg.side for leg in in_weth.route.legs] == ["sell", "buy"]
    small = finder_of(pool("a", 2_000.0), pool("b", 2_040.0), costs=changed(COSTS, max_amount_quote=100.0))
    assert {one.token: round(one.amount_in, 3) for one in small.find(["USDC", "WETH"], 0)} == {"USDC": 100.0, "WETH": 0.049}


def test_gas_is_the_newest_of_the_route_and_needs_no_repricing() -> None:
    finder = finder_of(pool("a", 2_000.0), pool("b", 2_040.0))
    before = finder.find(["USDC"], 0)[0]
    finder.update(replace(pool("b", 2_040.0, ts_ms=5), gas_price_gwei=100.0))
    after = finder.find(["USDC"], 5)[0]
    assert after.gas_price_gwei == 100.0
    assert after.net_profit == pytest.approx(before.net_profit - 4 * before.gas_cost)
    finder.update(replace(pool("a", 2_000.0, ts_ms=6), gas_price_gwei=None))
    assert finder.find(["USDC"], 6)[0].gas_price_gwei == 100.0


@pytest.mark.parametrize(
    "broken",
    [
        Pool("b", "WETH/USDC", math.nan, 5.0, 1, 1), Pool("b", "WETH/USDC", 0.0, 5.0, 1, 1), Pool("b", "WETH/USDC", -3.0, 5.0, 1, 1),
        Pool("b", "WETH/USDC", math.inf, 5.0, 1, 1), Pool("b", "WETH/USDC", 9_999.0, 5.0, 1, 1, reserve_base=0.0, reserve_quote=0.0),
        Pool("b", "WETH/USDC", 9_999.0, 5.0, 1, 1, reserve_base=1.0, reserve_quote=math.nan),
        Pool("b", "WETH/USDC", 9_999.0, 5.0, 1, 1, reserve_base=-1.0, reserve_quote=-9_999.0),
        Pool("b", "WETH/USDC", 9_999.0, 5.0, 1, 1, reserve_base=5e-324, reserve_quote=1e300),
        Pool("b", "WETH/USDC", 9_999.0, 10_000.0, 1, 1), Pool("b", "WETH/USDC", 9_999.0, 5.0, 1, 1, curve=Curve(0.0, (), ())),
        Pool("b", "WETH/USDC", 9_999.0, 5.0, 1, 1, curve=Curve(0.0, (1.0, 2.0), (5.0, -5.0))),
    ],
)
def test_a_state_that_cannot_be_priced_is_out_of_use_until_the_next(broken: Pool) -> None:
    finder = finder_of(pool("a", 2_000.0), pool("b", 2_040.0))
    usual = finder.find(["USDC"], 0)
    assert len(usual) == 1
    finder.update(broken)
    assert [one for one in finder.find(["USDC"], 1) if one.route.legs[0].venue == "a" and one.route.legs[1].venue == "b"] == []
    finder.update(pool("b", 2_040.0, ts_ms=2))
    assert finder.find(["USDC"], 0) == usual


def test_what_the_caller_got_wrong_is_said_and_changes_nothing() -> None:
    finder = finder_of(pool("a", 2_000.0), pool("b", 2_040.0))
    for bad, said in (
        (replace(pool("b", 1.0), fee_bps=-1.0), "WETH/USDC on b: fee_bps -1.0"), (replace(pool("b", 1.0), fee_bps=math.nan), "fee_bps nan"),
        (pool("b", 1.0, pair="WETHUSDC"), "BASE/QUOTE"), (pool("b", 1.0, pair="WETH/WETH"), "BASE/QUOTE"),
        (pool("b", 1.0, pair="A/B/C"), "BASE/QUOTE"), (replace(pool("b", 1.0), curve=Curve(1.0, (2.0,), ())), "each root has one"),
        (replace(pool("b", 1.0), curve=Curve(5.0, (2.0,), (-9.0,))), "curve of WETH/USDC on b cannot be swapped on"),
        (replace(pool("b", 1.0), curve=Curve(5.0, (0.5,), (9.0,))), "falls to -4"),
        (replace(pool("b", 1e-300, None), curve=Curve(1e-300, (), ())), "cannot be swapped on"),
    ):
        with pytest.raises(DataError, match=said):
            finder.update(bad)
    assert len(finder.pools) == 2
    assert len(finder.find(["USDC"], 0)) == 1
    for arguments, said in (
        ({"start_amount": 0.0}, "start_amount"), ({"start_amount": math.nan}, "start_amount"), ({"limit": 0}, "limit"),
        ({"tokens": "USDC"}, "is the string"),
    ):
        with pytest.raises(DataError, match=said):
            finder.find(**{"tokens": ["USDC"], "ts_ms": 0, **arguments})  # type: ignore[arg-type]
    for legs in (1, 5):
        with pytest.raises(ConfigError, match="2 to 4"):
            CycleFinder(COSTS, legs)


def test_no_gas_price_is_an_error_only_where_a_route_needs_it() -> None:
    links = [pool("a", 20.0, pair="LINK/USDC"), pool("b", 20.5, pair="LINK/USDC")]
    finder = finder_of(*links)
    with pytest.raises(ConfigError, match="ML_COSTS__NATIVE_PRICE_QUOTE"):
        finder.find(["USDC"], 0)
    assert finder_of(links[0], pool("b", 20.0, pair="LINK/USDC")).find(["USDC"], 0) == []
    finder.update(pool("c", 2_000.0))
    assert finder.find(["USDC"], 0)[0].gas_cost == pytest.approx(9.6)
    lonely = finder_of(*links, pool("a", 1.0, pair="FOO/WETH"), pool("b", 1.1, pair="FOO/WETH"))
    with pytest.raises(ConfigError, match="converted into FOO"):
        lonely.find(["FOO"], 0)
    assert lonely.find(["FOO"], 0, start_amount=2.0)[0].gas_cost > 0


def test_what_has_not_changed_is_not_priced_anew_and_what_has_is() -> None:
    finder = finder_of(pool("a", 2_000.0), pool("b", 2_040.0), pool("c", 2_060.0))
    first = {one.route.name: one for one in finder.find(["USDC"], 0)}
    assert finder.find(["USDC"], 0) == list(first.values())
    later = {one.route.name: one for one in finder.find(["USDC"], 9)}
    assert later == {name: replace(one, ts_ms=9) for name, one in first.items()}
    finder.update(pool("c", 2_070.0, ts_ms=10))
    moved = {one.route.name: one for one in finder.find(["USDC"], 9)}
    assert {name for name in first if moved[name] != later[name]} == {name for name in first if ":c" in name}
    fixed = {one.amount_in for one in finder.find(["USDC"], 9, start_amount=123.0)}
    assert fixed == {123.0}
    assert finder.find(["USDC"], 9) == list(moved.values())


def test_equal_prices_and_an_empty_market_give_nothing() -> None:
    assert CycleFinder(COSTS).find(["USDC"], 0) == []
    same = [pool(f"v{i}", 1_987.654321, depth, fee_bps=0.0) for i, depth in enumerate((1e3, 3e5, 7e7, None))]
    assert finder_of(*same).find(["USDC", "WETH"], 0) == []
    there_and_back = [pool("a", 3.0, None, "X/Y", 0.0), pool("b", 7.0, None, "Y/Z", 0.0), pool("c", 1 / 21.0, None, "Z/X", 0.0)]
    assert finder_of(*there_and_back, costs=changed(COSTS, native_price_quote=1.0)).find(["X", "Y", "Z"], 0) == []


def test_adding_pools_one_by_one_lists_the_cycles_once() -> None:
    finder = CycleFinder(COSTS, quote="USDC")
    for i in range(3_000):
        finder.update(pool(f"v{i % 3}", 1.0 + i % 7 / 1_000, pair=f"T{i // 3}/{'USDC' if i % 2 else 'WETH'}"))
    assert finder.coverage.pools == 3_000  # quadratic work would run into the time limit of the tests


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(pools(), st.sampled_from((None, 1, 10))), max_size=7, unique_by=lambda one: (one[0].venue, one[0].pair)))
def test_no_cycle_goes_over_two_chains(states: list[tuple[Pool, int | None]]) -> None:
    """It finds what it would find if chains were not told apart, but for the cycles over several of them."""
    chain_of = {(state.venue, state.pair): chain for state, chain in states}
    apart = finder_of(*(replace(state, chain_id=chain) for state, chain in states), *ANCHORS).find(["USDC"], 0, limit=10**6)
    together = finder_of(*(state for state, _ in states), *ANCHORS).find(["USDC"], 0, limit=10**6)

    def chains(found: Opportunity) -> int:
        return len({chain_of.get((leg.venue, leg.pair)) for leg in found.route.legs} - {None})

    assert nets(apart) == nets([found for found in together if chains(found) < 2])
