"""The store against the canonical chain after everything that may happen on one: row for row, price for price."""

import itertools
import os
import random
from fractions import Fraction
from pathlib import Path

import pytest

from arbml.clock import SystemClock
from arbml.collectors.evm.head import Follower
from arbml.config import StoreConfig
from arbml.store import Store
from tests.evm.collecting import CHAIN_ID, Traffic, assert_same_chain, reader
from tests.evm.fixtures import needs_chain
from tests.evm.world import World

pytestmark = needs_chain
BLOCKS = int(os.environ.get("ARBML_EVM_BLOCKS", "150"))


def drain(follower: Follower) -> list[int]:
    """Poll until there is nothing left; return how many blocks each reorganisation that was met took out."""
    met = []
    while True:
        polled = follower.poll()
        met += [reorg.blocks for reorg in polled.reorgs]
        if not polled.units and not polled.reorgs:
            return met


@pytest.mark.slow
def test_the_store_equals_the_canonical_chain(world: World, tmp_path: Path) -> None:
    rng = random.Random(7)
    traffic = Traffic(world, rng)
    first, reorgs = world.tip, list[int]()
    with Store.open(StoreConfig(), tmp_path / "home") as store:
        follower = Follower(reader(world, tmp_path), store.chain, SystemClock())
        drain(follower)
        for depth in itertools.cycle(range(1, 6)):
            until = world.tip + max(6, BLOCKS // 15)
            while world.tip < until:
                traffic.step()
                if rng.random() < 0.5:  # now and then it falls behind
                    reorgs += drain(follower)
            reorgs += _turned(traffic, follower, depth)
            if depth == 5 and world.tip >= first + BLOCKS:
                break
        traffic.settle()
        reorgs += drain(follower)
        assert_same_chain(world, store, first)
        assert set(reorgs) == {1, 2, 3, 4, 5}
        _assert_executions(traffic, store, first)
        events, done = store.chain.events(CHAIN_ID), store.executions.read()["result"].value_counts().to_dict()
        kinds = events["kind"].value_counts().to_dict()
        depths = {n: reorgs.count(n) for n in sorted(set(reorgs))}
        print(f"{world.tip - first} blocks, {len(events)} events {kinds}, executions {done}, reorganisations by blocks {depths}")
        _assert_prices(world, store, rng)


def _turned(traffic: Traffic, follower: Follower, depth: int) -> list[int]:
    """Let the chain turn away from exactly so many stored blocks; empty ones may come out the same again."""
    for _ in range(depth):
        traffic.swap()
        traffic.mined()
    met = drain(follower)
    traffic.world.reorg(depth)
    return met + drain(follower)


def _assert_executions(traffic: Traffic, store: Store, first: int) -> None:
    world, found = traffic.world, store.executions.read().set_index("request_id")
    landed = {}
    for sent in traffic.attempts:
        receipt = world.chain.ask("eth_getTransactionReceipt", sent.hash)
        if receipt is not None and int(receipt["blockNumber"], 16) > first:
            landed[sent.hash] = receipt
    assert landed
    assert set(landed) <= set(found.index)
    for hash_, receipt in landed.items():
        row = found.loc[hash_]
        assert row["result"] == ("success" if receipt["status"] == "0x1" else "reverted")
        assert row["gas_used"] == int(receipt["gasUsed"], 16)
        if row["result"] == "success":
            _assert_profit(world, row, receipt)


def _assert_profit(world: World, row: object, receipt: dict) -> None:
    """The executor itself says what it gained; the gas goes off at the price of one of the pools."""
    log = next(log for log in receipt["logs"] if log["address"].lower() == world.made.executor.address.lower())
    gained = int(log["data"][-64:], 16) / 1e6
    gas = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16) / 1e18
    assert row["profit_token"] == "USDC"
    assert (gained - row["profit"]) / gas == pytest.approx(2000, rel=0.5)


def _assert_prices(world: World, store: Store, rng: random.Random) -> None:
    by_address = {pool.address.lower(): pool for pool in world.pools}
    ticks = store.ticks.read()
    states = store.chain.states(CHAIN_ID).set_index(["block_number", "pool"])
    for row in rng.sample(list(ticks.itertuples()), min(40, len(ticks))):
        pool, number = by_address[row.pool], int(row.block_number)
        state = states.loc[(number, row.pool)]
        if pool.kind == "v2":
            reserve0, reserve1 = world.reserves(pool, number)
            assert (state["reserve0"], state["reserve1"]) == (reserve0, reserve1)
            ratio = Fraction(reserve1, reserve0)
        else:
            root, tick = world.slot0(pool, number)
            liquidity = world.liquidity(pool, number)
            assert (state["sqrt_price_x96"], state["tick"], state["liquidity"]) == (root, tick, liquidity)
            ratio = Fraction(root, 2**96) ** 2
        ratio *= Fraction(10**pool.token0.decimals, 10**pool.token1.decimals)  # token1 per token0, whole tokens
        exact = ratio if row.pair.startswith(pool.token0.symbol + "/") else 1 / ratio
        assert row.price == exact.numerator / exact.denominator
