"""The order of events, what the strategy is asked and told, and odd recordings."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.backtest import Backtester, BacktestResult, GrossStrategy, Order, RuleStrategy, View, Wake, make_tape
from arbml.config import CostsConfig, changed
from arbml.errors import ConfigError, DataError, SchemaError
from arbml.frames import TICKS, TickFrame
from arbml.labels import replay_labels
from arbml.market import best_opportunity
from tests.backtest.markets import COSTS, PLAIN, START_MS, Scripted, once, two_venues, walk
from tests.backtest.markets import settings as plain
from tests.dataset.markets import CHEAP_GAS, pools


def plainly(result: BacktestResult) -> str:
    """Everything of a result as text."""
    return json.dumps({
        "trades": result.trades.to_dict("list"), "equity": result.equity.to_dict("list"), "ledger": result.ledger.entries.to_dict("list"),
        "rest": [result.counts, result.n_ticks, result.n_moments, result.n_opportunities, result.start_ms, result.end_ms, result.notes],
    }, default=str)  # fmt: skip


class EveryBest:
    """Sends the best opportunity of each pair at each moment, whatever it nets, and pays any gas price: what the labels do."""

    name, wakes, listens = "every best", Wake.ALL, False

    def __init__(self, costs: CostsConfig, max_age_ms: int) -> None:
        self._costs, self._max_age_ms = costs, max_age_ms

    def start(self, view: View) -> None:
        self._view = view

    def observe(self, ticks: object) -> None:
        raise AssertionError("it does not listen")

    def decide(self, now_ms: int) -> list[Order]:
        best = [best_opportunity(self._view.pools(pair, self._max_age_ms), self._costs, now_ms) for pair in self._view.pairs]
        return [Order(one.id, one, bid_gwei=1e9) for one in best if one is not None]

    def settle(self, execution: object) -> None:
        pass


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from([0, 4_000, 30_000]), st.sampled_from([0, 1_000, 7_000]), st.sampled_from([5_000, 600_000]))
def test_the_labels_say_the_same(seed: int, delay_ms: int, step_ms: int, max_age_ms: int) -> None:
    costs = changed(CHEAP_GAS, inclusion_delay_ms=delay_ms)
    ticks = pools(seed, rows=150)
    labels = replay_labels(ticks, costs, step_ms, max_age_ms).set_index("request_id")
    config = plain(step_ms=step_ms, max_open=100_000, capital=1e12)
    result = Backtester(costs, config).run(ticks.sample(frac=1.0, random_state=seed), EveryBest(costs, max_age_ms))
    trades = result.trades.set_index("request_id")
    assert labels.index.isin(trades.index).all()
    mine = trades.loc[labels.index]
    assert (mine["result"] == np.where(labels["success"] == 1, "success", "reverted")).all()
    assert mine["net_profit"].to_numpy() == pytest.approx(labels["profit"].to_numpy(), abs=1e-9)
    assert mine["known_ms"].tolist() == labels["label_end_ms"].tolist()
    assert mine["decided_ms"].tolist() == labels["ts_ms"].tolist()
    # what is no label was sent at a moment of the other pair, or of a late tick
    others = trades.drop(labels.index)
    assert len(others) < len(trades) or labels.empty


def test_observe_settle_decide_in_the_order_of_knowing() -> None:
    ticks = two_venues(*((s, 2000.0, 2020.0) for s in (0.0, 0.4, 0.8, 5.2, 7.7, 9.0)))
    strategy = once()
    Backtester(COSTS, PLAIN).run(ticks, strategy)
    t = [START_MS + round(1000 * s) for s in (0.0, 0.4, 0.8, 5.2, 7.7, 9.0)]
    assert strategy.log == [
        ("observe", [t[0]] * 2), ("decide", START_MS), ("observe", [t[1], t[1], t[2], t[2]]), ("decide", START_MS + 1_000),
        ("observe", [t[3]] * 2), ("settle", t[3]), ("decide", START_MS + 6_000),
        ("observe", [t[4]] * 2), ("decide", START_MS + 8_000), ("observe", [t[5]] * 2), ("decide", START_MS + 9_000),
    ]  # fmt: skip


def test_an_outcome_is_told_when_it_is_known_also_to_who_sleeps() -> None:
    """b says nothing between: the landing of a at 6 s is settled by b's next event, at 20 s, known at 21 s."""
    ticks = two_venues((0, 2000.0, 2020.0), (6, 2000.0, 2020.0), (20, 2000.0, 2000.0), (30, 2000.0, 2000.0))
    ticks = ticks[(ticks["venue"] == "a") | (ticks["ts_ms"] != START_MS + 6_000)]
    ticks = ticks.assign(ts_known_ms=ticks["ts_ms"] + np.where(ticks["ts_ms"] == START_MS + 20_000, 1_000, 0))
    strategy = once()
    strategy.wakes = Wake.EDGE
    result = Backtester(COSTS, PLAIN).run(ticks, strategy)
    assert (result.trades["landed_ms"][0], result.trades["known_ms"][0]) == (START_MS + 6_000, START_MS + 21_000)
    names = [(what, when) for what, when in strategy.log if what != "observe"]
    assert names == [("decide", START_MS), ("decide", START_MS + 6_000), ("settle", START_MS + 21_000)]


@pytest.mark.parametrize(("wakes", "decisions"), [(Wake.ALL, 4), (Wake.EDGE, 2), (Wake.NONE, 0)])
def test_wakes(wakes: Wake, decisions: int) -> None:
    """An edge of 50 bps is one after fees of 20 bps on each venue, one of 30 bps is none."""
    ticks = two_venues((0, 2000.0, 2010.0), (10, 2000.0, 2000.0), (20, 2000.0, 2006.0), (30, 2010.0, 2000.0), fee_bps=20.0)
    strategy = Scripted(lambda view, now_ms: [], wakes=wakes)
    result = Backtester(COSTS, PLAIN).run(ticks, strategy)
    assert len([1 for what, _ in strategy.log if what == "decide"]) == decisions
    assert (result.n_moments, result.n_opportunities, result.n_ticks) == (4, 2, 8)
    assert result.trades.empty


def test_a_stale_venue_makes_no_edge() -> None:
    ticks = two_venues((0, 2000.0, 2010.0), (700, 2000.0, 2010.0))
    quiet = ticks[(ticks["venue"] == "a") | (ticks["ts_ms"] == START_MS)]
    assert Backtester(COSTS, PLAIN).run(quiet, RuleStrategy(COSTS)).n_opportunities == 1


def test_rule_takes_what_pays_and_gross_takes_all() -> None:
    ticks = walk()
    rule = Backtester(COSTS, PLAIN).run(ticks, RuleStrategy(COSTS))
    gross = Backtester(COSTS, PLAIN).run(ticks, GrossStrategy(COSTS))
    assert (rule.trades["expected_net"] > 0).all()
    assert (gross.trades["expected_net"] < 0).any()
    assert len(gross.trades) > len(rule.trades) > 10
    assert rule.net_profit > gross.net_profit
    assert gross.net_profit < 0
    assert rule.n_opportunities == gross.n_opportunities
    assert "orders were not sent: 1 under way already" in " ".join(gross.notes)
    greedy = Backtester(COSTS, PLAIN).run(ticks, RuleStrategy(COSTS, min_profit=20.0))
    assert (greedy.trades["expected_net"] > 20.0).all()
    assert len(greedy.trades) < len(rule.trades)


def test_the_period_observes_before_and_settles_after() -> None:
    ticks = two_venues(*((s, 2000.0, 2020.0) for s in range(0, 40, 2)))
    strategy = Scripted(_every_second("x"))
    result = Backtester(COSTS, plain(max_open=100)).run(ticks, strategy, START_MS + 10_000, START_MS + 20_000)
    decided = [when - START_MS for what, when in strategy.log if what == "decide"]
    assert decided == [10_000, 12_000, 14_000, 16_000, 18_000]
    assert len(strategy.log[0][1]) == 12  # everything from the beginning
    assert (result.start_ms, result.end_ms) == (START_MS + 10_000, START_MS + 18_000)
    assert (result.n_moments, result.n_ticks) == (5, 10)
    assert result.trades["known_ms"].max() == START_MS + 24_000
    assert result.equity["ts_ms"].iloc[[0, -1]].tolist() == [START_MS + 10_000, START_MS + 24_000]
    with pytest.raises(ConfigError, match="before it starts"):
        Backtester(COSTS, PLAIN).run(ticks, strategy, START_MS, START_MS)


def _every_second(prefix: str) -> Callable[[View, int], list[Order]]:
    def send(view: View, now_ms: int) -> list[Order]:
        best = best_opportunity(view.pools("WETH/USDC"), COSTS, now_ms, 100.0)
        return [Order(f"{prefix}{now_ms}", best)] if best else []

    return send


def test_the_same_twice_and_whatever_the_order_of_rows() -> None:
    ticks, config = walk(steps=600), plain(competitors_per_minute=3.0, impact_half_life_s=60.0)
    runner = Backtester(COSTS, config)
    first = plainly(runner.run(ticks, RuleStrategy(COSTS)))
    assert first == plainly(runner.run(ticks, RuleStrategy(COSTS)))
    assert first == plainly(Backtester(COSTS, config).run(ticks.sample(frac=1.0, random_state=1), RuleStrategy(COSTS)))
    assert first != plainly(Backtester(COSTS, changed(config, seed=7)).run(ticks, RuleStrategy(COSTS)))


def test_no_ticks_at_all() -> None:
    strategy = Scripted(lambda view, now_ms: [])
    result = Backtester(COSTS, PLAIN).run(TICKS.empty(), strategy)
    assert strategy.log == []
    assert (result.n_ticks, result.n_moments, result.start_ms, result.end_ms, result.token) == (0, 0, 0, 0, "")
    assert result.trades.empty
    assert result.equity["equity"].tolist() == [100_000.0, 100_000.0]
    assert result.net_profit == 0.0


def test_one_tick() -> None:
    ticks = two_venues((0, 2000.0, 2020.0)).head(1)
    for strategy in (RuleStrategy(COSTS), GrossStrategy(COSTS)):
        result = Backtester(COSTS, PLAIN).run(ticks, strategy)
        assert (result.n_ticks, result.n_moments, result.counts["sent"]) == (1, 1, 0)


def test_late_and_repeated_ticks_are_heard_and_change_nothing() -> None:
    ticks = two_venues((0, 2000.0, 2020.0), (10, 2000.0, 2010.0), (20, 2000.0, 2000.0))
    late = ticks.iloc[[0, 1]].assign(ts_known_ms=START_MS + 15_000, price=9_999.0)
    seen: list[float] = []

    def look(view: View, now_ms: int) -> list[Order]:
        seen.extend(pool.price for pool in view.pools("WETH/USDC"))
        return []

    strategy = Scripted(look)
    result = Backtester(COSTS, PLAIN).run(pd.concat([ticks, late, ticks], ignore_index=True), strategy)
    assert len(strategy.ticks) == result.n_ticks == 14
    assert set(seen) == {2000.0, 2020.0, 2010.0}


def test_bad_ticks_are_refused_by_row() -> None:
    ticks = two_venues((0, 2000.0, 2020.0), (10, 2000.0, 2010.0))
    for column, value in (("price", 0.0), ("price", -1.0), ("price", np.nan), ("price", np.inf), ("fee_bps", -1.0)):
        bad = ticks.copy()
        bad.loc[2, column] = value
        with pytest.raises(SchemaError, match=f"'{column}', row 2"):
            Backtester(COSTS, PLAIN).run(bad, RuleStrategy(COSTS))
    with pytest.raises(SchemaError, match="'venue' is missing"):
        Backtester(COSTS, PLAIN).run(ticks.drop(columns="venue"), RuleStrategy(COSTS))


def test_the_token_must_be_clear() -> None:
    two = pd.concat([two_venues((0, 2000.0, 2020.0)), two_venues((0, 2000.0, 2020.0), pair="WETH/DAI")], ignore_index=True)
    with pytest.raises(ConfigError, match="quoted in DAI, USDC; set ML_BACKTEST__TOKEN"):
        Backtester(COSTS, PLAIN).run(two, RuleStrategy(COSTS))
    result = Backtester(COSTS, plain(token="DAI", step_ms=0)).run(two, RuleStrategy(COSTS))
    assert result.token == "DAI"
    assert set(result.ledger.entries["token"]) == {"DAI"}


def test_unknown_wakes_and_unknown_gas() -> None:
    with pytest.raises(DataError, match="strategy 'scripted', wakes: 'often' is none of 'all', 'edge', 'none'"):
        Backtester(COSTS, PLAIN).run(walk(steps=5), Scripted(lambda view, now_ms: [], wakes="often"))
    costs = CostsConfig()
    ticks: TickFrame = two_venues((0, 5.0, 5.1), (6, 5.0, 5.1), pair="LINK/USDC")
    with pytest.raises(ConfigError, match="ML_COSTS__NATIVE_PRICE_QUOTE"):
        Backtester(costs, PLAIN).run(ticks, RuleStrategy(costs))


def test_who_sleeps_without_an_edge_misses_nothing() -> None:
    """Landings, some of them exactly at the end of a step, are met in time whether or not somebody is asked there."""
    ticks = walk(steps=800, step_s=1.0, latency_ms=0)
    awake = RuleStrategy(COSTS)
    awake.wakes = Wake.ALL
    config = plain(impact_half_life_s=30.0, max_open=3)
    first, second = (Backtester(COSTS, config).run(ticks, one) for one in (RuleStrategy(COSTS), awake))
    assert len(first.trades) > 30
    assert plainly(first) == plainly(second)


def test_what_is_no_strategy() -> None:
    with pytest.raises(DataError, match="object is no strategy: it has no 'name'"):
        Backtester(COSTS, PLAIN).run(walk(steps=5), object())  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"strategy 'scripted': decide\(\) must return a list of orders, not NoneType"):
        Backtester(COSTS, PLAIN).run(walk(steps=5), Scripted(lambda view, now_ms: None))  # type: ignore[arg-type,return-value]


def test_ticks_that_are_known_before_they_happened() -> None:
    """Clocks differ. An outcome is never known before the landing; what would land after the recording is in no figure."""
    ticks = two_venues(*((s, 2000.0, 2020.0) for s in (0, 6, 20, 26)))
    early = ticks.assign(ts_known_ms=ticks["ts_ms"] - np.where(ticks["ts_ms"] > START_MS, 10_000, 0))
    result = Backtester(COSTS, plain(max_open=9)).run(early, Scripted(_every_second("x")))
    assert (result.trades["known_ms"] >= result.trades["landed_ms"]).all()
    assert result.equity["in_flight"].iloc[-1] == 0.0
    assert result.counts["sent"] == len(result.trades) + result.counts["unsettled"] > 0


def test_many_runs_of_one_tape() -> None:
    ticks = walk(steps=200)
    tape = make_tape(ticks)
    one, two, three = (plainly(Backtester(COSTS, PLAIN).run(what, RuleStrategy(COSTS))) for what in (ticks, tape, tape))
    assert one == two == three


def test_huge_numbers() -> None:
    ticks = two_venues((0, 2000.0, 2020.0), (6, 2000.0, 2020.0), depth=1e17)
    result = Backtester(changed(COSTS, max_amount_quote=1e15), plain(capital=1e16)).run(ticks, once())
    assert result.trades["result"].tolist() == ["success"]
    assert result.ledger.equity == sum(
        atoms for account, atoms in zip(result.ledger.entries["account"], result.ledger.entries["atoms"], strict=True) if account == "cash"
    )


def test_a_result_says_what_was_assumed() -> None:
    result = Backtester(COSTS, PLAIN).run(walk(steps=50), RuleStrategy(COSTS))
    assert result.settings["backtest"]["slippage"] == "exact"
    assert result.settings["costs"]["inclusion_delay_ms"] == 5_000
    assert (result.name, result.token, result.capital, result.step_ms) == ("rule", "USDC", 100_000.0, 1_000)
    json.dumps(result.settings)
