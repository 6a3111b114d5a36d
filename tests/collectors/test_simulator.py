"""The simulated market: reproducible, honest about its truth, and made of exact swaps."""

import json
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from arbml.collectors.simulator import BotSettings, SimulatedFate, Simulator, SimulatorConfig
from arbml.collectors.simulator.market import run
from arbml.collectors.simulator.pools import Pools
from arbml.collectors.simulator.shocks import draw
from arbml.config import CostsConfig, changed
from arbml.errors import DataError
from arbml.frames import EXECUTIONS, TICK_KEY, TICKS, frame_to_ticks
from arbml.market import Pool, Result, amm, opportunity_from_dict
from arbml.market.book import PoolBook, pool_of
from arbml.market.finder import find_opportunities

DAYS = tuple(range(1, 6))


@cache
def day(seed: int) -> Simulator:
    """One default day; it computes itself once."""
    return Simulator(SimulatorConfig(seed=seed))


def ticks(simulator: Simulator) -> pd.DataFrame:
    return pd.concat(list(simulator.ticks()), ignore_index=True)


def executions(simulator: Simulator) -> pd.DataFrame:
    return pd.concat(list(simulator.executions()), ignore_index=True)


def test_the_same_seed_gives_the_same_rows_and_another_others() -> None:
    one, same, other = (Simulator(SimulatorConfig(seed=seed, hours=1)) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(ticks(one), ticks(same), check_exact=True)
    pd.testing.assert_frame_equal(executions(one), executions(same), check_exact=True)
    assert one.name == same.name != other.name
    assert not ticks(one)["price"].equals(ticks(other)["price"])


def test_a_longer_run_continues_a_shorter_one() -> None:
    short, long = (Simulator(SimulatorConfig(seed=7, hours=hours)) for hours in (1, 2))
    assert short.name == long.name
    pd.testing.assert_frame_equal(ticks(long).iloc[: short.total], ticks(short), check_exact=True)
    known = executions(short)
    pd.testing.assert_frame_equal(
        executions(long).set_index("request_id").loc[known["request_id"]].reset_index(), known.set_index("request_id").reset_index()
    )


def test_an_hour_of_seed_42_is_this() -> None:
    """Golden: whoever changes the market changes every figure that was published about it."""
    simulator = Simulator(SimulatorConfig(seed=42, hours=1))
    df = ticks(simulator)
    assert df["venue"][:6].tolist() == ["uniswap", "sushiswap", "curve", "sushiswap", "uniswap", "curve"]
    assert (df["ts_known_ms"][:6] - 1_704_067_200_000).tolist() == [144, 163, 420, 5036, 5076, 5239]
    last = [2237.5094751567, 2237.306637725445, 2238.164267734211, 2237.306637725445, 2237.5094751567, 2238.164267734211]
    assert df["price"][-6:].tolist() == pytest.approx(last, rel=1e-12)
    assert df["gas_price_gwei"].iloc[-1] == pytest.approx(13.311793064735687, rel=1e-12)
    first, all_of_them = executions(simulator).iloc[0], executions(simulator)
    assert len(all_of_them) == 66
    assert (first["route"], first["result"]) == ("buy:sushiswap>sell:uniswap WETH/USDC", "reverted")
    assert first["profit"] == pytest.approx(-3.6196128490447195, rel=1e-9)


def test_ticks_are_a_checked_frame_in_the_order_of_knowing() -> None:
    simulator = day(1)
    df = ticks(simulator)
    assert len(df) == simulator.total == 3 * 17_280
    pd.testing.assert_frame_equal(TICKS.check(df), df)
    assert df["ts_known_ms"].is_monotonic_increasing
    assert (df["ts_known_ms"] > df["ts_ms"]).all()
    assert not df.duplicated(TICK_KEY).any()
    for _, stream in df.groupby("venue"):
        assert stream["ts_ms"].is_monotonic_increasing
    assert np.allclose(df["reserve_quote"] / df["reserve_base"], df["price"], rtol=1e-14)
    assert df[["volume", "gas_price_gwei", "liquidity", "block_number"]].notna().all().all()
    assert [len(frame) for frame in Simulator(SimulatorConfig(hours=1), batch_size=1000).ticks()] == [1000, 1000, 160]


@pytest.mark.parametrize("seed", DAYS)
def test_executions_are_enough_and_of_every_kind(seed: int) -> None:
    df = executions(day(seed))
    pd.testing.assert_frame_equal(EXECUTIONS.check(df), df)
    assert len(df) >= 1200
    shares = df["result"].value_counts(normalize=True)
    assert 0.25 <= shares["success"] <= 0.65
    assert shares["failed"] > 0.1
    assert shares["reverted"] > 0.1
    assert df["request_id"].is_unique
    assert df["ts_ms"].sort_values().diff().min() >= 15_000


def test_the_default_day_has_fifteen_hundred_executions() -> None:
    assert len(executions(day(42))) >= 1500


def test_money_agrees_with_the_opportunity() -> None:
    df = executions(day(1))
    found = [opportunity_from_dict(json.loads(text)) for text in df["opportunity"]]
    assert df["route"].tolist() == [one.route.name for one in found]
    assert df["ts_ms"].tolist() == [one.ts_ms for one in found]
    reverted, failed = df["result"] == "reverted", df["result"] == "failed"
    revert_cost = pd.Series([one.revert_cost for one in found])
    assert df["profit"][reverted].tolist() == (-revert_cost[reverted]).tolist()
    assert set(df["profit"][failed]) == {0.0}
    assert set(df["gas_used"][failed]) == {0.0}
    success = df["result"] == "success"
    surprise = (df["profit"] - [one.net_profit for one in found])[success] / [one.amount_in for one in np.array(found)[success]] * 1e4
    assert abs(surprise.mean()) < 4 * 0.5 / math.sqrt(success.sum())
    assert (df["ts_known_ms"] - df["ts_ms"]).tolist() == np.ceil(df["latency_ms"]).astype(int).tolist()


def test_an_opportunity_is_found_on_what_was_known_then() -> None:
    """Replaying the ticks through the book gives the bot's own opportunity back, to the last bit."""
    simulator = Simulator(SimulatorConfig(seed=3, hours=2))
    book, waiting = PoolBook(), frame_to_ticks(ticks(simulator))
    df = executions(simulator).sort_values("ts_ms")
    assert len(df) > 50
    at = 0
    for row in df.itertuples():
        while at < len(waiting) and waiting[at].ts_known_ms <= row.ts_ms:
            book.update(waiting[at])
            at += 1
        best = find_opportunities(book.pools("WETH/USDC", row.ts_ms), CostsConfig(), row.ts_ms)[0]
        assert best == opportunity_from_dict(json.loads(row.opportunity))
    assert pool_of(waiting[0]).has_reserves


def test_outcomes_are_drawn_from_the_true_probabilities() -> None:
    joined = pd.concat([executions(day(seed)).merge(day(seed).truth(), on="request_id", validate="1:1") for seed in DAYS])
    p, y = joined["success_probability"].to_numpy(), (joined["result"] == "success").to_numpy()
    assert ((p > 0) & (p < 1)).all()
    assert abs(y.mean() - p.mean()) < 4 * math.sqrt((p * (1 - p)).sum()) / len(p)
    for decile in np.array_split(np.argsort(p), 10):
        sigma = math.sqrt((p[decile] * (1 - p[decile])).sum()) / len(decile)
        assert abs(y[decile].mean() - p[decile].mean()) < 4 * sigma


def test_the_truth_tells_success_from_failure_but_not_perfectly() -> None:
    for seed in DAYS:
        joined = executions(day(seed)).merge(day(seed).truth(), on="request_id")
        ranks = joined["success_probability"].rank()
        y = joined["result"] == "success"
        auc = (ranks[y].mean() - (y.sum() + 1) / 2) / (~y).sum()
        assert 0.75 <= auc <= 0.86


def test_the_market_looks_like_one() -> None:
    """Heavy tails, clustered volatility, gas that goes with it, and gaps that slow venues close later."""
    returns, clustered, gas = [], [], []
    for seed in DAYS:
        paths = day(seed).paths()
        r = np.diff(np.log(paths["efficient_price"]))
        returns.append((r - r.mean()) / r.std())
        smooth = pd.Series(np.abs(r)).rolling(60).mean().dropna()
        clustered.append(smooth.autocorr(60))
        by_step = ticks(day(seed)).groupby("ts_ms")["gas_price_gwei"].first()
        gas.append(np.corrcoef(np.log(by_step), np.log(paths["volatility"]))[0, 1])
    assert np.mean(np.concatenate(returns) ** 4) > 6
    assert np.mean(clustered) > 0.3
    assert np.mean(gas) > 0.4


def test_a_gap_predicts_where_the_slow_venue_goes() -> None:
    slow_follows, fast_follows = [], []
    for seed in DAYS:
        price = np.log(ticks(day(seed)).pivot_table(index="ts_ms", columns="venue", values="price"))
        gap = (price["uniswap"] - price["curve"]).to_numpy()[:-6]
        for venue, into in (("curve", slow_follows), ("uniswap", fast_follows)):
            into.append(np.corrcoef(gap, (price[venue].shift(-6) - price[venue]).to_numpy()[:-6])[0, 1])
    assert np.mean(slow_follows) > 0.2
    assert np.mean(slow_follows) > 2 * abs(np.mean(fast_follows))


def test_truth_stays_out_of_what_is_collected() -> None:
    simulator = day(1)
    assert not {"success_probability", "efficient_price", "volatility", "competition"} & {*ticks(simulator), *executions(simulator)}
    assert list(simulator.truth()) == ["request_id", "success_probability"]
    assert list(simulator.paths()) == ["ts_ms", "efficient_price", "volatility", "competition"]


def test_a_quiet_bot_sends_nothing() -> None:
    silent = SimulatorConfig(hours=1, bot=BotSettings(min_edge_bps=100_000))
    assert list(Simulator(silent).executions()) == []
    assert len(Simulator(silent).truth()) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": 0},
        {"hours": 0.001},
        {"pair": "WETHUSDC"},
        {"start_ts_ms": 1_704_067_200},
        {"venues": SimulatorConfig().venues[:1]},
        {"venues": (SimulatorConfig().venues[0],) * 2},
        {"speed": 1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SimulatorConfig.model_validate({**SimulatorConfig().model_dump(), **{key: _plain(value) for key, value in wrong.items()}})


def _plain(value: object) -> object:
    return [venue.model_dump() for venue in value] if isinstance(value, tuple) else value


amounts = st.floats(min_value=1e-3, max_value=1e8)


@settings(max_examples=200, deadline=None)
@given(quote=amounts, price=st.floats(0.01, 1e5), fee=st.floats(0, 500), part=st.floats(1e-9, 1), buys=st.booleans())
def test_a_swap_is_the_markets_swap_and_never_lowers_the_invariant(quote: float, price: float, fee: float, part: float, buys: bool) -> None:
    pools, amount = Pools("A/B", ["x"], [fee], [quote], price), part * quote
    before = Pool("x", "A/B", price, fee, 0, 0, reserve_base=pools.base[0], reserve_quote=pools.quote[0])
    invariant = pools.base[0] * pools.quote[0]
    out = pools.buy(0, amount) if buys else pools.sell(0, amount / price)
    assert out == (amm.buy_base(before, amount) if buys else amm.sell_base(before, amount / price))
    assert pools.base[0] * pools.quote[0] >= invariant * (1 - 1e-9)
    assert pools.volume[0] == (amount if buys else out)


@settings(max_examples=100, deadline=None)
@given(off=st.floats(-0.05, 0.05), fee=st.floats(0, 60), part=st.floats(0, 1))
def test_arbitrageurs_stop_at_the_fee(off: float, fee: float, part: float) -> None:
    pools = Pools("A/B", ["x"], [fee], [1e6], 2000.0)
    efficient = 2000.0 * math.exp(off)
    pools.pull(0, efficient, part)
    left, excess = math.log(efficient / pools.price(0)), max(0.0, abs(off) - fee / 1e4)
    expected = off - math.copysign(part * excess, off)
    # the fee that stays in the pool moves the price a little farther: at most the fee's part of the move
    assert left == pytest.approx(expected, abs=1e-9 + fee / 1e4 * excess)


def test_closing_a_gap_takes_the_best_amount_where_it_pays() -> None:
    pools = Pools("A/B", ["x", "y"], [5.0, 5.0], [1e6, 1e6], 2000.0)
    pools.buy(1, 10_000.0)
    edge = pools.price(1) / pools.price(0)
    pools.close_gap(margin_bps=1000.0, part=1.0)
    assert pools.price(1) / pools.price(0) == edge
    pools.close_gap(margin_bps=0.0, part=1.0)
    assert 1e4 * math.log(pools.price(1) / pools.price(0)) == pytest.approx(10.0, abs=0.5)


def test_only_swaps_and_deposits_move_the_reserves() -> None:
    config = changed(SimulatorConfig(hours=2), liquidity_changes_per_hour=0)
    market = run(config, draw(config))
    invariant = market.base * market.quote
    assert (np.diff(invariant, axis=0) >= -1e-9 * invariant[:-1]).all()
    still = market.volume[1:] == 0
    assert still.any()
    assert (np.diff(market.quote, axis=0)[still] == 0).all()


def test_whoever_sends_the_same_opportunity_meets_the_same_fate() -> None:
    """The world's answer to an attempt of anybody is, for the recorded bot's own attempts, the recorded one."""
    simulator = Simulator(SimulatorConfig(seed=5, hours=3))
    fate, rows = SimulatedFate(simulator), executions(simulator).merge(simulator.truth(), on="request_id")
    assert len(rows) > 100
    for row in rows.itertuples():
        found = opportunity_from_dict(json.loads(row.opportunity))
        for moment in (row.ts_ms, row.ts_ms + 600):
            assert fate.outcome(found, "any", moment, moment + 5_000) == (Result(row.result), row.profit)
            assert fate.success_probability(found, moment) == row.success_probability
        paid, lost = row.success_probability * found.net_profit, (1 - row.success_probability) * 0.55 * found.revert_cost
        assert fate.expected_profit(found, row.ts_ms) == pytest.approx(paid - lost)


def test_there_is_no_fate_outside_of_the_simulated_time() -> None:
    simulator = Simulator(SimulatorConfig(seed=5, hours=1))
    found = opportunity_from_dict(json.loads(executions(simulator)["opportunity"].iloc[0]))
    end_ms = simulator.config.start_ts_ms + 3_600_000
    for moment in (simulator.config.start_ts_ms - 1, end_ms):
        with pytest.raises(DataError, match="take more hours"):
            SimulatedFate(simulator).outcome(found, "late", moment, moment)
