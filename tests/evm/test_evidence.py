"""What a backfill asks for: receipts only where they are needed, gas of many blocks at once, and the same rows all the same."""

import json
import random
from pathlib import Path

import pytest

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.backfill import Backfill
from arbml.collectors.evm.block import BlockReader, Watching
from arbml.collectors.evm.fees import read_fees
from arbml.collectors.evm.head import Follower
from arbml.collectors.evm.header import Header
from arbml.collectors.evm.transport import HttpRpc
from arbml.config import StoreConfig
from arbml.store import Store
from tests.evm import faults
from tests.evm.collecting import CHAIN_ID, Traffic, assert_same_chain, watching
from tests.evm.fixtures import needs_chain
from tests.evm.proxy import Exchange, Fault, Proxy, proxied
from tests.evm.test_collector import collect
from tests.evm.world import World

USED, LIMIT = 15, 30
FEES = {
    "oldestBlock": "0x5", "baseFeePerGas": ["0xa", "0xb", "0xc"], "gasUsedRatio": [0.5, 0.0],
    "reward": [["0x1"] * 4 + ["0x7"], ["0x0"] * 5],
}  # fmt: skip


def heads() -> list[Header]:
    return [Header(5, "0x5", "0x4", 0, 10, USED, LIMIT, ("0xt",)), Header(6, "0x6", "0x5", 0, 11, 0, LIMIT, ())]


def test_fees_are_taken_where_they_fit_the_headers() -> None:
    found = read_fees(heads(), FEES)
    assert (found[5].percentiles, found[5].price) == ((1, 1, 1, 1, 7), 11)
    assert (found[6].percentiles, found[6].price) == ((), 11)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"oldestBlock": "0x4"}, set()), ({"reward": None}, set()), ({"reward": [["0x1"] * 5]}, set()), ({"gasUsedRatio": None}, set()),
        ({"baseFeePerGas": ["0x9", "0xb", "0xc"]}, {6}), ({"gasUsedRatio": [0.4, 0.0]}, {6}),
        ({"reward": [["0x2", "0x1", "0x1", "0x1", "0x1"], ["0x0"] * 5]}, {6}), ({"reward": [["0x1"], ["0x0"] * 5]}, {6}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_left_to_the_receipts(change: dict, left: set[int]) -> None:
    assert set(read_fees(heads(), FEES | change)) == left


def backfilled(world: World, tmp_path: Path, name: str, first: int, watch: bool, fault: Fault | None = None) -> tuple[Store, Proxy]:
    with proxied(world.url, fault) as proxy:
        rpc = HttpRpc(proxy.url)
        pools = watching(world, rpc, tmp_path).pools
        executor = frozenset({world.made.executor.address.lower()}) if watch else frozenset()
        found = BlockReader(rpc, CHAIN_ID, Watching(pools, executor), SystemClock())
        store = Store.open(StoreConfig(), tmp_path / name)
        proxy.seen.clear()
        follower = Follower(found, store.chain, SystemClock())
        follower.poll(first=first, last=first)
        Backfill(found, stopwatch_s, span=500).run(follower, first + 1, world.tip, lambda units, done: True)
    return store, proxy


@needs_chain
def test_few_receipts_give_the_same_rows_as_all(world: World, tmp_path: Path) -> None:
    first, traffic = world.tip, Traffic(world, random.Random(21))
    traffic.calm(40)
    few, asked = backfilled(world, tmp_path, "few", first, watch=False)
    all_, asked_all = backfilled(world, tmp_path, "all", first, watch=True)
    unknown = faults.when("eth_feeHistory", faults.says(-32601, "no method"))
    old, asked_old = backfilled(world, tmp_path, "old", first, watch=False, fault=unknown)
    blocks = world.tip - first + 1
    counts = {name: sum(map(len, proxy.seen)) / blocks for name, proxy in (("few", asked), ("all", asked_all), ("old", asked_old))}
    print("requests per block:", counts)
    with few, all_, old:
        for store in (few, all_, old):
            assert_same_chain(world, store, first)
        done = {name: store.executions.read().drop(columns="ts_known_ms") for name, store in (("few", few), ("all", all_), ("old", old))}
        landed = done["all"][done["all"]["result"] == "success"].reset_index(drop=True)
        assert len(landed)
        assert len(done["all"]) > len(landed)
        for name in ("few", "old"):
            assert done[name].equals(landed.astype(done[name].dtypes)), name
        assert few.chain.blocks(CHAIN_ID).drop(columns="ts_known_ms").equals(all_.chain.blocks(CHAIN_ID).drop(columns="ts_known_ms"))
    assert asked.count("eth_getBlockReceipts") <= 1  # of the first block, which is read whole
    assert asked.count("eth_getTransactionReceipt") <= len(landed) + len(traffic.attempts)
    assert asked_all.count("eth_getBlockReceipts") > 0.7 * blocks  # the others are empty


@needs_chain
def test_logs_that_a_node_leaves_out_are_noticed(world: World, tmp_path: Path) -> None:
    first, traffic = world.tip, Traffic(world, random.Random(22))
    traffic.calm(60)

    def forgets(exchange: Exchange) -> bool:
        """Leave the last log of a range out."""
        if exchange.batch or exchange.methods != ["eth_getLogs"] or "fromBlock" not in exchange.asked[0]["params"][0]:
            return False
        answer = json.loads(exchange.true_answer())
        answer["result"] = answer["result"][:-1]
        exchange.answer(json.dumps(answer).encode())
        return True

    with proxied(world.url, forgets) as proxy, Store.open(StoreConfig(), tmp_path / "home") as store:
        rpc = HttpRpc(proxy.url)
        found = BlockReader(rpc, CHAIN_ID, Watching(watching(world, rpc, tmp_path).pools), SystemClock())
        collect(found, store, from_block=first, to_block=world.tip)
        assert_same_chain(world, store, first)
