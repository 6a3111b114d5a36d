"""Ticks: the bulk of the store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import Connection, Table, func, select

from arbml.checkpoint import Checkpoint
from arbml.frames import TICKS, TickFrame, ticks_to_frame
from arbml.market import Tick
from arbml.store import tables
from arbml.store.batch import Appended, Batch, storable
from arbml.store.chain_tables import orphaned
from arbml.store.checkpoints import save
from arbml.store.engine import Database
from arbml.store.engine.database import joined
from arbml.store.period import orphaned_within, within
from arbml.store.plain import Columns

_STORED_AS_THEY_ARE = [column.name for column in tables.ticks.columns if column.name in TICKS.names]
WHOLE = ("chain_id", "block_number")

Names = dict[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class StreamStats:
    """What is stored of one series. Times are UTC ms: first and last event, and when the last one became known."""

    venue: str
    pair: str
    rows: int
    start_ms: int
    end_ms: int
    known_ms: int


@dataclass(frozen=True, slots=True)
class TickStats:
    """What is stored in all: rows, number of series, first and last event (UTC ms, None without rows), and each series."""

    rows: int
    streams: int
    oldest_ms: int | None
    newest_ms: int | None
    by_stream: tuple[StreamStats, ...]


class Ticks:
    """All ticks, keyed by venue, pair, event time and log index."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # names never change their number and are never deleted, so those that were committed once need not be asked again
        self._known: dict[str, dict[tuple[str, ...], int]] = {"streams": {}, "pools": {}}

    def append(self, ticks: TickFrame | Iterable[Tick], checkpoint: Checkpoint | None = None) -> Appended:
        """Store ticks in one transaction, leaving out those that are there already.

        What was known first wins: among rows of this call with the same key the one with the earliest `ts_known_ms`,
        and a row that is stored is never changed.

        Args:
            ticks: an unchecked frame, or ticks; in any order.
            checkpoint: written in the same transaction, so that it never runs ahead of or behind the rows.

        Raises:
            SchemaError: if a value is missing, out of range or cannot be stored exactly.
            StoreError: if the database refuses; then nothing of this call is stored.
        """
        df = checked_ticks(ticks if isinstance(ticks, pd.DataFrame) else ticks_to_frame(ticks))
        with self._database.writing() as connection:
            appended = self.write(connection, df)
            save(self._database, connection, checkpoint)
        return appended

    def write(self, connection: Connection, ticks_: TickFrame | Columns) -> Appended:
        """Store ticks that `checked_ticks` gave, or that are `storable_as_is`, in a transaction of the caller, who does so once in it."""
        batch = self._of_frame(connection, ticks_) if isinstance(ticks_, pd.DataFrame) else self._of_columns(connection, ticks_)
        return Appended() if batch is None else self._database.append(connection, tables.ticks, batch)

    def _of_columns(self, connection: Connection, columns: Columns) -> Batch | None:
        if not columns["venue"]:
            return None
        names = list(zip(columns["venue"], columns["pair"], strict=True))
        pools = [(name,) for name in columns["pool"] if name is not None]
        streams = dict(zip(names, self._ids(connection, tables.streams, names).tolist(), strict=True))
        pool_ids = dict(zip(pools, self._ids(connection, tables.pools, pools).tolist(), strict=True))
        values = {name: columns[name] for name in _STORED_AS_THEY_ARE}
        values["stream_id"] = [streams[name] for name in names]
        values["pool_id"] = [pool_ids.get((name,)) for name in columns["pool"]]
        return Batch(values)

    def _of_frame(self, connection: Connection, df: TickFrame) -> Batch | None:
        if df.empty:
            return None
        venues, venue_names = pd.factorize(df["venue"].to_numpy())
        pairs, pair_names = pd.factorize(df["pair"].to_numpy())
        streams, found = pd.factorize(venues * len(pair_names) + pairs)
        wanted = [(venue_names[code // len(pair_names)], pair_names[code % len(pair_names)]) for code in found.tolist()]
        pools, pool_names = pd.factorize(df["pool"].to_numpy())  # -1 where there is none

        numbers = {name: df[name].to_numpy() for name in _STORED_AS_THEY_ARE}
        numbers["stream_id"] = self._ids(connection, tables.streams, wanted)[streams]
        pool_ids = self._ids(connection, tables.pools, [(name,) for name in pool_names])
        numbers["pool_id"] = np.append(pool_ids, np.nan)[pools]
        return Batch(numbers, whole=(*WHOLE, "pool_id"))

    def forget(self) -> None:
        """Ask the database anew for the names; another one may be there after it was closed."""
        for names in self._known.values():
            names.clear()

    def _ids(self, connection: Connection, table: Table, wanted: Sequence[tuple[str, ...]]) -> npt.NDArray[np.int64]:
        """Return the number of each name, giving new names their numbers."""
        known = self._known[table.name]
        if any(name not in known for name in wanted):
            known.update(_numbers(connection, table))  # before new ones are added: they are gone if this transaction fails
        missing = sorted(name for name in set(wanted) if name not in known)
        if missing:
            columns = [column.name for column in table.columns][1:]
            self._database.insert_missing(connection, table, [dict(zip(columns, name, strict=True)) for name in missing])
            known = _numbers(connection, table)
        return np.array([known[name] for name in wanted], np.int64)

    def read(
        self,
        venues: Sequence[str] | None = None,
        pairs: Sequence[str] | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        as_of_ms: int | None = None,
    ) -> TickFrame:
        """Return stored ticks in the order of knowing.

        Args:
            venues, pairs: only these; None for all.
            start_ms, end_ms: event time, UTC ms, start included, end excluded.
            as_of_ms: only what was known at that moment (included), UTC ms.

        Returns:
            A checked frame, possibly empty.

        Raises:
            StoreError: if the database cannot be read.
        """
        with self._database.reading() as connection:
            streams = chosen_streams(connection, venues, pairs)
            chosen = list(streams)
            if not chosen:
                return TICKS.empty()
            table = tables.ticks.c
            statement = within(select(*tables.ticks.columns).where(table.stream_id.in_(chosen)), table, start_ms, end_ms, as_of_ms)
            columns = self._database.read_columns(connection, statement)
            if as_of_ms is not None:
                gone = orphaned["ticks"]
                believed = orphaned_within(select(*gone.columns).where(gone.c.stream_id.in_(chosen)), gone.c, as_of_ms, start_ms, end_ms)
                columns = joined(columns, self._database.read_columns(connection, believed))
            pools = _names(connection, tables.pools)
        return _frame(columns, streams, pools)

    def stats(self) -> TickStats:
        """Count what is stored, in all and by venue and pair."""
        s, t = tables.streams.c, tables.ticks.c
        per_stream = (
            select(t.stream_id, func.count().label("n"), *(f(t.ts_ms) for f in (func.min, func.max)), func.max(t.ts_known_ms))
            .group_by(t.stream_id)
            .subquery()
        )
        joined = select(s.venue, s.pair, *list(per_stream.c)[1:]).join(per_stream, per_stream.c.stream_id == s.id)
        with self._database.reading() as connection:
            found = tuple(StreamStats(*row) for row in connection.execute(joined.order_by(s.venue, s.pair)))
        return TickStats(
            rows=sum(stream.rows for stream in found),
            streams=len(found),
            oldest_ms=min((stream.start_ms for stream in found), default=None),
            newest_ms=max((stream.end_ms for stream in found), default=None),
            by_stream=found,
        )


def checked_ticks(ticks_: TickFrame) -> TickFrame:
    """Return ticks that can be stored exactly, in the order of `ts_known_ms`.

    Raises:
        SchemaError: if a value is missing, out of range or cannot be stored exactly.
    """
    return storable(TICKS.checked(ticks_), "ticks", WHOLE)


def chosen_streams(connection: Connection, venues: Sequence[str] | None, pairs: Sequence[str] | None) -> Names:
    """Return venue and pair of the series of these venues and pairs (None for all), by number."""
    found = _names(connection, tables.streams).items()
    return {number: name for number, name in found if _within(name[0], venues) and _within(name[1], pairs)}


def _within(name: str, wanted: Sequence[str] | None) -> bool:
    return wanted is None or name == wanted or (not isinstance(wanted, str) and name in wanted)


def _names(connection: Connection, table: Table) -> Names:
    return {row[0]: tuple(row[1:]) for row in connection.execute(select(table))}


def _numbers(connection: Connection, table: Table) -> dict[tuple[str, ...], int]:
    return {name: number for number, name in _names(connection, table).items()}


def _frame(columns: dict[str, npt.NDArray[np.generic]], streams: Names, pools: Names) -> TickFrame:
    numbers = {name: columns[name] for name in _STORED_AS_THEY_ARE}
    # ranks of the names in code point order stand for the names: sorting texts would cost more than the whole read
    venue, venue_rank = _dictionary({number: name[0] for number, name in streams.items()})
    pair, pair_rank = _dictionary({number: name[1] for number, name in streams.items()})
    pool, _ = _dictionary({number: name[0] for number, name in pools.items()})
    stream = columns["stream_id"]
    block = np.nan_to_num(numbers["block_number"], nan=-np.inf)
    order = np.lexsort((pair_rank[stream], venue_rank[stream], numbers["log_index"], block, numbers["ts_ms"], numbers["ts_known_ms"]))
    stream = stream[order]
    pool_id = np.nan_to_num(columns["pool_id"][order]).astype(np.int64)  # no pool has the number 0
    frame: dict[str, npt.NDArray[Any]] = {name: values[order] for name, values in numbers.items()}
    frame |= {"venue": venue[stream], "pair": pair[stream], "pool": pool[pool_id]}
    return TICKS.checked(pd.DataFrame({name: frame[name] for name in TICKS.names}, copy=False), "stored ticks")


def _dictionary(names: dict[int, str]) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Return arrays that give name and alphabetical rank by number; None where a number is not used."""
    rank = {name: i for i, name in enumerate(sorted(set(names.values())))}
    texts = np.full(max(names, default=0) + 1, None, dtype=object)
    ranks = np.zeros(len(texts), np.int64)
    for number, name in names.items():
        texts[number] = name
        ranks[number] = rank[name]
    return texts, ranks
