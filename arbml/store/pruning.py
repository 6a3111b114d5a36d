"""Forgetting what is too old, in transactions so small that no collector waits long for one."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table, delete, func, select

from arbml.store import tables
from arbml.store.chain_tables import blocks, orphaned, pool_events, pool_states, reorgs
from arbml.store.engine import Database

KEPT_BLOCKS = 1_024
"""Newest blocks of each chain that stay however old they are: more than a collector looks back for a common ancestor."""

Counts = dict[str, int]


def prune(
    database: Database, before_ms: int, kept_blocks: int = KEPT_BLOCKS, batch_rows: int = 20_000, batch_blocks: int = 250
) -> Counts:
    """Delete market data that happened before `before_ms` (UTC ms); return how many rows of each table that were.

    Blocks go with their events and states, oldest first, but never the newest `kept_blocks` of a chain: what is left is one
    piece that ends at the tip. A reorganisation goes, with all the rows that it took out, when it was found before that
    time. Executions, predictions, alerts, patterns and checkpoints stay.

    Args:
        batch_rows: ticks or gas prices that one transaction deletes; those of one moment go together.
        batch_blocks: blocks that one transaction deletes, with what was in them.

    Raises:
        StoreError: if the database refuses; what was deleted until then stays deleted, and asking again goes on.
    """
    counts = dict.fromkeys((table.name for table in _TABLES), 0)
    for table in (tables.ticks, tables.gas_prices):
        counts[table.name] = sum(_series_before(database, table, before_ms, batch_rows))
    for chain_id in _distinct(database, blocks.c.chain_id):
        _blocks_before(database, chain_id, before_ms, kept_blocks, batch_blocks, counts)
    _reorgs_before(database, before_ms, counts)
    return counts


_TABLES = (tables.ticks, tables.gas_prices, blocks, pool_events, pool_states, reorgs, *orphaned.values())


def _distinct(database: Database, column: Any) -> list[int]:
    """Return the values of the first column of a primary key, each found by one look into the index."""
    found: list[int] = []
    with database.reading() as connection:
        while True:
            following = select(func.min(column)) if not found else select(func.min(column)).where(column > found[-1])
            value = connection.execute(following).scalar()
            if value is None:
                return found
            found.append(int(value))


def _series_before(database: Database, table: Table, before_ms: int, batch: int) -> Iterator[int]:
    """Delete the old rows of each series of a table whose key is a series and a time; yield how many, by transaction."""
    series_key, ts_ms = list(table.primary_key)[:2]
    for series in _distinct(database, series_key):
        old = (series_key == series) & (ts_ms < before_ms)
        last: int | None = 0
        while last is not None:
            with database.writing() as connection:
                last = connection.execute(select(ts_ms).where(old).order_by(ts_ms).offset(batch - 1).limit(1)).scalar()
                these = old if last is None else old & (ts_ms <= last)
                gone = connection.execute(delete(table).where(these)).rowcount
            yield gone


def _blocks_before(database: Database, chain_id: int, before_ms: int, kept: int, batch: int, counts: Counts) -> None:
    b = blocks.c
    ours = b.chain_id == chain_id
    with database.reading() as connection:
        end = connection.execute(select(b.number).where(ours).order_by(b.number.desc()).offset(kept - 1).limit(1)).scalar()
        young = connection.execute(select(func.min(b.number)).where(ours, b.ts_ms >= before_ms)).scalar()
    if end is None:
        return
    end = end if young is None else min(end, young)
    until: int | None = 0
    while until is not None:
        with database.writing() as connection:
            database.lock_chain(connection, chain_id)
            old = ours & (b.number < end)
            until = connection.execute(select(b.number).where(old).order_by(b.number).offset(batch).limit(1)).scalar()
            limit = end if until is None else until
            for table in (pool_events, pool_states):
                c = table.c  # the time says nothing new, but lets a partitioned table pass over its younger parts
                these = (c.chain_id == chain_id) & (c.block_number < limit) & (c.ts_ms < before_ms)
                counts[table.name] += connection.execute(delete(table).where(these)).rowcount
            counts[blocks.name] += connection.execute(delete(blocks).where(ours, b.number < limit)).rowcount


def _reorgs_before(database: Database, before_ms: int, counts: Counts) -> None:
    with database.reading() as connection:
        found = list(connection.execute(select(reorgs.c.id).where(reorgs.c.ts_known_ms < before_ms)).scalars())
    for number in found:
        with database.writing() as connection:
            for twin in orphaned.values():
                counts[twin.name] += connection.execute(delete(twin).where(twin.c.reorg_id == number)).rowcount
            counts[reorgs.name] += connection.execute(delete(reorgs).where(reorgs.c.id == number)).rowcount
