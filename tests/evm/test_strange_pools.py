"""Pools of forks: what is known of them is read, what is not is counted, said once, and asked of the contract instead."""

import logging
from pathlib import Path

import pytest

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.backfill import Backfill
from arbml.collectors.evm.block import BlockReader, Watching
from arbml.collectors.evm.discovery import discover
from arbml.collectors.evm.head import Follower
from arbml.collectors.evm.header import Header
from arbml.collectors.evm.logs import HARMLESS, Logs
from arbml.collectors.evm.pools import read_pool_file
from arbml.collectors.evm.rpc import Rpc
from arbml.collectors.evm.transport import HttpRpc
from arbml.config import StoreConfig
from arbml.errors import TransientError
from arbml.store import Store
from tests.evm import faults
from tests.evm.artifacts import ours
from tests.evm.collecting import CHAIN_ID, pool_file
from tests.evm.fixtures import needs_chain
from tests.evm.proxy import proxied
from tests.evm.sending import Contract, deploy
from tests.evm.world import World

Q96 = 2**96


@pytest.fixture
def strange(world: World) -> Contract:
    """A pool of WETH and DAI that is not Uniswap's."""
    one, other = sorted((world.tokens["WETH"], world.tokens["USDC"]), key=lambda token: int(token.address, 16))
    return deploy(world.chain, world.made.w3, world.actors["deployer"], ours("strange"), one.address, other.address)


def reader(world: World, strange: Contract, home: Path, rpc: Rpc) -> BlockReader:
    home.mkdir(exist_ok=True)
    file = pool_file(world, home / "pools.toml", world.pools[:1])
    file.write_text(file.read_text() + f'\n[[pool]]\naddress = "{strange.address}"\nvenue = "fork"\n')
    pools = discover(rpc, read_pool_file(file), home)
    return BlockReader(rpc, CHAIN_ID, Watching({pool.address: pool for pool in pools}), SystemClock())


def moves(world: World, strange: Contract) -> dict[int, int]:
    """Let it move in its own words and in PancakeSwap's, a known pool between them; return the tick after each block."""
    ticks = {}
    for n in range(12):
        if n % 4 == 3:
            world.move(world.pools[0], 20).succeeded()
            continue
        sent = strange.send(world.actors["trader"], "move", Q96 * (101 + n) // 100, 200 * n, 10**18, -(10**17), n % 4 != 2)
        ticks[sent.succeeded().block] = 200 * n
    return ticks


@needs_chain
@pytest.mark.parametrize("way", ["head", "ranges", "ranges without old states", "ranges, header not found"])
def test_an_event_that_is_not_known_stops_nothing(
    world: World, strange: Contract, tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = world.tip
    with proxied(world.url) as proxy, Store.open(StoreConfig(), tmp_path / "home") as store, caplog.at_level(logging.WARNING):
        found = reader(world, strange, tmp_path, HttpRpc(proxy.url))
        follower = Follower(found, store.chain, SystemClock())
        follower.poll(first=first, last=first)
        expected = moves(world, strange)
        if way == "head":
            assert len(follower.poll().units) == 12
        else:
            if way != "ranges":
                said = "header not found" if way.endswith("not found") else "missing trie node"
                proxy.fault = faults.when("eth_call", faults.says(-32000, said))
            Backfill(found, stopwatch_s).run(follower, first + 1, world.tip, lambda units, done: True)
        address = strange.address.lower()
        states = store.chain.states(CHAIN_ID, first + 1)
        stored = {row.block_number: row.tick for row in states.itertuples() if row.pool == address}
        events = store.chain.events(CHAIN_ID, first + 1)
        ticks = store.ticks.read()
    if way not in ("head", "ranges"):  # what only its contract could tell is left out, and nothing wrong is told
        expected = {number: tick for number, tick in expected.items() if tick % 800 == 400}
    assert stored == expected
    assert set(ticks.loc[(ticks["venue"] == "fork") & (ticks["block_number"] > first), "block_number"]) == set(expected)
    swaps = events[events["pool"] == address]
    assert len(swaps) == 3
    assert [args["protocolFeesToken1"] for args in swaps["args"]] == [9, 9, 9]
    assert set(events["pool"]) == {address, world.pools[0].address.lower()}
    said = [record for record in caplog.records if "is not known" in record.getMessage()]
    assert len(said) == 1
    assert address in said[0].getMessage()


def test_topics_that_do_not_matter_are_those_of_the_signatures() -> None:
    keccak = pytest.importorskip("eth_utils").keccak
    assert {topic: "0x" + keccak(text=text).hex() for topic, text in HARMLESS.items()} == {topic: topic for topic in HARMLESS}


def test_a_known_event_of_another_shape_is_strange_and_one_cut_short_is_refused() -> None:
    head = Header(7, "0xaa", "0xbb", 0, None, 0, 0, ())
    sync = "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"
    log = {"blockNumber": "0x7", "blockHash": "0xaa", "address": "0xAB", "topics": [sync], "data": "0x" + "0" * 192}
    logs = Logs()
    assert logs.read([log, {**log, "topics": []}], {7: head})[7].strange == {"0xab"}
    assert logs.strange == {("0xab", sync): 1, ("0xab", ""): 1}
    with pytest.raises(TransientError, match="incomplete log"):
        logs.read([{**log, "data": "0x" + "0" * 100}], {7: head})
