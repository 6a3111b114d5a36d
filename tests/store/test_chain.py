"""Blocks go in whole and linked, come out exactly, and what a reorganisation takes out stays readable as of the time before."""

from dataclasses import replace
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from arbml.errors import SchemaError, StoreError
from arbml.market import Tick
from arbml.store import Appended, Checkpoint, Store
from tests.store.units import BIG, POOL, event, state, unit

ROWS = 5  # of a unit, gas not counted


def everything(store: Store, as_of_ms: int | None = None) -> list[Any]:
    """All that a reader can see of chain 1."""
    parts = [read(1, as_of_ms=as_of_ms) for read in (store.chain.blocks, store.chain.events, store.chain.states)]
    parts += [read(as_of_ms=as_of_ms) for read in (store.ticks.read, store.gas.read, store.executions.read)]
    return parts


def assert_same(first: list[Any], second: list[Any]) -> None:
    for one, other in zip(first, second, strict=True):
        assert_frame_equal(one, other)


def test_a_block_comes_back_exactly(store: Store) -> None:
    one = unit(1, states=[state(sqrt_price_x96=BIG, liquidity=0, tick=-887_272), state("0xv2", "v2", reserve0=2**112 - 1, reserve1=1)])
    assert store.chain.append(one, Checkpoint("evm:1", "1", 0, 5_000)) == Appended(new=ROWS + 1)
    assert store.checkpoint("evm:1") == Checkpoint("evm:1", "1", 0, 5_000)
    (block,) = store.chain.blocks(1).to_dict("records")
    assert block == {
        "chain_id": 1, "number": 1, "hash": "0xa1", "parent_hash": "0xa0", "ts_ms": 0, "ts_known_ms": 5_000, "base_fee_wei": 7,
        "gas_used": 21_000, "gas_limit": 2**64 - 1, "priority_fee_percentiles": (1, 10**20),
    }  # fmt: skip
    (found,) = store.chain.events(1).to_dict("records")
    assert found == {
        "chain_id": 1, "block_number": 1, "block_hash": "0xa1", "ts_ms": 0, "ts_known_ms": 5_000, "log_index": 3, "tx_index": 0,
        "tx_hash": "0xtx3", "pool": POOL, "kind": "swap", "args": {"amount0": -(2**255), "amount1": BIG},
    }  # fmt: skip
    v2, v3 = store.chain.states(1).to_dict("records")[::-1]
    assert (v2["pool"], v2["reserve0"], v2["reserve1"], v2["sqrt_price_x96"], v2["tick"]) == ("0xv2", 2**112 - 1, 1, None, None)
    assert (v3["sqrt_price_x96"], v3["liquidity"], v3["tick"], v3["reserve0"]) == (BIG, 0, -887_272, None)
    assert all(type(v3[name]) is int for name in ("sqrt_price_x96", "liquidity", "tick"))
    assert store.ticks.read()["block_number"].tolist() == store.gas.read()["block_number"].tolist() == [1.0]
    assert store.executions.read()["request_id"].tolist() == ["tx-1-1-a"]


@pytest.mark.parametrize("small", [0, 500])
def test_few_rows_and_many_go_other_ways_to_the_same_end(store: Store, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    monkeypatch.setattr("arbml.store.engine.postgres._SMALL", small)
    twice = unit(3, events=[event(3), event(4), event(3)])  # one event too many: counted, not stored
    assert store.chain.append_many([unit(1), unit(2)]) == Appended(new=2 * ROWS)
    assert store.chain.append_many([unit(2), twice]) == Appended(new=ROWS + 1, known=ROWS + 1)
    assert store.chain.append_many([unit(4, events=[event(1), event(1, amount0=-5)])]) == Appended(new=ROWS, conflicting=1)
    assert store.chain.events(1)["log_index"].tolist() == [3, 3, 3, 4, 1]
    assert store.chain.states(1)["liquidity"].tolist() == [2**127] * 4
    assert store.chain.remove_above(1, 0, 99_000) == 4


def test_tip_and_block(store: Store) -> None:
    assert store.chain.tip(1) is store.chain.block(1, 1) is None
    assert store.chain.append_many([unit(2), unit(1), unit(1, chain_id=10)]) == Appended(new=3 * ROWS)
    assert store.chain.tip(1) == (2, "0xa2")
    assert store.chain.tip(10) == (1, "0xa1")
    assert store.chain.block(1, 2) == ("0xa2", "0xa1")
    assert store.chain.block(1, 3) is None


def test_the_same_block_twice_changes_nothing(store: Store) -> None:
    store.chain.append_many([unit(1), unit(2)])
    before = everything(store)
    assert store.chain.append(unit(2, known_ms=99_000)) == Appended(known=ROWS)
    assert store.chain.append_many([unit(1), unit(2)]) == Appended(known=2 * ROWS)
    assert store.chain.append_many([]) == Appended()
    assert_same(everything(store), before)
    assert store.gas.read()["ts_ms"].is_unique


def test_a_block_read_again_for_more_pools_gains_their_rows(store: Store) -> None:
    store.chain.append(unit(1))
    more = unit(1, events=[event(3), event(4, pool="0xother")], states=[state("0xother", "v2", reserve0=1, reserve1=2)])
    assert store.chain.append(more) == Appended(new=2, known=4)
    assert store.chain.events(1)["log_index"].tolist() == [3, 4]
    assert store.chain.events(1, pools=["0xother"])["log_index"].tolist() == [4]
    assert store.chain.append(unit(1, events=[event(3, amount0=5)])) == Appended(known=4, conflicting=1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (unit(2, "b"), r"chain 1, block 2: 0xa2 is stored, 0xb2 is another block; remove_above"),
        (unit(4, "b"), r"block 4: its parent is 0xb3, but block 3 is 0xa3; remove_above first"),
        (unit(1, "b"), r"block 1: 0xb1 is not the parent 0xa1 of block 2; remove_above first"),
    ],
)
def test_a_rival_or_an_unlinked_block_is_refused_and_nothing_of_the_call_is_stored(store: Store, other: Any, message: str) -> None:
    store.chain.append_many([unit(2), unit(3)])
    before = everything(store)
    with pytest.raises(StoreError, match=message):
        store.chain.append_many([unit(20), other], Checkpoint("evm:1", "x", 0, 0))
    assert_same(everything(store), before)
    assert store.checkpoint("evm:1") is None


def test_rivals_in_one_call_are_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="0xa1 is stored, 0xb1 is another block"):
        store.chain.append_many([unit(1), unit(1, "b", parent="0xa0")])
    assert store.chain.tip(1) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ticks": unit(2).ticks}, r"ticks of a block: column 'block_number', row 0: .*2.*, but the block has 1"),
        ({"gas": unit(1, chain_id=5).gas}, r"gas of a block: column 'chain_id'"),
        ({"executions": unit(1, chain_id=5).executions}, r"executions of a block: column 'chain_id'"),
        ({"hash": "0x\0"}, r"blocks: column 'hash', row 0: .* is not text"),
        ({"events": [event(1, pool="\ud800")]}, r"pool events: column 'pool'"),
    ],
)
def test_rows_of_another_block_and_bad_values_are_refused(store: Store, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        store.chain.append(unit(1, **changes))
    assert store.chain.tip(1) is None


def test_a_reorganisation_moves_everything_out_in_one_go_and_nothing_else(store: Store) -> None:
    recorded = Tick(500, "uniswap", "WETH/USDC", 1.0, 500, chain_id=1, block_number=77)  # from a file: no block of ours
    store.ticks.append([recorded, Tick(1_000, "binance", "WETH/USDC", 1.0, 1_000)])
    store.chain.append_many([unit(1), unit(2), unit(3), unit(4), unit(3, chain_id=10), unit(4, chain_id=10)])
    before = everything(store, as_of_ms=8_999)
    assert store.chain.remove_above(1, 2, 9_000, Checkpoint("evm:1", "2", 0, 9_000)) == 2
    assert store.checkpoint("evm:1") == Checkpoint("evm:1", "2", 0, 9_000)
    assert store.chain.tip(1) == (2, "0xa2")
    assert store.chain.tip(10) == (4, "0xa4")
    for frame, height in zip(everything(store)[:3], ("number", "block_number", "block_number"), strict=True):
        assert frame[height].tolist() == [1, 2]
    assert sorted(store.ticks.read()["block_number"].dropna().tolist()) == [1, 2, 3, 4, 77]
    assert len(store.ticks.read(venues=["binance"])) == 1
    assert store.gas.read(chain_ids=[1])["ts_ms"].tolist() == [0, 1_000]
    assert store.executions.read()["request_id"].tolist() == ["tx-1-1-a", "tx-1-2-a", "tx-10-3-a", "tx-10-4-a"]
    (reorg,) = store.chain.reorgs(1).to_dict("records")
    assert (reorg["number"], reorg["blocks"], reorg["ts_ms"], reorg["ts_known_ms"]) == (2, 2, 1_000, 9_000)
    assert_same(everything(store, as_of_ms=8_999), before)
    assert_same(everything(store, as_of_ms=9_000)[:3], everything(store)[:3])
    assert store.chain.remove_above(1, 2, 9_500) == 0
    assert len(store.chain.reorgs(1)) == 1


def test_the_other_branch_takes_the_place_and_the_first_may_come_back(store: Store) -> None:
    store.chain.append_many([unit(1), unit(2, known_ms=6_000)])
    store.chain.remove_above(1, 1, 7_000)
    assert store.chain.append(unit(2, "b", parent="0xa1", known_ms=7_100)) == Appended(new=ROWS)
    store.chain.remove_above(1, 1, 8_000)
    assert store.chain.append(unit(2, known_ms=8_100)) == Appended(new=ROWS)
    store.chain.remove_above(1, 1, 9_000)
    seen = {t: store.chain.blocks(1, start_block=2, as_of_ms=t)["hash"].tolist() for t in (5_999, 6_000, 7_000, 7_100, 8_000, 8_100, 9_000)}
    assert seen == {5_999: [], 6_000: ["0xa2"], 7_000: [], 7_100: ["0xb2"], 8_000: [], 8_100: ["0xa2"], 9_000: []}
    assert store.ticks.read(as_of_ms=7_100)["price"].tolist() == [1_001.097, 1_002.098]


def test_an_error_keeps_nothing(store: Store) -> None:
    refused = Checkpoint("evm:1", "x", 2**63, 0)
    with pytest.raises(StoreError):
        store.chain.append(unit(1), refused)
    assert store.chain.tip(1) is None
    store.chain.append(unit(1))
    with pytest.raises(StoreError):
        store.chain.remove_above(1, 0, 9_000, refused)
    assert store.chain.tip(1) == (1, "0xa1")
    assert len(store.chain.reorgs(1)) == 0
    assert_same(everything(store, as_of_ms=9_000), everything(store))


def test_empty_blocks_and_chains_without_a_base_fee(store: Store) -> None:
    bare = replace(unit(1), base_fee_wei=None, priority_fee_percentiles=(), events=[], states=[])
    bare = replace(bare, ticks=bare.ticks.iloc[:0], gas=bare.gas.iloc[:0], executions=bare.executions.iloc[:0])
    assert store.chain.append(bare) == Appended(new=1)
    (block,) = store.chain.blocks(1).to_dict("records")
    assert (block["base_fee_wei"], block["priority_fee_percentiles"]) == (None, ())
    assert store.chain.events(1).columns.tolist()[-2:] == ["args", "block_hash"]


def test_late_blocks_are_those_read_long_after_they_were_made(store: Store) -> None:
    for one in (unit(2, known_ms=4_000), unit(4, known_ms=900_000), unit(4, known_ms=900_000, chain_id=2), unit(6, known_ms=900_001)):
        store.chain.append(one)
    late = store.chain.late_blocks(60_000)
    assert list(late.itertuples(index=False, name=None)) == [(1, 4, 2_000, 900_000), (1, 6, 3_000, 900_001), (2, 4, 2_000, 900_000)]
    assert store.chain.late_blocks(60_000, start_ms=2_001)["number"].tolist() == [6]
    assert store.chain.late_blocks(60_000, end_ms=3_000)["number"].tolist() == [4, 4]
    assert store.chain.late_blocks(10**6).empty


def test_late_blocks_as_of_a_time_are_those_believed_then(store: Store) -> None:
    store.chain.append(unit(4, known_ms=900_000))
    store.chain.remove_above(1, 3, 950_000)
    assert store.chain.late_blocks(60_000).empty
    assert store.chain.late_blocks(60_000, as_of_ms=940_000)["number"].tolist() == [4]
    assert store.chain.late_blocks(60_000, as_of_ms=950_000).empty
    assert store.chain.late_blocks(60_000, as_of_ms=899_999).empty
