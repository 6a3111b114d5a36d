"""Retention: what goes, what stays, and that no chain is broken by it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from arbml.config import StoreConfig
from arbml.errors import StoreError
from arbml.market import Tick
from arbml.store import Store, tables
from arbml.store.chain_tables import blocks, orphaned, pool_events, pool_states, reorgs
from arbml.store.pruning import prune
from tests.store.units import unit


def count(store: Store) -> dict[str, int]:
    everything = (tables.ticks, tables.gas_prices, tables.executions, blocks, pool_events, pool_states, reorgs, *orphaned.values())
    with store._database.reading() as connection:
        return {t.name: connection.execute(select(func.count()).select_from(t)).scalar_one() for t in everything}


def test_old_blocks_go_with_their_events_and_the_chain_goes_on(store: Store) -> None:
    store.chain.append_many([unit(n) for n in range(1, 41)])  # block n happened at 1000 * (n // 2)
    store.chain.append_many([unit(n, chain_id=5) for n in range(1, 11)])
    gone = prune(store._database, 15_000, kept_blocks=6)
    # all blocks of chain 5 are old, but its newest six stay
    assert (gone["blocks"], gone["pool_events"], gone["pool_states"]) == (29 + 4, 29 + 4, 29 + 4)
    assert store.chain.blocks(1)["number"].tolist() == store.chain.events(1)["block_number"].tolist() == list(range(30, 41))
    assert store.chain.states(5)["block_number"].tolist() == list(range(5, 11))
    assert store.ticks.read()["ts_ms"].min() == store.gas.read()["ts_ms"].min() == 15_000
    assert count(store)["executions"] == 50
    for chain_id, tip in ((1, 40), (5, 10)):
        store.chain.append(unit(tip + 1, chain_id=chain_id))
        with pytest.raises(StoreError, match="remove_above first"):
            store.chain.append(unit(tip + 2, "b", chain_id=chain_id))
        assert store.chain.remove_above(chain_id, tip - 3, 99_000) == 4
        assert store.chain.tip(chain_id) == (tip - 3, f"0xa{tip - 3}")


def test_a_short_chain_stays_whole(store: Store) -> None:
    store.chain.append_many([unit(n) for n in range(1, 9)])
    gone = store.prune(10**12)
    assert (gone["blocks"], gone["pool_events"], gone["ticks"], gone["gas_prices"]) == (0, 0, 8, 5)
    assert store.chain.tip(1) == (8, "0xa8")
    assert sum(store.prune(10**12).values()) == 0


def test_reorganisations_go_with_what_they_took_out_when_they_were_found_long_ago(store: Store) -> None:
    store.chain.append_many([unit(n) for n in range(1, 7)])
    store.chain.remove_above(1, 4, 9_000)
    store.chain.append_many([unit(5, "b", "0xa4"), unit(6, "b")])
    store.chain.remove_above(1, 5, 20_000)
    before = count(store)
    assert (before["reorgs"], before["orphaned_blocks"]) == (2, 3)
    gone = store.prune(10_000)
    assert {name: rows for name, rows in gone.items() if name.startswith("orphaned")} == {
        "orphaned_blocks": 2, "orphaned_pool_events": 2, "orphaned_pool_states": 2, "orphaned_ticks": 2,
        "orphaned_gas_prices": 1, "orphaned_executions": 2,  # block 4, which stays, shares the second of block 5
    }  # fmt: skip
    assert gone["reorgs"] == 1
    after = count(store)
    assert {name: before[name] - rows for name, rows in gone.items()} == {name: after[name] for name in gone}
    assert store.chain.reorgs(1)["number"].tolist() == [5]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.tuples(st.sampled_from("abc"), st.integers(-50, 50), st.integers(0, 3)), max_size=80, unique=True),
    before=st.integers(-60, 60),
    size=st.integers(1, 9),
)
def test_small_transactions_delete_the_same_as_one(
    store: Store, times: list[tuple[str, int, int]], before: int, size: int
) -> None:
    store.prune(2**62)
    store.ticks.append([Tick(ts, venue, "A/B", 1.0, 100, log_index=index) for venue, ts, index in times])
    assert prune(store._database, before, batch_rows=size)["ticks"] == sum(ts < before for _, ts, _ in times)
    left = store.ticks.read()
    assert sorted(zip(left["venue"], left["ts_ms"], left["log_index"], strict=True)) == sorted(t for t in times if t[1] >= before)


def test_no_transaction_deletes_more_than_a_batch(store: Store) -> None:
    store.chain.append_many([unit(n) for n in range(1, 31)])
    store.ticks.append(pd.DataFrame([{"ts_ms": i, "venue": "x", "pair": "A/B", "price": 1.0, "ts_known_ms": i} for i in range(95)]))
    sizes: list[int] = []

    def watch(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            sizes.append(cursor.rowcount)  # type: ignore[attr-defined]

    event.listen(store._database.engine, "after_cursor_execute", watch)
    gone = prune(store._database, 10**12, kept_blocks=3, batch_rows=10, batch_blocks=4)
    assert (gone["blocks"], gone["ticks"]) == (27, 125)
    assert max(sizes) == 11  # two blocks share a second
    assert len(sizes) > 20


def test_collectors_go_on_while_old_rows_are_deleted(store: Store, place: tuple[StoreConfig, Path]) -> None:
    store.chain.append_many([unit(n) for n in range(1, 61)])
    stop, tip = threading.Event(), [60]

    def collect() -> None:
        with Store.open(*place) as other:
            done = False
            while not done:
                done = stop.is_set()
                other.chain.append(unit(tip[0] + 1))
                tip[0] += 1
                if tip[0] % 3 == 0:
                    other.chain.remove_above(1, tip[0] - 2, 10**9)
                    tip[0] -= 2

    with ThreadPoolExecutor() as pool:
        collecting = pool.submit(collect)
        try:
            gone = [prune(store._database, before, kept_blocks=20, batch_rows=5, batch_blocks=4) for before in (10_000, 20_000)]
        finally:
            stop.set()
        collecting.result(timeout=60)
    assert tip[0] > 60
    assert sum(one["blocks"] for one in gone) == 39
    assert store.chain.blocks(1)["number"].tolist() == store.chain.events(1)["block_number"].tolist() == list(range(40, tip[0] + 1))
    assert store.ticks.read()["block_number"].tolist() == list(range(40, tip[0] + 1))
