"""What becomes of attempts: drawn from the odds that are called true, and made by what happens in their block."""

import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from arbml.collectors.simulator.world import RivalSettings, World, WorldConfig, WorldFate
from arbml.collectors.simulator.world.attempts import FORKS
from arbml.config import changed
from arbml.errors import DataError
from arbml.market import Opportunity, Result, opportunity_from_dict

SEEDS = (11, 12, 13)
LAYER2 = ("uniswap_v3_op", "velodrome")
LAST_MS = WorldConfig().start_ts_ms + 3 * 3_600_000 - 60_000


@cache
def world(seed: int) -> World:
    """Six hours of the default world."""
    return World(WorldConfig(seed=seed, hours=6))


@cache
def sent(seed: int) -> pd.DataFrame:
    """Its executions, and the truth behind them."""
    rows = pd.concat(list(world(seed).executions()), ignore_index=True)
    return rows.merge(world(seed).truth(), on="request_id", validate="1:1")


@cache
def opportunities(seed: int) -> list[Opportunity]:
    return [opportunity_from_dict(json.loads(text)) for text in sent(seed)["opportunity"]]


def everything() -> pd.DataFrame:
    return pd.concat([sent(seed) for seed in SEEDS], ignore_index=True)


def auc(score: np.ndarray, y: np.ndarray) -> float:
    ranks = pd.Series(score).rank().to_numpy()
    return float((ranks[y].mean() - (y.sum() + 1) / 2) / (~y).sum())


def test_outcomes_are_drawn_from_the_true_probabilities() -> None:
    """The world that was drawn is one more of those that the odds were counted in, so outcome minus odds has mean 0 and known variance."""
    df = everything()
    p, y = df["success_probability"].to_numpy(), (df["result"] == "success").to_numpy()
    # odds from N forks are themselves uncertain: variance p (1 - p) (1 + 1 / N); a share may not fall below what N forks can tell
    variance = np.maximum(p * (1 - p), 1.0 / FORKS) * (1.0 + 1.0 / FORKS)
    assert abs(y.mean() - p.mean()) < 4 * math.sqrt(variance.sum()) / len(p)
    for part in np.array_split(np.argsort(p, kind="stable"), 8):
        assert abs(y[part].mean() - p[part].mean()) < 4 * math.sqrt(variance[part].sum()) / len(part)


def test_profits_are_drawn_around_the_true_expectation() -> None:
    df = everything()
    error = (df["profit"] - df["expected_profit"]).to_numpy()
    assert abs(error.mean()) < 4 * error.std() / math.sqrt(len(error))


def test_the_truth_tells_success_from_failure_but_not_perfectly() -> None:
    for seed in SEEDS:
        y = (sent(seed)["result"] == "success").to_numpy()
        assert 0.7 < auc(sent(seed)["success_probability"].to_numpy(), y) < 0.95


def test_whoever_sends_the_same_opportunity_meets_the_same_fate() -> None:
    fate, rows = WorldFate(world(11)), sent(11)
    assert len(rows) > 60
    for row, found in zip(rows.itertuples(), opportunities(11), strict=True):
        assert fate.outcome(found, "any", row.ts_ms, row.ts_ms + 5_000) == (Result(row.result), row.profit)
        assert fate.success_probability(found, row.ts_ms) == row.success_probability
        assert fate.expected_profit(found, row.ts_ms) == row.expected_profit


def test_questions_in_any_order_get_the_same_answer() -> None:
    again, rows = World(world(12).config), sent(12)
    for row, found in reversed(list(zip(rows.itertuples(), opportunities(12), strict=True))):
        landed = again.attempts.land(found, row.ts_ms)
        assert (landed.result.value, landed.profit) == (row.result, row.profit)


def test_an_attempt_lands_in_the_first_block_that_it_can_reach() -> None:
    config = world(11).config
    for found in opportunities(11):
        landed = world(11).attempts.land(found, found.ts_ms)
        block_s = 2 if found.route.legs[0].venue in LAYER2 else 12
        assert (landed.ts_ms - config.start_ts_ms) % (block_s * 1000) == 0
        assert config.bot.latency_ms <= landed.ts_ms - found.ts_ms < config.bot.latency_ms + block_s * 1000


def test_a_higher_bid_wins_more_often_and_costs_more() -> None:
    """Where there is something to win, the place in the block is what the bid buys; what it costs is paid on reverts, too."""
    attempts, low, high, lost = world(11).attempts, [], [], []
    rich = [found for found in opportunities(11) if found.net_profit > 2.0 * found.gas_cost and found.route.legs[0].venue not in LAYER2]
    for found in rich[:80]:
        per_gwei = found.gas_cost / found.gas_price_gwei
        bids = [0.5 + share * found.net_profit / per_gwei for share in (0.0, 0.6)]
        few, many = (attempts.odds(found, found.ts_ms, tip_gwei=bid) for bid in bids)
        low.append(few.success)
        high.append(many.success)
        results = [attempts.land(found, found.ts_ms, bid) for bid in bids]
        if all(landed.result is Result.REVERTED for landed in results):
            lost.append(results[0].profit - results[1].profit)
    assert np.mean(high) > np.mean(low) + 0.1
    assert min(lost) > 0.0


def test_a_bid_below_the_base_fee_never_lands() -> None:
    found = opportunities(11)[0]
    poor = replace(found, gas_price_gwei=0.3 * found.gas_price_gwei)
    assert world(11).attempts.odds(poor, found.ts_ms).success == 0.0
    assert world(11).attempts.land(poor, found.ts_ms)[:2] == (Result.FAILED, 0.0)


def probability(**rivals: float) -> float:
    """The mean probability of one world's opportunities in a world that differs in nothing but its rivals."""
    other = World(changed(world(11).config, hours=3.0, rivals=changed(RivalSettings(), **rivals)))
    early = [found for found in opportunities(11) if found.ts_ms < LAST_MS]
    assert len(early) > 20
    return float(np.mean([other.attempts.odds(found, found.ts_ms).success for found in early]))


def test_competition_and_the_age_of_an_edge_decide() -> None:
    """The very same opportunities, sent into worlds that differ in nothing but the rivals' settings."""
    usual = probability()
    assert probability(count=0) > usual + 0.01
    assert probability(count=6, reaction_s=15.0) < usual - 0.02
    assert probability(latency_s=60.0) > usual + 0.01, "who needs a minute is too late for all but the oldest edges"


def test_success_falls_with_competition_volatility_and_age() -> None:
    """Rank correlations over all attempts, chain by chain. What pays much is fought for, so it succeeds less often."""
    tables = []
    for seed in SEEDS:
        one, found = world(seed), opportunities(seed)
        paths, polls = one.paths(), [(each.ts_ms - one.config.start_ts_ms) // 5000 for each in found]
        mainnet = sent(seed)["chain_id"].to_numpy() == 1
        eager = np.where(mainnet, paths["competition_1"].to_numpy()[polls], paths["competition_10"].to_numpy()[polls])
        volatility, net = paths["volatility_WETH"].to_numpy()[polls], [each.net_profit for each in found]
        p = sent(seed)["success_probability"]
        tables.append(pd.DataFrame({"p": p, "mainnet": mainnet, "eager": eager, "volatility": volatility, "net": net}))
    for _, chain in pd.concat(tables).groupby("mainnet"):
        ranks = chain.rank()
        assert ranks["eager"].corr(ranks["p"]) < -0.15
        assert ranks["volatility"].corr(ranks["p"]) < 0.0
        assert ranks["net"].corr(ranks["p"]) < -0.1


def test_there_is_no_fate_outside_of_the_world() -> None:
    fate, found = WorldFate(world(11)), opportunities(11)[0]
    start_ms = world(11).config.start_ts_ms
    for moment in (start_ms - 1, start_ms + 6 * 3_600_000):
        with pytest.raises(DataError, match="take more hours"):
            fate.outcome(found, "late", moment, moment)
    stranger = replace(found, route=replace(found.route, legs=(replace(found.route.legs[0], venue="nowhere"), *found.route.legs[1:])))
    with pytest.raises(DataError, match="on nowhere"):
        fate.outcome(stranger, "lost", found.ts_ms, found.ts_ms)


def test_a_route_over_two_chains_never_lands() -> None:
    found = next(one for one in opportunities(11) if one.route.pairs == ("WETH/USDC",))
    legs = (replace(found.route.legs[0], venue="velodrome"), replace(found.route.legs[1], venue="sushiswap"))
    across = replace(found, route=replace(found.route, legs=legs))
    assert WorldFate(world(11)).outcome(across, "no", found.ts_ms, found.ts_ms) == (Result.FAILED, 0.0)
    assert WorldFate(world(11)).success_probability(across, found.ts_ms) == 0.0
