"""Collecting processes that are killed at random moments, while the chain goes on and turns: nothing is lost, nothing twice."""

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from arbml.clock import SystemClock
from arbml.collectors.evm.head import Follower
from arbml.config import StoreConfig
from arbml.store import Store
from tests.evm.collecting import Traffic, assert_same_chain, reader
from tests.evm.collecting_child import collect
from tests.evm.fixtures import needs_chain
from tests.evm.test_following import drain
from tests.evm.world import World

pytestmark = [needs_chain, pytest.mark.slow]
KILLS = int(os.environ.get("ARBML_EVM_KILLS", "20"))
POSTGRES_KILLS = int(os.environ.get("ARBML_EVM_POSTGRES_KILLS", "5"))


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_kill_9_at_random_moments(world: World, tmp_path: Path, where: str, new_database: Callable[[], str]) -> None:
    rng = random.Random(11)
    database = new_database() if where == "postgresql" else None
    home, first = tmp_path / "home", world.tip
    found = reader(world, tmp_path)
    config = StoreConfig(connection_string=None if database is None else SecretStr(database))
    with Store.open(config, home) as store:  # made here, so that no time is spent on it below
        Follower(found, store.chain, SystemClock()).poll()
    processes = multiprocessing.get_context("fork")  # starts at once: a fresh interpreter would import for most of its life
    traffic = Traffic(world, rng)
    kills = KILLS if where == "sqlite" else POSTGRES_KILLS
    for _ in range(kills):
        child = processes.Process(target=collect, args=(world.url, found.watching, home, database, first))
        child.start()
        until = time.monotonic() + rng.uniform(0.05, 0.6)
        while time.monotonic() < until:
            traffic.step(reorg=0.1)
        assert child.is_alive(), "it ended by itself"
        child.kill()
        child.join()
    traffic.settle()
    with Store.open(config, home) as store:
        tip = store.chain.tip(31_337)
        assert tip is not None
        assert tip[0] > first + kills // 4, "the children stored next to nothing"
        drain(Follower(found, store.chain, SystemClock()))
        assert_same_chain(world, store, first)
