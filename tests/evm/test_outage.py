"""The database goes away while blocks are mined, or its disk is full: nothing is lost, nothing twice, and it is said."""

import logging
import multiprocessing
import os
import random
import resource
import time
from pathlib import Path

import pytest

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.block import BlockReader
from arbml.collectors.evm.collector import EvmCollector, Plan
from arbml.collectors.evm.head import Follower
from arbml.config import StoreConfig
from arbml.errors import StoreUnavailable
from arbml.store import Store
from tests.evm.collecting import CHAIN_ID, Traffic, assert_same_chain, reader
from tests.evm.fixtures import needs_chain
from tests.evm.outage import Running
from tests.evm.test_following import drain
from tests.evm.world import World
from tests.mortal_postgres import MortalPostgres, mortal_postgres
from tests.waiting import until

__all__ = ["mortal_postgres"]

pytestmark = [needs_chain, pytest.mark.slow]
OUTAGE_S = float(os.environ.get("ARBML_EVM_OUTAGE_S", "4"))


def test_a_database_that_is_killed_under_load(
    world: World, mortal_postgres: MortalPostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    traffic, first = Traffic(world, random.Random(12)), world.tip
    with Store.open(mortal_postgres.database("killed"), tmp_path / "home") as store:

        def caught_up() -> bool:
            tip = store.chain.tip(CHAIN_ID)
            return tip is not None and tip[1] == world.block(world.tip)["hash"]

        running = Running(reader(world, tmp_path), store, Plan(from_block=first, poll_s=0.02))
        with caplog.at_level(logging.WARNING):
            traffic.calm(15)
            until(caught_up, 60)
            stored = world.tip
            mortal_postgres.kill()
            world.reorg(4)
            end = time.monotonic() + OUTAGE_S
            while time.monotonic() < end:
                traffic.step(reorg=0.03)
            mortal_postgres.start()
            for _ in range(10):
                traffic.step()
            traffic.settle()
            until(caught_up, 60)
            report = running.stop()
        assert_same_chain(world, store, first)
        assert stored - 4 in store.chain.reorgs(CHAIN_ID)["number"].tolist(), "the reorganisation during the outage"
        assert report.blocks - report.orphaned == world.tip - first + 1
    print(f"{world.tip - stored} blocks during {OUTAGE_S:g} s and after, {report.orphaned} orphaned, {len(caplog.records)} warnings")
    assert "check that the server runs" in caplog.text
    assert "goes on after" in caplog.text


def _until_it_is_full(found: BlockReader, home: Path, first: int, bytes_: int, said: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))
    with Store.open(StoreConfig(), home) as store:
        plan = Plan(from_block=first, to_block=first + 10_000, poll_s=0.01, patience_s=0.5)
        try:
            EvmCollector(found, plan, SystemClock(), stopwatch_s, lambda s: bool(time.sleep(s)), random.Random()).collect_into(store.chain)
        except StoreUnavailable as error:
            said.write_text(str(error))


def test_a_full_disk_is_said_and_the_store_goes_on_when_there_is_room(world: World, tmp_path: Path) -> None:
    traffic, first, home = Traffic(world, random.Random(13)), world.tip, tmp_path / "home"
    found, said = reader(world, tmp_path), tmp_path / "said"
    with Store.open(StoreConfig(), home) as store:
        Follower(found, store.chain, SystemClock()).poll(first=first, last=first)
    room = max(path.stat().st_size for path in home.iterdir()) + 100_000
    child = multiprocessing.get_context("fork").Process(target=_until_it_is_full, args=(found, home, first, room, said))
    child.start()
    until_blocks = world.tip + 60
    while world.tip < until_blocks:
        traffic.step(reorg=0.05)
    traffic.settle()
    child.join(30)
    assert child.exitcode == 0
    assert "nothing of this write was kept" in said.read_text()
    assert "\n" not in said.read_text()
    with Store.open(StoreConfig(), home) as store:
        tip = store.chain.tip(CHAIN_ID)
        assert tip is not None
        assert first < tip[0] < world.tip
        drain(Follower(found, store.chain, SystemClock()))
        assert_same_chain(world, store, first)
