"""Ticks of a chain reach the workers of a service through Redis: after their commit, each once, and old blocks' not at all."""

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from arbml.clock import Clock, FixedClock, SystemClock, stopwatch_s
from arbml.collectors.evm.collector import EvmCollector, Plan
from arbml.config import StoreConfig
from arbml.errors import StoreUnavailable
from arbml.fanout import TickFeed
from arbml.fanout.stream import connect
from arbml.market import Tick
from arbml.serving.schemas import ObserveRequest
from arbml.store import Store
from flows.collect import _published
from tests.evm.collecting import reader
from tests.evm.fixtures import needs_chain
from tests.evm.world import World
from tests.fanout.server import Server, server
from tests.waiting import until

__all__ = ["server"]
pytestmark = needs_chain


class Breaking:
    """A chain store that fails now and then, before it takes anything."""

    def __init__(self, store: Store, rng: random.Random) -> None:
        self._chain, self._rng = store.chain, rng

    def __getattr__(self, name: str) -> object:
        if self._rng.random() < 0.3:
            raise StoreUnavailable("the database is away")
        return getattr(self._chain, name)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(StoreConfig(), tmp_path / "home") as opened:
        yield opened


def collect(world: World, tmp_path: Path, chain: object, clock: Clock, tell: Callable[[Tick], object] | None, **plan: object) -> int:
    collector = EvmCollector(
        reader(world, tmp_path), Plan(**plan), clock, stopwatch_s, lambda s: False, random.Random(2)  # type: ignore[arg-type]
    )
    return collector.collect_into(chain, tell=tell).new  # type: ignore[arg-type]


def moved(world: World, times: int) -> None:
    for _ in range(times):
        world.move(world.pools[0], 15).succeeded()


def test_ticks_are_told_once_each_after_the_commit(world: World, tmp_path: Path, store: Store, server: Server) -> None:
    first, seen = world.tip, list[Tick]()
    moved(world, 12)
    feed = TickFeed(connect(server.config), seen.extend).start()
    with _published(server.config) as tell:
        new = collect(world, tmp_path, Breaking(store, random.Random(3)), SystemClock(), tell, from_block=first, catch_up=True)
        until(lambda: len(seen) >= new)
    feed.stop()
    stored = store.ticks.read()
    assert new == len(stored) == len(seen)
    assert [(one.block_number, one.price) for one in seen] == list(zip(stored["block_number"], stored["price"], strict=True))
    later = [asdict(tick) for tick in seen] + [asdict(seen[-1]) | {"log_index": 25_000_000 * 65_536}]  # a block of the main chain
    assert len(ObserveRequest.model_validate({"ticks": later}).ticks) == len(later), "a worker takes them"


def test_ticks_of_old_blocks_are_stored_and_told_to_nobody(world: World, tmp_path: Path, store: Store) -> None:
    first, seen = world.tip, list[Tick]()
    moved(world, 3)
    later = FixedClock(world_ms(world) + 21 * 60_000)
    assert collect(world, tmp_path, store.chain, later, seen.append, from_block=first, catch_up=True) > 3
    assert seen == []


def test_after_a_reorganisation_the_new_blocks_ticks_follow(world: World, tmp_path: Path, store: Store) -> None:
    first, seen = world.tip, list[Tick]()
    moved(world, 3)
    collect(world, tmp_path, store.chain, SystemClock(), seen.append, from_block=first, catch_up=True)
    before = len(seen)
    world.reorg(2, lambda n: True)  # both swaps happen in the first of the new blocks
    world.mine()
    collect(world, tmp_path, store.chain, SystemClock(), seen.append, catch_up=True)
    assert [tick.block_number for tick in seen[before:]] == [first + 2]
    assert seen[before].price == seen[before - 1].price
    assert seen[before].ts_known_ms >= seen[before - 1].ts_known_ms


def world_ms(world: World) -> int:
    return int(world.block(world.tip)["timestamp"], 16) * 1000
