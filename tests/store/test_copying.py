"""Whole columns become PostgreSQL's binary COPY format; what is new goes straight in, the rest is compared."""

import struct

import numpy as np
import pytest

from arbml.market import Tick
from arbml.store import Appended, Store
from arbml.store.batch import Batch
from arbml.store.engine.copying import encodable, encoded

TYPES = ["integer", "bigint", "double precision"]
BATCH = Batch({"a": np.array([1, 2]), "b": np.array([np.nan, 2.0**53]), "c": np.array([0.5, np.nan])}, whole=("b",))


def rows(data: bytes) -> list[list[bytes | None]]:
    """Read the format as its documentation says."""
    assert data.startswith(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    found, at = [], 19
    while (count := struct.unpack_from(">h", data, at)[0]) != -1:
        at, row = at + 2, []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", data, at)
            row.append(None if size < 0 else data[at + 4 : at + 4 + size])
            at += 4 + max(size, 0)
        found.append(row)
    assert at + 2 == len(data)
    return found


def test_values_and_gaps_stand_where_the_format_wants_them() -> None:
    assert rows(b"".join(encoded(BATCH, TYPES))) == [
        [struct.pack(">i", 1), None, struct.pack(">d", 0.5)], [struct.pack(">i", 2), struct.pack(">q", 2**53), None],
    ]  # fmt: skip


def test_a_column_without_values_and_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arbml.store.engine.copying._CHUNK", 3)
    batch = Batch({"a": np.arange(10), "b": np.full(10, np.nan), "c": np.where(np.arange(10) == 4, np.nan, 1.0)})
    found = rows(b"".join(encoded(batch, TYPES)))
    assert [row[0] for row in found] == [struct.pack(">i", n) for n in range(10)]
    assert {row[1] for row in found} == {None}
    assert [n for n, row in enumerate(found) if row[2] is None] == [4]


def test_only_numbers_in_arrays_are_encoded() -> None:
    assert encodable(BATCH, TYPES)
    assert not encodable(BATCH, ["integer", "numeric", "double precision"])
    assert not encodable(Batch({"a": [1, 2], "b": [1, 2], "c": [0.5, None]}), TYPES)


def test_a_sorted_batch_keeps_the_first_of_equal_keys_first() -> None:
    batch = Batch({"s": np.array([2, 1, 1, 2]), "t": np.array([1, 5, 5, 0]), "v": np.array([0.0, 1.0, 2.0, 3.0])})
    assert list(batch.sorted_by(["s", "t"])) == [(1, 5, 1.0), (1, 5, 2.0), (2, 0, 3.0), (2, 1, 0.0)]
    done = batch.sorted_by(["s", "t"])
    assert done.sorted_by(["s", "t"]) is done


def ticks(*times: int, venue: str = "a", price: float = 1.0) -> list[Tick]:
    return [Tick(ts, venue, "X/Y", price, ts) for ts in times]


@pytest.fixture(autouse=True, params=[0, 500])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows go another way than many: both."""
    monkeypatch.setattr("arbml.store.engine.postgres._SMALL", request.param)


def test_new_rows_known_rows_and_earlier_rows_in_one_batch(store: Store) -> None:
    assert store.ticks.append(ticks(10, 20)) == Appended(new=2)
    assert store.ticks.append([*ticks(5, 10, 15, 20, 25, 30), *ticks(1, 2, venue="b")]) == Appended(new=6, known=2)
    assert store.ticks.append([*ticks(30, 31), *ticks(25, price=2.0), *ticks(1, venue="c")]) == Appended(new=2, known=1, conflicting=1)
    assert store.ticks.append(ticks(1, 2, 3)) == Appended(new=3)  # all before what is there
    assert store.ticks.append([*ticks(40), *ticks(40, price=3.0)]) == Appended(new=1, conflicting=1)
    read = store.ticks.read(venues=["a"])
    assert read["ts_ms"].tolist() == [1, 2, 3, 5, 10, 15, 20, 25, 30, 31, 40]
    assert set(read["price"]) == {1.0}


def test_what_another_writer_stores_meanwhile_is_not_written_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.ticks.append(ticks(10))
    monkeypatch.setattr("arbml.store.engine.postgres._fresh", lambda connection, table, batch: np.ones(len(batch), bool))
    assert store.ticks.append(ticks(10, 11)) == Appended(new=1, known=1)  # as if 10 had come between the look and the copy
