"""Replay of cycles over several pairs, against a slow replay, and beside that of single pairs."""

import pandas as pd
import pytest

from arbml.collectors.simulator.world import World, WorldConfig
from arbml.config import CostsConfig
from arbml.frames import TICKS, frame_to_ticks
from arbml.labels import replay_labels
from arbml.market import Pool, Tick, reprice
from arbml.market.book import pool_of
from arbml.market.cycles import CycleFinder

COSTS = CostsConfig()
PAIRS = {"x": "WETH/USDC", "y": "WBTC/WETH", "z": "WBTC/USDC"}


def triangle(*rows: tuple[int, float, float, float]) -> pd.DataFrame:
    """Three pools, one of each pair, that show these prices at these seconds."""
    worth = {"USDC": 1.0, "WETH": 2000.0}
    return TICKS.check(pd.DataFrame([
        {
            "ts_ms": s * 1000, "ts_known_ms": s * 1000 + 100, "venue": venue, "pair": pair, "price": price, "fee_bps": 5.0,
            "gas_price_gwei": 1.0, "reserve_quote": 1e6 / worth[pair[5:]], "reserve_base": 1e6 / worth[pair[5:]] / price,
        }
        for s, *prices in rows for (venue, pair), price in zip(PAIRS.items(), prices, strict=True)
    ]))  # fmt: skip


def test_a_triangle_that_stays_succeeds_and_one_that_closes_reverts() -> None:
    still = replay_labels(triangle(*((s, 2000.0, 20.0, 40_400.0) for s in range(0, 60, 10))), COSTS)
    assert len(still) >= 4
    assert set(still["success"]) == {1}
    first = still.iloc[0]
    assert first["opportunity"].route.name == "buy:x WETH/USDC>buy:y WBTC/WETH>sell:z WBTC/USDC"
    assert first["profit"] == pytest.approx(first["opportunity"].net_profit)
    gone = replay_labels(triangle((0, 2000.0, 20.0, 40_400.0), *((s, 2000.0, 20.0, 40_000.0) for s in range(10, 60, 10))), COSTS)
    assert gone["success"].tolist() == [0]
    assert gone["profit"].iloc[0] == pytest.approx(-gone["opportunity"].iloc[0].revert_cost, rel=1e-6)
    assert gone["label_end_ms"].iloc[0] == 10_100, "it lands with the first event after the delay, and is settled when that is known"


def test_labels_of_one_pair_do_not_change_when_others_are_there() -> None:
    world = pd.concat(list(World(WorldConfig(seed=6, hours=0.4)).ticks()), ignore_index=True)
    alone = replay_labels(world[world["pair"] == "WETH/USDC"].reset_index(drop=True), COSTS)
    both = replay_labels(world, COSTS)
    mine = both[[one.route.pairs == ("WETH/USDC",) for one in both["opportunity"]]].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, alone, check_exact=True)
    assert any(len(one.route.pairs) > 1 for one in both["opportunity"])


def test_cycles_are_what_a_slow_replay_finds() -> None:
    df = pd.concat(list(World(WorldConfig(seed=6, hours=0.25)).ticks()), ignore_index=True)
    ticks = frame_to_ticks(df)
    labels = replay_labels(df, COSTS)
    cycles = labels[[len(one.route.pairs) > 1 for one in labels["opportunity"]]]
    assert len(cycles) > 10
    for label in cycles.itertuples():
        held = latest([tick for tick in ticks if tick.ts_known_ms <= label.ts_ms])
        finder = CycleFinder(COSTS, quote="USDC")
        for pool in held:
            finder.update(pool)
        found = [one for one in finder.find(["USDC"], label.ts_ms, limit=10) if one.route.pairs != ("WETH/USDC",)]
        assert found[0] == label.opportunity
        legs = {(leg.venue, leg.pair) for leg in found[0].route.legs}
        lands = min(t.ts_ms for t in ticks if (t.venue, t.pair) in legs and t.ts_ms >= label.ts_ms + COSTS.inclusion_delay_ms)
        then = reprice(found[0], latest([tick for tick in ticks if tick.ts_ms <= lands]), COSTS, lands)
        assert then is not None
        assert label.success == int(then.net_profit > 0)
        assert label.profit == (then.net_profit if then.net_profit > 0 else -then.revert_cost)


def latest(ticks: list[Tick]) -> list[Pool]:
    return [pool_of(tick) for tick in {(tick.venue, tick.pair): tick for tick in sorted(ticks, key=lambda tick: tick.ts_ms)}.values()]
