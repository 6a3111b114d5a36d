"""A whole collection from the command line through nodes that fail and repeat the key: it is shown and kept nowhere."""

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.evm import faults
from tests.evm.collecting import pool_file
from tests.evm.fixtures import needs_chain
from tests.evm.proxy import Fault, proxied
from tests.evm.world import World

KEY, USER, PASSWORD, QUERY = "k3yInThePath0123", "us3rOfTheNode", "passw0rdOfTheNode", "k3yInTheQuery77"
ALL = f"a bad key {KEY} of {USER}:{PASSWORD}, {QUERY}, in http://{USER}:{PASSWORD}@127.0.0.1/v3/{KEY}?apikey={QUERY}"


def run(home: Path, rpc: str, arguments: Sequence[object]) -> subprocess.CompletedProcess[str]:
    home.mkdir()
    environment = {**os.environ, "ML_HOME": str(home), "ETH_RPC_URL": rpc}
    command = [sys.executable, "-m", "arbml", "--debug", "collect", "evm", *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=120, check=False)


@needs_chain
@pytest.mark.slow
def test_keys_of_nodes_are_shown_and_kept_nowhere(world: World, tmp_path: Path) -> None:
    pool, usdc = world.pool("uniswap_v2", "USDC", "WETH"), world.tokens["USDC"]
    first = world.tip
    for _ in range(5):
        assert world.swap(pool, usdc, 10**6).ok
    pools = pool_file(world, tmp_path / "pools.toml")
    flaky = [faults.dropped, faults.says(-32005, f"rate limit of {KEY}"), faults.says(-32603, f"internal error: {ALL}")]
    plans: list[tuple[Fault, int]] = [
        (faults.at_random(random.Random(1), 0.3, flaky), 0), (faults.says(-32000, ALL), 2),
    ]  # fmt: skip
    arguments = ("--pools", pools, "--from-block", first, "--to-block", world.tip)
    said: list[str] = []
    with proxied(world.url) as proxy:
        keyed = proxy.url.replace("://", f"://{USER}:{PASSWORD}@") + f"/v3/{KEY}?apikey={QUERY}"
        rpc = f"{keyed},{world.ws_url.replace('://', f'://{USER}:{PASSWORD}@')}/{KEY}"
        for fault, status in plans:
            proxy.fault = fault
            done = run(tmp_path / f"home{len(said)}", rpc, arguments)
            said.append(done.stdout + done.stderr)
            assert done.returncode == status, said[-1]
        assert f"apikey={QUERY}" in proxy.paths[-1]
    for text in [*said, *(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())]:
        assert not [secret for secret in (KEY, USER, PASSWORD, QUERY) if secret in text]
    assert proxy.url in said[1]
    assert "a bad key ***" in said[1]
    assert "Traceback" in said[1]
