"""Reading blocks and what was in them, as they are believed now or were at a time."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Select, Table, select

from arbml.store.chain_tables import blocks, orphaned, pool_events, pool_states, reorgs
from arbml.store.engine import Database
from arbml.store.engine.database import joined
from arbml.store.period import orphaned_within, within

_WHOLE = frozenset({"chain_id", "number", "block_number", "ts_ms", "ts_known_ms", "log_index", "tx_index"})


class ChainReading:
    """The reading half of `Chain`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tip(self, chain_id: int) -> tuple[int, str] | None:
        """Return number and hash of the highest block, or None if there is none."""
        b = blocks.c
        highest = select(b.number, b.hash).where(b.chain_id == chain_id).order_by(b.number.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(highest).first()
        return None if row is None else (row.number, row.hash)

    def block(self, chain_id: int, number: int) -> tuple[str, str] | None:
        """Return hash and parent hash of the block at a height, or None if it is not stored."""
        b = blocks.c
        with self._database.reading() as connection:
            row = connection.execute(select(b.hash, b.parent_hash).where(b.chain_id == chain_id, b.number == number)).first()
        return None if row is None else (row.hash, row.parent_hash)

    def blocks(
        self, chain_id: int, start_block: int | None = None, end_block: int | None = None, as_of_ms: int | None = None
    ) -> pd.DataFrame:
        """Return blocks by number.

        Args:
            start_block, end_block: heights, start included, end excluded; None is open.
            as_of_ms: only what was known at that moment, and as it was believed then, UTC ms.

        Returns:
            Columns chain_id, number, hash, parent_hash, ts_ms, ts_known_ms, base_fee_wei, gas_used, gas_limit (exact
            integers, None where the chain has none) and priority_fee_percentiles (a tuple, wei).
        """
        df = self._frame(blocks, "number", chain_id, start_block, end_block, as_of_ms, ["number"])
        df["priority_fee_percentiles"] = pd.Series([tuple(json.loads(text)) for text in df["priority_fee_percentiles"]], dtype=object)
        return df

    def late_blocks(
        self, late_ms: int, start_ms: int | None = None, end_ms: int | None = None, as_of_ms: int | None = None
    ) -> pd.DataFrame:
        """Return the blocks of all chains that were read more than `late_ms` after they were made, by chain and number.

        Args:
            start_ms, end_ms: their time, UTC ms, start included, end excluded; None is open.
            as_of_ms: only what was known at that moment, and as it was believed then, UTC ms.

        Returns:
            Columns chain_id, number, ts_ms and ts_known_ms.
        """
        names = ["chain_id", "number", "ts_ms", "ts_known_ms"]

        def late(table: Table) -> Select[Any]:
            c, keys = table.c, [key.name for key in table.primary_key]
            return select(*(c[name] for name in dict.fromkeys([*names, *keys]))).where(c.ts_known_ms - c.ts_ms > late_ms)

        with self._database.reading() as connection:
            columns = self._database.read_columns(connection, within(late(blocks), blocks.c, start_ms, end_ms, as_of_ms))
            if as_of_ms is not None:
                gone = orphaned[blocks.name]
                believed = orphaned_within(late(gone), gone.c, as_of_ms, start_ms, end_ms)
                columns = joined(columns, self._database.read_columns(connection, believed))
        order = np.lexsort([columns["number"], columns["chain_id"]])
        return pd.DataFrame({name: columns[name][order] for name in names})

    def events(
        self,
        chain_id: int,
        start_block: int | None = None,
        end_block: int | None = None,
        pools: Sequence[str] | None = None,
        as_of_ms: int | None = None,
    ) -> pd.DataFrame:
        """Return the events of pools in the order of the chain (see `blocks` for the arguments).

        Returns:
            Columns chain_id, block_number, ts_ms, log_index, ts_known_ms, tx_index, tx_hash, pool, kind, args (a dict of exact
            integers) and block_hash.
        """
        df = self._frame(pool_events, "block_number", chain_id, start_block, end_block, as_of_ms, ["block_number", "log_index"], pools)
        df["args"] = pd.Series([json.loads(text) for text in df["args"]], dtype=object)
        return df

    def states(
        self,
        chain_id: int,
        start_block: int | None = None,
        end_block: int | None = None,
        pools: Sequence[str] | None = None,
        as_of_ms: int | None = None,
    ) -> pd.DataFrame:
        """Return the states of pools at the end of blocks, by block and pool (see `blocks` for the arguments).

        Returns:
            Columns chain_id, block_number, ts_ms, pool, ts_known_ms, kind, reserve0, reserve1, sqrt_price_x96, liquidity, tick
            (exact integers, None where the kind of pool has none) and block_hash.
        """
        return self._frame(pool_states, "block_number", chain_id, start_block, end_block, as_of_ms, ["block_number", "pool"], pools)

    def reorgs(self, chain_id: int) -> pd.DataFrame:
        """Return the reorganisations that were found, in that order.

        Returns:
            Columns id, chain_id, number (last block that stayed), blocks (how many went), ts_ms (time of the first of them) and
            ts_known_ms (when it was found), UTC ms.
        """
        with self._database.reading() as connection:
            found = connection.execute(select(reorgs).where(reorgs.c.chain_id == chain_id).order_by(reorgs.c.id)).all()
        return pd.DataFrame([tuple(row) for row in found], columns=[column.name for column in reorgs.columns])

    def _frame(
        self, table: Table, height: str, chain_id: int, start: int | None, end: int | None, as_of_ms: int | None, order: list[str],
        pools: Sequence[str] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        def found(connection: Connection, table: Table, names: list[str]) -> list[tuple[Any, ...]]:
            rows = list(connection.execute(within(chosen(table.c, names), table.c, as_of_ms=as_of_ms)))
            if as_of_ms is not None:
                gone = orphaned[table.name].c
                rows += connection.execute(orphaned_within(chosen(gone, names), gone, as_of_ms))
            return [tuple(row) for row in rows]

        def chosen(columns: Any, names: list[str]) -> Select[Any]:
            level = columns.get(height, columns.get("number"))
            statement = select(*(columns[name] for name in names)).where(columns.chain_id == chain_id)
            if start is not None:
                statement = statement.where(level >= start)
            if end is not None:
                statement = statement.where(level < end)
            return statement if pools is None or "pool" not in columns else statement.where(columns.pool.in_(list(pools)))

        names = [column.name for column in table.columns]
        keys = [names.index(name) for name in order]
        with self._database.reading() as connection:
            rows = sorted(found(connection, table, names), key=lambda row: [row[key] for key in keys])
            hashes = {} if table is blocks else dict(found(connection, blocks, ["number", "hash"]))
        if hashes:  # at one height one block is believed at a time
            at = names.index(height)
            rows = [(*row, hashes[row[at]]) for row in rows]
        return _objects(rows, names if table is blocks else [*names, "block_hash"])


def _objects(rows: list[tuple[Any, ...]], names: list[str]) -> pd.DataFrame:
    """A frame whose exact integers are Python's: those of a contract fit neither into 64 bits nor into floats."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pd.DataFrame({
        name: pd.Series(list(values), dtype="int64" if name in _WHOLE else object) for name, values in zip(names, columns, strict=True)
    })
