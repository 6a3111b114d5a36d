"""The chain of a soak, in a process of its own: says its URL and pool file, then after each block how many events it has made.

    python -m benchmarks.soak_chain RATE FOLDER
"""

import json
import signal
import sys
import time
import urllib.request
from pathlib import Path

from tests.evm.collecting import pool_file
from tests.evm.sending import DEADLINE
from tests.evm.world import World, started_world

BLOCK_S = 0.5
EVENTS_PER_SWAP = 2  # Sync and Swap


def main(rate: int, folder: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the node ends too
    with started_world() as world:
        world.chain.ask("evm_setBlockGasLimit", hex(10**10))  # far from full, so that the base fee stays where it is
        path = pool_file(world, folder / "pools.toml")
        print(json.dumps([world.url, str(path), world.tip]), flush=True)
        world.chain.ask("evm_setAutomine", False)
        calls, count, began = _swaps(world), 0, time.perf_counter()
        nonce = int(world.chain.ask("eth_getTransactionCount", world.actors["trader"], "latest"), 16)
        while True:
            time.sleep(max(0.0, began + BLOCK_S - time.perf_counter()))
            due = int(rate * BLOCK_S / EVENTS_PER_SWAP)
            began = time.perf_counter()
            _send(world.url, [calls[n % len(calls)] | {"nonce": hex(nonce + n)} for n in range(count, count + due)])
            world.chain.ask("evm_mine")
            count += due
            print(count * EVENTS_PER_SWAP, flush=True)


def _swaps(world: World) -> list[dict[str, str]]:
    """To and fro in each v2 pool: what goes in stays in proportion, so that no pool runs dry for hours."""
    who, calls = world.actors["trader"], []
    for pool in (pool for pool in world.pools if pool.kind == "v2"):
        router = world.made.routers[pool.venue]
        for one, other in ((pool.token0, pool.token1), (pool.token1, pool.token0)):
            amount = world.reserves(pool)[0 if one is pool.token0 else 1] // 100_000
            data = router.data("swapExactTokensForTokens", amount, 0, [one.address, other.address], who, DEADLINE)
            calls.append({"from": who, "to": router.address, "data": data, "gas": hex(200_000), "gasPrice": hex(10**11)})
    return calls


def _send(url: str, calls: list[dict[str, str]]) -> None:
    asked = [{"jsonrpc": "2.0", "id": n, "method": "eth_sendTransaction", "params": [call]} for n, call in enumerate(calls)]
    request = urllib.request.Request(url, json.dumps(asked).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        refused = [one["error"] for one in json.load(answer) if "error" in one]
    assert not refused, refused[0]


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
