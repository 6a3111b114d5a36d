"""Blocks of chains and what was in them: each block whole or not at all, and out again when the chain turns away from it."""

import functools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, bindparam, delete, func, insert, literal, select

from arbml.checkpoint import Checkpoint
from arbml.errors import StoreError
from arbml.store import tables
from arbml.store.batch import Appended, Batch
from arbml.store.chain_reading import ChainReading
from arbml.store.chain_tables import blocks, orphaned, pool_events, pool_states, reorgs
from arbml.store.chain_units import BlockUnit, Rows, rows
from arbml.store.checkpoints import save
from arbml.store.engine import Database
from arbml.store.executions import Executions
from arbml.store.gas import GasPrices
from arbml.store.ticks import Ticks

_RAW = frozenset({"base_fee_wei", "gas_used", "gas_limit", "reserve0", "reserve1", "sqrt_price_x96", "liquidity"})


class Chain(ChainReading):
    """All blocks, keyed by chain and number, with the events, states, ticks, gas prices and executions found in them.

    One block at each height is canonical. What `remove_above` takes out stays readable as of the time before.
    """

    def __init__(self, database: Database, ticks: Ticks, gas: GasPrices, executions: Executions) -> None:
        super().__init__(database)
        self._ticks, self._gas, self._executions = ticks, gas, executions

    def append(self, unit: BlockUnit, checkpoint: Checkpoint | None = None) -> Appended:
        """Store one block with all that was in it, and the checkpoint, in one transaction (see `append_many`)."""
        return self.append_many([unit], checkpoint)

    def append_many(self, units: Sequence[BlockUnit], checkpoint: Checkpoint | None = None) -> Appended:
        """Store blocks with all that was in them, and the checkpoint, in one transaction.

        Rows that are there already stay as they are, so the same block twice changes nothing, and a block that is read
        again for more pools gains their rows.

        Args:
            units: of one or more chains, in any order, with or without gaps; see `chain_units.BlockUnit`.
            checkpoint: anything with the fields of `Checkpoint`.

        Returns:
            What became of the rows: blocks, events, states, ticks and executions together. Gas prices are not counted:
            of blocks that share a moment the first one's is kept.

        Raises:
            SchemaError: if a value is missing, out of range or cannot be stored, or a row is of another block.
            StoreError: if another block is stored at one of the heights, or a neighbour that is stored is not linked to it
                (the message names the hashes; `remove_above` first); or if the database refuses. Nothing of this call is
                stored then.
        """
        ordered = sorted(units, key=lambda unit: (unit.chain_id, unit.number))
        found = rows(ordered)
        with self._database.writing() as connection:
            appended = self._append(connection, ordered, found) if ordered else Appended()
            save(self._database, connection, checkpoint)
        return appended

    def _append(self, connection: Connection, units: Sequence[BlockUnit], found: Rows) -> Appended:
        new = True
        for chain_id in sorted({unit.chain_id for unit in units}):
            self._database.lock_chain(connection, chain_id)
            new &= _all_new_and_linked(connection, [unit for unit in units if unit.chain_id == chain_id], self._database.where)
        # whoever brings the first block at a height brings the first of its events and states
        done = self._insert(connection, blocks, found.blocks, new)
        done += self._insert(connection, pool_events, found.events, new)
        done += self._insert(connection, pool_states, found.states, new)
        done += self._ticks.write(connection, found.ticks)
        self._gas.write(connection, found.gas, counted=False)
        return done + self._executions.write(connection, found.executions, found.found_in)

    def _insert(self, connection: Connection, table: Table, columns: dict[str, list[Any]], new: bool) -> Appended:
        stored = {name: self._database.raw(values) if name in _RAW else values for name, values in columns.items()}
        return self._database.append(connection, table, Batch(stored), surely_new=new)

    def remove_above(self, chain_id: int, number: int, orphaned_ms: int, checkpoint: Checkpoint | None = None) -> int:
        """Take out every block above `number` with all that was in it, in one transaction.

        The rows move into the `orphaned_*` tables: reading as of a time before `orphaned_ms` still finds them.

        Args:
            number: the last block that stays (the common ancestor).
            orphaned_ms: when it was found that the chain has turned away from them, UTC ms.
            checkpoint: written in the same transaction.

        Returns:
            How many blocks were taken out.

        Raises:
            StoreError: if the database refuses; then nothing is changed.
        """
        b = blocks.c
        above = (b.chain_id == chain_id) & (b.number > number)
        extent = select(func.count(), func.min(b.ts_ms), func.max(b.ts_ms), func.max(b.number)).where(above)
        with self._database.writing() as connection:
            self._database.lock_chain(connection, chain_id)
            count, first_ms, last_ms, last = connection.execute(extent).one()
            if count:
                reorg = {"chain_id": chain_id, "number": number, "blocks": count, "ts_ms": first_ms, "ts_known_ms": orphaned_ms}
                key = connection.execute(insert(reorgs).values(**reorg)).inserted_primary_key
                assert key is not None
                for table, condition in _conditions(connection, chain_id, number, last, first_ms, last_ms):
                    _move(connection, table, condition, key[0], orphaned_ms)
            save(self._database, connection, checkpoint)
        return int(count)


def _conditions(
    connection: Connection, chain_id: int, number: int, last: int, first_ms: int, last_ms: int
) -> list[tuple[Table, Any]]:
    """Which rows of each table are of the blocks above `number`; `blocks` itself comes last."""
    streams = list(connection.execute(select(tables.streams.c.id)).scalars())  # naming them lets the primary key find the rows
    found = []
    for table in (tables.ticks, tables.gas_prices):
        c = table.c
        # the block must be one of ours: recorded files may bring ticks of the same chain and height
        ours = select(blocks.c.number).where(blocks.c.chain_id == chain_id, blocks.c.number > number, blocks.c.number == c.block_number)
        condition = and_(c.chain_id == chain_id, c.ts_ms.between(first_ms, last_ms), c.block_number > number, ours.exists())
        found.append((table, condition & c.stream_id.in_(streams) if table is tables.ticks else condition))
    for table in (pool_events, pool_states):
        c = table.c
        found.append((table, and_(c.chain_id == chain_id, c.block_number.between(number + 1, last), c.ts_ms.between(first_ms, last_ms))))
    e = tables.executions.c
    found.append((tables.executions, (e.chain_id == chain_id) & (e.block_number > number)))
    found.append((blocks, (blocks.c.chain_id == chain_id) & (blocks.c.number > number)))
    return found


def _move(connection: Connection, table: Table, condition: Any, reorg_id: int, orphaned_ms: int) -> None:
    names = [column.name for column in table.columns]
    gone = select(literal(reorg_id), *table.columns, literal(orphaned_ms)).where(condition)
    connection.execute(insert(orphaned[table.name]).from_select(["reorg_id", *names, "orphaned_ms"], gone))
    connection.execute(delete(table).where(condition))


@functools.cache
def _near() -> Select[Any]:
    b = blocks.c  # one statement for ever: SQLAlchemy then finds its text at once
    near = (b.chain_id == bindparam("chain_id")) & b.number.between(bindparam("first"), bindparam("last"))
    return select(b.number, b.hash, b.parent_hash).where(near)


def _all_new_and_linked(connection: Connection, units: Sequence[BlockUnit], where: str) -> bool:
    """Hold the chain together: one block at a height, and each the child of the one before it where that is there.

    Returns:
        Whether none of the blocks is stored.
    """
    extent = {"chain_id": units[0].chain_id, "first": units[0].number - 1, "last": units[-1].number + 1}
    known = {number: (hash_, parent) for number, hash_, parent in connection.execute(_near(), extent)}
    new = not any(unit.number in known for unit in units)
    for unit in units:
        at = f"{where}: chain {unit.chain_id}, block {unit.number}"
        held = known.setdefault(unit.number, (unit.hash, unit.parent_hash))
        if held[0] != unit.hash:
            raise StoreError(f"{at}: {held[0]} is stored, {unit.hash} is another block; remove_above the common ancestor first")
    for unit in units:
        at = f"{where}: chain {unit.chain_id}, block {unit.number}"
        before, after = known.get(unit.number - 1), known.get(unit.number + 1)
        if before is not None and before[0] != unit.parent_hash:
            raise StoreError(f"{at}: its parent is {unit.parent_hash}, but block {unit.number - 1} is {before[0]}; remove_above first")
        if after is not None and after[1] != unit.hash:
            raise StoreError(f"{at}: {unit.hash} is not the parent {after[1]} of block {unit.number + 1}; remove_above first")
    return new
