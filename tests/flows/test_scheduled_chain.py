"""The flow that `arbml schedule --pools` runs, with the parameters that it keeps, in a process of its own as the scheduler starts one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arbml.config import StoreConfig
from arbml.store import Store
from flows.deployments import deployments
from flows.evm import EvmSource
from tests.evm.collecting import CHAIN_ID, assert_same_chain, pool_file
from tests.evm.fixtures import needs_chain
from tests.evm.world import World

pytestmark = [needs_chain, pytest.mark.slow]
KEY, PASSWORD = "keyOfTheNodeInItsQuery", "passw0rdOfTheNode"
RUN = """
import json, sys
from pathlib import Path
from arbml.settings import load_settings
from flows.server import prefect_server

with prefect_server(load_settings().home_path):
    from flows.collect import scheduled_collection
    for _ in range(2):
        print(scheduled_collection(**json.loads(sys.argv[1])).reports[0].blocks)
"""


def test_it_collects_up_to_the_head_and_keeps_no_key(world: World, tmp_path: Path) -> None:
    for _ in range(3):
        world.move(world.pools[0], 20).succeeded()
    home, first = tmp_path / "home", world.tip - 3
    home.mkdir()
    source = EvmSource(pools=pool_file(world, tmp_path / "pools.toml"), from_block=first)
    kept = json.dumps(deployments({}, source)[0].runner.parameters)
    rpc = f"{world.url.replace('://', f'://user:{PASSWORD}@')}/?apikey={KEY}"
    environment = {**os.environ, "ML_HOME": str(home), "ETH_RPC_URL": rpc}
    done = subprocess.run([sys.executable, "-c", RUN, kept], env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["4", "0"]
    with Store.open(StoreConfig(), home) as store:
        assert_same_chain(world, store, first)
        assert len(store.chain.blocks(CHAIN_ID)) == 4
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.name == "prefect.db" for path in files), "the server's record"
    for text in (done.stderr, *(path.read_bytes().decode("latin-1") for path in files)):
        assert KEY not in text
        assert PASSWORD not in text
