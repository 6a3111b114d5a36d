"""`arbml collect evm` as a user runs it: against a local chain, twice, and with what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

from tests.evm.collecting import Traffic, pool_file
from tests.evm.fixtures import needs_chain
from tests.evm.world import World

pytestmark = needs_chain


def arbml(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "arbml", "--home", str(home), "--json", "collect", "evm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_blocks_are_collected_and_gone_on_with(world: World, tmp_path: Path) -> None:
    import random

    first = world.tip
    traffic = Traffic(world, random.Random(1))
    for _ in range(10):
        traffic.step(reorg=0.0)
    traffic.settle()
    pools = str(pool_file(world, tmp_path / "pools.toml"))
    asked = ["--rpc", f"{world.url},{world.ws_url}", "--pools", pools, "--watch", world.made.executor.address]
    done = arbml(tmp_path / "home", *asked, "--from-block", str(first), "--to-block", str(world.tip))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["collected"]
    assert (report["blocks"], report["tip"]) == (world.tip - first + 1, world.tip)
    assert len(report["streams"]) == len(world.pools)
    world.mine(3)
    again = arbml(tmp_path / "home", *asked, "--to-block", str(world.tip))
    assert json.loads(again.stdout)["collected"]["blocks"] == 3


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
