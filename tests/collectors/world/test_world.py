"""The world as a collector: reproducible, checked, and what was known then is all that its bot knows."""

import json
import time
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from arbml.collectors.simulator.world import World, WorldBotSettings, WorldConfig
from arbml.config import CostsConfig, changed
from arbml.frames import EXECUTIONS, TICK_KEY, TICKS, frame_to_ticks
from arbml.market import opportunity_from_dict
from arbml.market.book import pool_of
from arbml.market.cycles import CycleFinder

START_MS = 1_704_067_200_000


@cache
def hours(seed: int, length: float = 6.0) -> World:
    """Some hours of the default world; they compute themselves once."""
    return World(WorldConfig(seed=seed, hours=length))


def ticks(world: World) -> pd.DataFrame:
    return pd.concat(list(world.ticks()), ignore_index=True)


def executions(world: World) -> pd.DataFrame:
    return pd.concat(list(world.executions()), ignore_index=True)


def test_the_same_seed_gives_the_same_rows_and_another_others() -> None:
    one, same, other = (World(WorldConfig(seed=seed, hours=1)) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(ticks(one), ticks(same), check_exact=True)
    pd.testing.assert_frame_equal(executions(one), executions(same), check_exact=True)
    assert one.name == same.name != other.name
    assert not ticks(one)["price"].equals(ticks(other)["price"])


def test_a_longer_run_continues_a_shorter_one() -> None:
    short, long = (World(WorldConfig(seed=7, hours=length)) for length in (1, 2.5))
    assert short.name == long.name
    pd.testing.assert_frame_equal(ticks(long).iloc[: short.total], ticks(short), check_exact=True)
    known = executions(short)
    pd.testing.assert_frame_equal(
        executions(long).set_index("request_id").loc[known["request_id"]].reset_index(), known.set_index("request_id").reset_index()
    )


def test_an_hour_of_seed_42_is_this() -> None:
    """Golden: whoever changes the world changes every figure that was published about it."""
    world = World(WorldConfig(seed=42, hours=1))
    df, sent = ticks(world), executions(world)
    assert df["venue"][:4].tolist() == ["uniswap_v3_op", "uniswap_v3", "uniswap_v3_op", "velodrome"]
    assert (df["ts_known_ms"][:4] - START_MS).tolist() == [31, 53, 70, 79]
    last = [2251.6220529629322, 19.20605792031844, 2251.4305378091863, 43086.7851623148]
    assert df["price"][-4:].tolist() == pytest.approx(last, rel=1e-9)
    assert df["gas_price_gwei"].iloc[-1] == pytest.approx(8.358995664874932, rel=1e-9)
    assert len(sent) == 93
    assert sent["result"].value_counts().to_dict() == {"reverted": 45, "success": 40, "failed": 8}
    assert sent["profit"].sum() == pytest.approx(-128.55951533658063, rel=1e-6)


def test_ticks_are_a_checked_frame_in_the_order_of_knowing() -> None:
    world = hours(1)
    df = ticks(world)
    assert len(df) == world.total == 10 * 6 * 720
    pd.testing.assert_frame_equal(TICKS.check(df), df)
    assert df["ts_known_ms"].is_monotonic_increasing
    assert (df["ts_known_ms"] > df["ts_ms"]).all()
    assert not df.duplicated(TICK_KEY).any()
    assert np.allclose(df["reserve_quote"] / df["reserve_base"], df["price"], rtol=1e-14)
    assert df[["volume", "gas_price_gwei", "liquidity", "block_number", "chain_id"]].notna().all().all()
    assert set(df["chain_id"]) == {1.0, 10.0}
    assert set(df["pair"]) == {"WETH/USDC", "WBTC/WETH", "WBTC/USDC", "OP/USDC", "OP/WETH"}
    assert [len(frame) for frame in World(WorldConfig(hours=1), batch_size=3000).ticks()] == [3000, 3000, 1200]


def test_prices_change_in_blocks_only() -> None:
    """A pool of mainnet stands still between two blocks, 12 s apart, whatever is polled in between."""
    df = ticks(World(WorldConfig(seed=2, hours=1, interval_ms=1000)))
    for chain, block_s in ((1.0, 12), (10.0, 2)):
        prices = df[df["chain_id"] == chain].pivot_table(index="ts_ms", columns=["venue", "pair"], values="price")
        moved = (np.diff(prices.to_numpy(), axis=0) != 0.0).any(axis=1)
        seconds = (prices.index.to_numpy()[1:] - START_MS) // 1000
        assert (seconds[moved] % block_s == 0).all()
        assert moved.mean() > 0.3 / block_s
    assert df.groupby("chain_id")["block_number"].nunique().tolist() == [300, 1800]


def test_executions_are_enough_and_of_every_kind() -> None:
    df = pd.concat([executions(hours(seed)) for seed in (1, 2, 3)])
    for seed in (1, 2, 3):
        pd.testing.assert_frame_equal(EXECUTIONS.check(executions(hours(seed))), executions(hours(seed)))
    assert len(df) >= 3 * 6 * 25
    shares = df["result"].value_counts(normalize=True)
    assert shares["success"] > 0.15
    assert shares["failed"] > 0.03
    assert shares["reverted"] > 0.2
    assert df["request_id"].is_unique
    # a triangle over three pairs is as good as two venues of one
    assert 0.05 < (df["route"].str.count(">") == 2).mean() < 0.6
    assert set(df["chain_id"]) == {1.0, 10.0}


def test_money_agrees_with_the_opportunity() -> None:
    df = executions(hours(1))
    found = [opportunity_from_dict(json.loads(text)) for text in df["opportunity"]]
    assert df["route"].tolist() == [one.route.name for one in found]
    assert df["ts_ms"].tolist() == [one.ts_ms for one in found]
    assert all(one.net_profit >= 0.0 and one.token == "USDC" for one in found)
    reverted, failed, success = (df["result"] == name for name in ("reverted", "failed", "success"))
    assert set(df["profit"][failed]) == {0.0}
    assert set(df["gas_used"][failed]) == {0.0}
    native = np.array([one.gas_cost / one.gas_units / one.gas_price_gwei for one in found])
    units = np.array([one.gas_units for one in found])
    paid = 0.7 * units * df["gas_price_gwei"] * native
    assert df["profit"][reverted].to_numpy() == pytest.approx(-paid[reverted].to_numpy(), rel=1e-9)
    assert (df["profit"][success] > 0.0).all()
    # a bid above the usual tip: what is paid is more than the ticks said, where anything is paid
    assert (df["gas_price_gwei"][success] > 0.9 * np.array([one.gas_price_gwei for one in found])[success]).all()
    assert (df["ts_known_ms"] - df["ts_ms"]).tolist() == df["latency_ms"].astype(int).tolist()
    assert df["latency_ms"].min() >= 800


def test_an_opportunity_is_found_on_what_was_known_then() -> None:
    """Replaying the ticks through a finder gives the bot's own opportunity back, to the last bit."""
    world = hours(3, 2.0)
    waiting, df = frame_to_ticks(ticks(world)), executions(world).sort_values("ts_ms")
    assert len(df) > 40
    finder, at = CycleFinder(CostsConfig(), 3, quote="USDC"), 0
    for row in df.itertuples():
        while at < len(waiting) and waiting[at].ts_known_ms <= row.ts_ms:
            finder.update(pool_of(waiting[at]))
            at += 1
        (best,) = finder.find(["USDC"], row.ts_ms, limit=1)
        assert best == opportunity_from_dict(json.loads(row.opportunity))


def test_truth_stays_out_of_what_is_collected() -> None:
    world = hours(3, 2.0)
    hidden = {"success_probability", "expected_profit", "efficient_price_WETH", "volatility_WETH", "competition_1"}
    assert not hidden & {*ticks(world), *executions(world)}
    assert list(world.truth()) == ["request_id", "success_probability", "expected_profit"]
    assert hidden - {"success_probability", "expected_profit"} <= {*world.paths()}
    assert len(world.paths()) == world.config.steps


def test_a_bot_that_wants_too_much_sends_nothing() -> None:
    silent = World(WorldConfig(hours=1, bot=WorldBotSettings(min_net_usd=1e9)))
    assert list(silent.executions()) == []
    assert len(silent.truth()) == 0


def test_a_month_would_take_less_than_a_minute() -> None:
    hours(1, 0.1).history.seen  # noqa: B018  (compiled)
    began_s = time.process_time()
    df = ticks(World(WorldConfig(seed=11, hours=24)))
    assert len(df) == 172_800
    assert (time.process_time() - began_s) * 30 < 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": 0}, {"hours": 0.001}, {"interval_ms": 5500}, {"start_ts_ms": 1_704_067_200}, {"pools": WorldConfig().pools[:1]},
        {"pools": (WorldConfig().pools[0],) * 2}, {"tokens": WorldConfig().tokens[:1]}, {"chains": WorldConfig().chains[:1]},
        {"native": "ETH"}, {"speed": 1}, {"seed": -1},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    plain = {key: [one.model_dump() for one in value] if isinstance(value, tuple) else value for key, value in wrong.items()}
    with pytest.raises(ValidationError):
        WorldConfig.model_validate({**WorldConfig().model_dump(), **plain})


def test_other_settings_are_another_source() -> None:
    assert World(changed(WorldConfig(), hours=3)).name == World(WorldConfig()).name
    assert World(changed(WorldConfig(), interval_ms=10_000)).name != World(WorldConfig()).name
