"""A collector on the local chain, traffic for it, and what the store must hold in the end, worked out by web3."""

import contextlib
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from web3 import Web3

from arbml.clock import SystemClock
from arbml.collectors.evm.block import BlockReader, Watching
from arbml.collectors.evm.decoding import TOPICS
from arbml.collectors.evm.discovery import discover
from arbml.collectors.evm.pools import read_pool_file
from arbml.collectors.evm.rpc import Rpc
from arbml.collectors.evm.transport import HttpRpc
from tests.evm.artifacts import uniswap
from tests.evm.deployment import Pool
from tests.evm.sending import Sent
from tests.evm.world import World

CHAIN_ID = 31_337
KINDS = {"v2": {"Sync": "sync", "Swap": "swap", "Mint": "mint", "Burn": "burn"},
         "v3": {"Swap": "swap3", "Mint": "mint3", "Burn": "burn3", "Initialize": "initialize"}}  # fmt: skip


def venue(pool: Pool) -> str:
    """The name under which a pool is collected."""
    return pool.venue if pool.kind == "v2" else f"{pool.venue}_{pool.fee_ppm // 100}bps"


def pool_file(world: World, path: Path, pools: Sequence[Pool] | None = None) -> Path:
    """Write a pool file of these pools (all of the world without)."""
    entries = [f'[[pool]]\naddress = "{pool.address}"\nvenue = "{venue(pool)}"\n' for pool in (world.pools if pools is None else pools)]
    path.write_text("\n".join(entries))
    return path


def watching(world: World, rpc: Rpc, home: Path) -> Watching:
    """What the tests collect: all pools, and the executor's and the flash contract's attempts."""
    home.mkdir(exist_ok=True)
    pools = discover(rpc, read_pool_file(pool_file(world, home / "pools.toml")), home)
    watch = frozenset({world.made.executor.address.lower(), world.made.flash.address.lower()})
    return Watching({pool.address: pool for pool in pools}, watch)


def reader(world: World, home: Path, rpc: Rpc | None = None) -> BlockReader:
    """A reader of the world's chain."""
    rpc = rpc or HttpRpc(world.url)
    return BlockReader(rpc, CHAIN_ID, watching(world, rpc, home), SystemClock())


class Traffic:
    """Everything that may happen, drawn at random; remembers the executor's attempts."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.attempts: list[Sent] = []
        world.mine(6)  # no reorganisation reaches below the snapshot that the test goes back to

    def step(self, reorg: float = 0.04) -> None:
        """Add about one block; sometimes replace the last ones."""
        act = self.rng.choices(
            (self.swap, self.liquidity, self.arbitrage, self.revert, self.crowd, self.world.mine), (8, 4, 1.5, 1, 1.5, 1)
        )[0]
        act()
        if self.rng.random() < reorg:
            self.mined()  # a transaction that is mined meanwhile leaves a hole in anvil's chain
            kept = self.rng.random()
            with contextlib.suppress(AssertionError):
                self.world.reorg(self.rng.randint(1, 5), lambda _: self.rng.random() < kept)

    def calm(self, steps: int) -> None:
        """Take so many steps without a reorganisation, and let all of it be mined."""
        for _ in range(steps):
            self.step(reorg=0.0)
        self.settle()

    def swap(self) -> None:
        self.world.move(self.rng.choice(self.world.pools), self.rng.choice((-1, 1)) * self.rng.uniform(5, 80), self._trader())

    def liquidity(self) -> None:
        pool = self.rng.choice(self.world.pools)
        amounts = [token.units(self.rng.randint(1, 300)) for token in (pool.token0, pool.token1)]
        if pool.kind == "v2":
            if self.rng.random() < 0.5:
                self.world.add_v2(pool, *amounts)
            else:
                self.world.remove_v2(pool, self.rng.uniform(0.001, 0.05))
        elif self.rng.random() < 0.5:
            self.world.mint_v3(pool, *amounts, spacings=self.rng.randint(1, 20))
        elif positions := self.world.positions():
            self.world.burn_v3(self.rng.choice(positions), self.rng.uniform(0.1, 0.9))

    def arbitrage(self) -> None:
        one, other = self.pair()
        usdc = self.world.tokens["USDC"]
        with contextlib.suppress(AssertionError):
            self.attempts.append(self.world.arbitrage(one, other, usdc, usdc.units(self.rng.randint(100, 3000))))

    def revert(self) -> None:
        usdc = self.world.tokens["USDC"]
        self.attempts.append(self.world.arbitrage_that_reverts(self.pair(), usdc, usdc.units(1000)))

    def crowd(self) -> None:
        with self.world.one_block():
            for _ in range(self.rng.randint(2, 6)):
                self.rng.choice((self.swap, self.swap, self.revert))()

    def settle(self) -> None:
        """Wait until everything that was sent is mined, and add a block."""
        self.mined()
        self.world.mine()

    def mined(self) -> None:
        """Wait until everything that was sent is mined."""
        deadline = time.monotonic() + 10
        while int(self.world.chain.ask("txpool_status")["pending"], 16) and time.monotonic() < deadline:
            time.sleep(0.005)

    def pair(self) -> list[Pool]:
        """Two pools of USDC and WETH."""
        return self.rng.sample([pool for pool in self.world.pools if {pool.token0.symbol, pool.token1.symbol} == {"USDC", "WETH"}], 2)

    def _trader(self) -> str:
        return self.rng.choice(("trader", "noise", "rival"))


def canonical_events(world: World, first: int, last: int) -> list[tuple[Any, ...]]:
    """Return what the canonical chain says, decoded by web3: block, log index, block and transaction hash, place, pool, kind, args."""
    kinds = {pool.address.lower(): pool.kind for pool in world.pools}
    abis = {"v2": uniswap("UniswapV2Pair").abi, "v3": uniswap("UniswapV3Pool").abi}
    contracts = {kind: world.made.w3.eth.contract(abi=abi) for kind, abi in abis.items()}
    rows = []
    for log in world.canonical_logs(first, last):
        if log["topics"][0] not in TOPICS:
            continue
        kind = kinds[log["address"].lower()]
        name, args = _decoded(contracts[kind], log)
        rows.append((
            int(log["blockNumber"], 16), int(log["logIndex"], 16), log["blockHash"], log["transactionHash"],
            int(log["transactionIndex"], 16), log["address"].lower(), KINDS[kind][name], args,
        ))  # fmt: skip
    return sorted(rows, key=lambda row: row[:2])


def _decoded(contract: Any, log: dict[str, Any]) -> tuple[str, dict[str, int]]:
    data = {
        **log, "topics": [Web3.to_bytes(hexstr=topic) for topic in log["topics"]], "data": Web3.to_bytes(hexstr=log["data"]),
        **{name: int(log[name], 16) for name in ("logIndex", "transactionIndex", "blockNumber")},
    }  # fmt: skip
    names = [abi["name"] for abi in contract.abi if abi["type"] == "event"]
    by_topic = {event.topic: event for event in (contract.get_event_by_name(name)() for name in names)}
    found = by_topic[log["topics"][0]].process_log(data)
    return found["event"], {name: int(value, 16) if isinstance(value, str) else int(value) for name, value in found["args"].items()}


def stored_events(store: Any) -> list[tuple[Any, ...]]:
    """Return what the store has, in the same form."""
    df = store.chain.events(CHAIN_ID)
    names = ["block_number", "log_index", "block_hash", "tx_hash", "tx_index", "pool", "kind", "args"]
    return [tuple(row) for row in df[names].itertuples(index=False, name=None)]


def assert_same_chain(world: World, store: Any, first: int) -> None:
    """Hold the store against the canonical chain: blocks, events, one tick a block and pool that moved, executions."""
    blocks = store.chain.blocks(CHAIN_ID)
    numbers = blocks["number"].tolist()
    assert numbers == list(range(first, world.tip + 1)), (first, world.tip, numbers[0], numbers[-1], len(numbers))
    for number, hash_ in zip(blocks["number"], blocks["hash"], strict=True):
        assert world.block(number)["hash"] == hash_, f"block {number}"
    expected = canonical_events(world, first, world.tip)
    assert stored_events(store) == expected
    moved = {(row[0], row[5]) for row in expected}
    ticks = store.ticks.read()
    found = list(zip(ticks["block_number"].astype(int), ticks["pool"], strict=True))
    assert len(found) == len(set(found))
    assert {one for one in found if one[0] > first} == {one for one in moved if one[0] > first}
    assert set(store.gas.read()["block_number"].dropna().astype(int)) <= set(blocks["number"])
