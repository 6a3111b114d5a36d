"""Ticks: what goes in comes out, once, in the order of knowing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from arbml.errors import SchemaError, StoreError
from arbml.frames import TICKS, frame_to_ticks, sort_by_knowing, ticks_to_frame
from arbml.market import Tick
from arbml.store import Appended, Checkpoint, Store

INT64 = st.integers(-(2**63), 2**63 - 1)
WHOLE = st.none() | st.integers(-(2**53), 2**53)  # frames carry these as floats
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False)
NOT_NEGATIVE = st.none() | st.floats(min_value=0, allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
TICK = st.builds(
    Tick, ts_ms=INT64, venue=TEXT, pair=TEXT, price=POSITIVE, ts_known_ms=INT64, chain_id=WHOLE, pool=st.none() | TEXT,
    fee_bps=NOT_NEGATIVE, volume=NOT_NEGATIVE,
    liquidity=NOT_NEGATIVE, gas_price_gwei=NOT_NEGATIVE, reserve_base=NOT_NEGATIVE, reserve_quote=NOT_NEGATIVE,
    block_number=WHOLE, log_index=INT64,
)
ON_A_SHARED_STORE = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tick(
    ts_ms: int, price: float = 100.0, known_ms: int | None = None, venue: str = "a", pair: str = "WETH/USDC", log_index: int = 0
) -> Tick:
    return Tick(ts_ms, venue, pair, price, ts_ms if known_ms is None else known_ms, log_index=log_index)


def prices(store: Store, **filters: object) -> list[float]:
    return store.ticks.read(**filters)["price"].tolist()  # type: ignore[arg-type]


def key(tick: Tick) -> tuple[str, str, int, int]:
    return tick.venue, tick.pair, tick.ts_ms, tick.log_index


def empty(store: Store) -> None:
    store.prune(2**63 - 1)


@ON_A_SHARED_STORE
@given(ticks=st.lists(TICK.filter(lambda tick: tick.ts_ms < 2**63 - 1), max_size=20, unique_by=key))
def test_every_value_survives_the_round_trip_in_the_order_of_knowing(store: Store, ticks: list[Tick]) -> None:
    empty(store)
    assert store.ticks.append(ticks) == Appended(new=len(ticks))
    read = store.ticks.read()
    assert_frame_equal(read, sort_by_knowing(ticks_to_frame(ticks)), check_exact=True)
    assert sorted(frame_to_ticks(read), key=key) == sorted(ticks, key=key)


@ON_A_SHARED_STORE
@given(
    batches=st.lists(st.lists(st.builds(tick, st.integers(0, 4), st.sampled_from([1.0, 2.0]), st.integers(0, 3)), max_size=8), max_size=4)
)
def test_what_was_known_first_stands_and_every_row_is_counted(store: Store, batches: list[list[Tick]]) -> None:
    empty(store)
    stored: dict[tuple[str, str, int, int], Tick] = {}
    for batch in batches:
        expected = Appended()
        for row in sorted(batch, key=lambda row: row.ts_known_ms):
            held = stored.setdefault(key(row), row)
            expected += Appended(new=1) if held is row else Appended(known=1) if held.price == row.price else Appended(conflicting=1)
        assert store.ticks.append(batch) == expected
    assert sorted(frame_to_ticks(store.ticks.read()), key=key) == sorted(stored.values(), key=key)


def test_a_missing_value_and_a_number_differ(store: Store) -> None:
    bare = tick(1)
    full = replace(bare, pool="0xabc", fee_bps=0.0, chain_id=1)
    assert store.ticks.append([full]) == Appended(new=1)
    assert store.ticks.append([bare]) == Appended(conflicting=1)
    assert store.ticks.append([replace(full, pool=None)]) == Appended(conflicting=1)
    assert store.ticks.append([replace(full, ts_known_ms=99)]) == Appended(known=1)
    assert frame_to_ticks(store.ticks.read()) == [full]


def test_reads_by_venue_pair_and_event_time(store: Store) -> None:
    store.ticks.append([
        tick(1_000, 1.0), tick(2_000, 2.0), tick(3_000, 3.0),
        tick(1_500, 4.0, venue="b"), tick(2_500, 5.0, pair="WBTC/USDC"),
    ])
    assert prices(store) == [1.0, 4.0, 2.0, 5.0, 3.0]
    assert prices(store, venues=["a"]) == [1.0, 2.0, 5.0, 3.0]
    assert prices(store, venues="b") == [4.0]
    assert prices(store, pairs=["WBTC/USDC"], venues=["a", "b"]) == [5.0]
    assert prices(store, start_ms=1_500, end_ms=2_500) == [4.0, 2.0]
    assert prices(store, venues=["nowhere"]) == prices(store, venues=[]) == prices(store, start_ms=3_001) == []
    for nothing in (store.ticks.read(venues=["nowhere"]), store.ticks.read(start_ms=9_999)):
        assert nothing.dtypes.to_dict() == TICKS.empty().dtypes.to_dict()


def test_a_late_row_is_unseen_before_it_was_known_and_later_comes_in_its_place(store: Store) -> None:
    store.ticks.append([tick(1_000, 1.0), tick(3_000, 3.0)])
    before = store.ticks.read(as_of_ms=3_000)
    store.ticks.append([tick(2_000, 2.0, known_ms=60_000)])
    assert_frame_equal(store.ticks.read(as_of_ms=3_000), before)
    assert_frame_equal(store.ticks.read(as_of_ms=59_999), before)
    assert prices(store, as_of_ms=60_000) == [1.0, 3.0, 2.0]
    assert prices(store, as_of_ms=999) == []


def test_rows_of_one_moment_are_ordered_as_frames_order_them(store: Store) -> None:
    rows = [
        replace(tick(1, venue=venue, pair=pair, log_index=index), block_number=block)
        for venue in ("b", "A", "ä", "a") for pair in ("X/Y", "W/Y") for index, block in ((0, 7), (1, None), (2, 3))
    ]
    store.ticks.append(rows)
    read = store.ticks.read()
    assert_frame_equal(read, sort_by_knowing(ticks_to_frame(rows)))
    assert read["venue"].drop_duplicates().tolist() == ["A", "a", "b", "ä"]


def test_frames_may_be_unsorted_lack_optional_columns_and_have_others(store: Store) -> None:
    columns = {"ts_ms": [2, 1], "ts_known_ms": [2, 1], "venue": "a", "pair": "X/Y", "price": ["2.5", 1], "note": "dropped"}
    df_ = pd.DataFrame(columns, index=[7, 7])
    assert store.ticks.append(df_) == Appended(new=2)
    assert prices(store) == [1.0, 2.5]
    assert store.ticks.append(TICKS.empty()) == store.ticks.append([]) == Appended()


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("venue", ["a", "b\0"], r"column 'venue', row 1: 'b\\x00' is not text"),
        ("pair", ["X/Y", "\ud800"], r"column 'pair', row 1"),
        ("venue", ["a", 5], "column 'venue', row 1: 5 is not text"),
        ("pool", ["p", ["q"]], r"column 'pool', row 1: \['q'\] is not text"),
        ("block_number", [1.0, 1.5], "column 'block_number', row 1: .*1.5.* must be a whole number"),
        ("chain_id", [1.0, 2.0**63], "column 'chain_id', row 1"),
        ("price", [1.0, 0.0], "column 'price', row 1: .* must be positive"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_stored(store: Store, column: str, values: list[object], message: str) -> None:
    df_ = pd.DataFrame({"ts_ms": [1, 2], "ts_known_ms": [1, 2], "venue": "a", "pair": "X/Y", "price": 1.0})
    df_[column] = values
    with pytest.raises(SchemaError, match=message):
        store.ticks.append(df_, Checkpoint("s", "2", 2, 2))
    assert store.ticks.read().empty
    assert store.checkpoint("s") is None


def test_many_rows_go_through_more_than_one_chunk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    n = 700
    df = TICKS.check(pd.DataFrame({
        "ts_ms": rng.permutation(n), "venue": rng.choice(["a", "b", "c"], n), "pair": rng.choice(["X/Y", "Z/Y"], n),
        "price": rng.random(n) + 1, "ts_known_ms": rng.integers(0, 50, n), "pool": rng.choice(np.array(["p", "q", None], dtype=object), n),
        "volume": np.where(rng.random(n) < 0.5, np.nan, rng.random(n)), "block_number": np.where(rng.random(n) < 0.5, np.nan, 5.0),
    }))
    monkeypatch.setattr("arbml.store.batch._CHUNK", 100)
    monkeypatch.setattr("arbml.store.engine.postgres._PAGE", 90)
    assert store.ticks.append(df) == Appended(new=n)
    assert_frame_equal(store.ticks.read(), sort_by_knowing(df), check_exact=True)
    assert store.ticks.append(df.sample(n, random_state=1)) == Appended(known=n)


def test_stats_and_deletion(store: Store) -> None:
    assert (store.ticks.stats().rows, store.ticks.stats().newest_ms, store.prune(10)["ticks"]) == (0, None, 0)
    store.ticks.append([tick(1_000), tick(3_000, known_ms=9_000), tick(2_000, venue="b")])
    stats = store.ticks.stats()
    assert (stats.rows, stats.streams, stats.oldest_ms, stats.newest_ms) == (3, 2, 1_000, 3_000)
    first = stats.by_stream[0]
    assert (first.venue, first.pair, first.rows, first.start_ms, first.end_ms, first.known_ms) == ("a", "WETH/USDC", 2, 1_000, 3_000, 9_000)
    assert store.prune(3_000)["ticks"] == 2
    assert store.ticks.read()["ts_ms"].tolist() == [3_000]
    assert store.ticks.append([tick(1_000, 7.0)]) == Appended(new=1)


def test_an_error_in_the_middle_of_a_write_keeps_nothing(store: Store) -> None:
    store.ticks.append([tick(1)])
    refused = Checkpoint("s", "x", 2**63, 0)  # beyond 64 bits: refused after the rows were written
    with pytest.raises(StoreError):
        store.ticks.append([tick(2), tick(3, venue="new")], refused)
    assert store.ticks.read()["ts_ms"].tolist() == [1]
    assert store.ticks.stats().streams == 1
