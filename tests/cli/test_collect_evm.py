"""`arbml collect evm` as a user runs it: against a local chain, twice, and with what is wrong."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from arbml.config import StoreConfig
from arbml.store import Store
from tests.cli.interrupting import interrupted
from tests.evm.collecting import Traffic, pool_file
from tests.evm.fixtures import needs_chain
from tests.evm.world import World

pytestmark = [needs_chain, pytest.mark.slow]


def arbml(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "arbml", "--home", str(home), "--json", "collect", "evm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.usefixtures("given_prefect")
def test_blocks_are_collected_and_gone_on_with(world: World, tmp_path: Path) -> None:
    first = world.tip
    traffic = Traffic(world, random.Random(1))
    traffic.calm(10)
    pools, home = str(pool_file(world, tmp_path / "pools.toml")), tmp_path / "home"
    asked = ["--rpc", f"{world.url},{world.ws_url}", "--pools", pools, "--watch", world.made.executor.address]
    done = arbml(home, *asked, "--from-block", str(first), "--catch-up", "--rate", "1000", "--concurrency", "1")
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)["collected"]
    assert (report["blocks"], report["tip"]) == (world.tip - first + 1, world.tip)
    assert len(report["streams"]) == len(world.pools)
    _goes_on_until_a_signal(world, home, asked, report["blocks"])


def _goes_on_until_a_signal(world: World, home: Path, asked: list[str], before: int) -> None:
    """The first signal ends it after the block at hand, and what it says shows how far it was."""
    world.mine(3)
    arguments = ["--home", str(home), "collect", "evm", *asked]
    out, said = interrupted(arguments, home.parent, lambda: stored(home) >= before + 3, signal.SIGTERM, 90)
    assert "3 blocks, 0 orphaned" in out
    assert f"block {world.tip} at " in said


def stored(home: Path) -> int:
    if not (home / "arbml.db").exists():
        return 0
    with Store.open(StoreConfig(), home) as store:
        return len(store.chain.blocks(31_337))


def test_what_is_wrong_is_one_line_without_the_key(world: World, tmp_path: Path) -> None:
    pools = str(pool_file(world, tmp_path / "pools.toml"))
    for rpc, file, code, message in (
        (world.url + "/secretkey", str(tmp_path / "none.toml"), 2, "no such file"),
        ("ws://127.0.0.1:1/secretkey", pools, 2, "at least one http"),
        ("ftp://127.0.0.1/secretkey", pools, 2, "http"),
    ):
        done = arbml(tmp_path / "home", "--rpc", rpc, "--pools", file, "--for", "1")
        assert done.returncode == code, done.stderr
        assert message in done.stderr
        assert "secretkey" not in done.stderr + done.stdout
