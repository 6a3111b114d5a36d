"""The whole collector: backfill and head, through nodes that fail in every way, stopped and started again."""

import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.block import BlockReader
from arbml.collectors.evm.collector import ChainReport, EvmCollector, Plan
from arbml.collectors.evm.pace import Limits
from arbml.collectors.evm.providers import Providers
from arbml.config import StoreConfig
from arbml.errors import ConfigError, SourceError, StoreUnavailable, TransientError
from arbml.store import Store
from tests.evm import faults
from tests.evm.collecting import CHAIN_ID, Traffic, assert_same_chain, reader
from tests.evm.fixtures import needs_chain
from tests.evm.proxy import Fault, proxied
from tests.evm.world import World

pytestmark = needs_chain
LIMITS = Limits(requests_per_s=1e6, back_off_s=0.005, longest_s=0.02, tries=6)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(StoreConfig(), tmp_path / "home") as opened:
        yield opened


def collect(found: BlockReader, store: Store, **plan: object) -> ChainReport:
    def wait(seconds: float) -> bool:
        time.sleep(min(seconds, 0.01))
        return False

    collector = EvmCollector(found, Plan(**plan), SystemClock(), stopwatch_s, wait, random.Random(1))  # type: ignore[arg-type]
    return collector.collect_into(store.chain)


def through(world: World, tmp_path: Path, *urls: str) -> BlockReader:
    """A reader that asks these URLs."""
    return BlockReader(Providers(urls, limits=LIMITS), CHAIN_ID, reader(world, tmp_path).watching, SystemClock())


def busy(world: World, blocks: int, seed: int) -> Traffic:
    traffic, until = Traffic(world, random.Random(seed)), world.tip + blocks
    while world.tip < until:
        traffic.step(reorg=0.0)
    traffic.settle()
    return traffic


def test_old_blocks_in_ranges_then_the_head(world: World, tmp_path: Path, store: Store) -> None:
    first = world.tip
    busy(world, 60, seed=1)
    with proxied(world.url, faults.at_most_blocks(7)) as proxy:
        found = through(world, tmp_path, proxy.url)
        report = collect(found, store, from_block=first, to_block=world.tip)
        assert proxy.count("eth_getLogs") > 5
    assert report.blocks == world.tip - first + 1
    assert report.tip == world.tip
    assert report.new == len(store.ticks.read())
    assert_same_chain(world, store, first)
    again = collect(found, store, to_block=world.tip)
    assert again.blocks == 0


def test_ranges_and_single_blocks_give_the_same_rows(world: World, tmp_path: Path, store: Store) -> None:
    first = world.tip
    busy(world, 45, seed=2)
    found = reader(world, tmp_path)
    collect(found, store, from_block=first, to_block=world.tip)  # the last blocks come one by one
    with Store.open(StoreConfig(), tmp_path / "other") as other:
        for number in range(first, world.tip + 1):
            collect(found, other, from_block=first, to_block=number)
        for read in ("events", "states", "blocks"):
            one, two = (getattr(kept.chain, read)(CHAIN_ID, first + 1).drop(columns="ts_known_ms") for kept in (store, other))
            assert one.to_dict("list") == two.to_dict("list")
        columns = ["ts_ms", "venue", "pair", "price", "volume", "reserve_base", "reserve_quote", "gas_price_gwei", "log_index"]
        ticks = [kept.ticks.read() for kept in (store, other)]
        one, two = (df.loc[df["block_number"] > first, columns] for df in ticks)
        assert sorted(one.itertuples(index=False, name=None)) == sorted(two.itertuples(index=False, name=None))
        done = [kept.executions.read().drop(columns="ts_known_ms").sort_values("request_id") for kept in (store, other)]
        assert len(done[0])
        assert done[0]["request_id"].tolist() == done[1]["request_id"].tolist()
        assert done[0]["profit"].tolist() == done[1]["profit"].tolist()


FAULTS: dict[str, Fault] = {
    "dropped sockets": faults.dropped,
    "429": faults.status(429, {"Retry-After": "0"}),
    "5xx": faults.status(503),
    "half a response": faults.half,
    "half a batch": faults.half_batch,
    "malformed JSON": faults.malformed,
    "no HTTP": faults.garbage,
    "block unknown": faults.says(-32000, "unknown block"),
    "rate limit in JSON": faults.says(-32005, "rate limit exceeded"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_through_a_node_that_fails(world: World, tmp_path: Path, store: Store, fault: str) -> None:
    first, rng = world.tip, random.Random(3)
    with proxied(world.url) as proxy:
        found = through(world, tmp_path, proxy.url)
        collect(found, store, from_block=first, to_block=first)
        proxy.fault = faults.at_random(rng, 0.3, [FAULTS[fault]])
        for seed in range(3):
            busy(world, 5, seed)
            collect(found, store, to_block=world.tip, patience_s=20.0)
            world.reorg(seed + 1)
            world.mine(2)
        collect(found, store, to_block=world.tip, patience_s=20.0)
    assert_same_chain(world, store, first)
    assert len(store.chain.reorgs(CHAIN_ID)) >= 2  # an empty block may come out the same again


def test_a_node_that_stands_still_is_no_reorganisation(world: World, tmp_path: Path, store: Store) -> None:
    first = world.tip
    busy(world, 6, seed=4)
    with proxied(world.url) as proxy:
        found = through(world, tmp_path, proxy.url)
        collect(found, store, from_block=first, to_block=world.tip)
        tip = world.tip
        proxy.fault = faults.stale(tip - 3)
        collect(found, store, for_s=0.2)
        assert store.chain.tip(CHAIN_ID)[0] == tip
        busy(world, 4, seed=5)
        proxy.fault = None
        collect(found, store, to_block=world.tip)
    assert len(store.chain.reorgs(CHAIN_ID)) == 0
    assert_same_chain(world, store, first)


def test_a_block_of_the_same_height_is_noticed(world: World, tmp_path: Path, store: Store) -> None:
    first = world.tip
    busy(world, 3, seed=6)
    found = reader(world, tmp_path)
    collect(found, store, from_block=first, to_block=world.tip)
    before = time.time_ns() // 1_000_000
    time.sleep(0.005)
    rows = len(store.ticks.read())
    world.reorg(2)
    collect(found, store, for_s=0.1)
    assert_same_chain(world, store, first)
    assert len(store.ticks.read()) < rows
    assert len(store.ticks.read(as_of_ms=before)) == rows


def test_confirmations_are_waited_for(world: World, tmp_path: Path, store: Store) -> None:
    first = world.tip
    busy(world, 10, seed=7)
    collect(reader(world, tmp_path), store, from_block=first, confirmations=4, for_s=0.2)
    assert store.chain.tip(CHAIN_ID)[0] == world.tip - 4
    world.reorg(4)
    collect(reader(world, tmp_path), store, from_block=first, confirmations=4, for_s=0.2)
    assert len(store.chain.reorgs(CHAIN_ID)) == 0


def test_another_chain_is_refused(world: World, tmp_path: Path, store: Store) -> None:
    busy(world, 12, seed=8)
    collect(reader(world, tmp_path), store, from_block=world.tip - 8, to_block=world.tip)
    world.reorg(8)
    with pytest.raises(SourceError, match="not on the node's chain"):
        collect(reader(world, tmp_path), store, to_block=world.tip + 1, max_reorg=5)


def test_a_gap_is_refused(world: World, tmp_path: Path, store: Store) -> None:
    collect(reader(world, tmp_path), store, from_block=world.tip, to_block=world.tip)
    with pytest.raises(ConfigError, match="would leave a gap"):
        collect(reader(world, tmp_path), store, from_block=world.tip + 50, to_block=world.tip + 60)


def test_patience_ends(world: World, tmp_path: Path, store: Store) -> None:
    with proxied(world.url, faults.status(503)) as proxy, pytest.raises(TransientError):
        collect(through(world, tmp_path, proxy.url), store, from_block=0, to_block=3, patience_s=0.1)


class Flaky:
    """A chain store that is away now and then."""

    def __init__(self, store: Store, fail: Iterator[bool]) -> None:
        self._chain, self._fail = store.chain, fail

    def __getattr__(self, name: str) -> object:
        if next(self._fail):
            raise StoreUnavailable("the database is away")
        return getattr(self._chain, name)


def test_a_database_that_is_away_for_a_while(world: World, tmp_path: Path, store: Store) -> None:
    first = world.tip
    busy(world, 40, seed=9)
    rng = random.Random(10)
    flaky = Flaky(store, (rng.random() < 0.3 for _ in itertools.count()))
    collector = EvmCollector(
        reader(world, tmp_path), Plan(from_block=first, to_block=world.tip), SystemClock(), stopwatch_s, lambda s: False, rng
    )
    collector.collect_into(flaky)  # type: ignore[arg-type]
    assert_same_chain(world, store, first)
