"""A collecting process of its own, to be killed: what a user's `arbml collect evm` does, in a process that starts at once."""

import random
import time
from pathlib import Path

from pydantic import SecretStr

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.block import BlockReader, Watching
from arbml.collectors.evm.collector import EvmCollector, Plan
from arbml.collectors.evm.transport import HttpRpc
from arbml.config import StoreConfig
from arbml.store import Store


def collect(url: str, watching: Watching, home: Path, database: str | None, from_block: int) -> None:
    """Collect until killed."""

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return False

    config = StoreConfig(connection_string=None if database is None else SecretStr(database))
    with Store.open(config, home) as store:
        reader = BlockReader(HttpRpc(url), 31_337, watching, SystemClock())
        plan = Plan(from_block=from_block, poll_s=0.01)
        EvmCollector(reader, plan, SystemClock(), stopwatch_s, wait, random.Random()).collect_into(store.chain)
