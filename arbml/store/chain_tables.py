"""Blocks, what happened in them, and the twins into which the rows of orphaned blocks move.

Blocks are canonical as far as we know: one at each height of a chain. What a reorganisation takes out is not lost: each
table that has rows of blocks has a twin with the same columns, the reorganisation that took the row out, and when that was
found (`orphaned_ms`). So a reader "as of" a time sees what was believed then.
"""

from typing import Any

from sqlalchemy import Column, Table

from arbml.store.engine.types import CLUSTERED, ID, INT64, RAW, TABLE, TEXT
from arbml.store.tables import executions, gas_prices, metadata, ticks


def _key(name: str, kind: Any = INT64) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


blocks = Table(
    "blocks",
    metadata,
    _key("chain_id"),
    _key("number"),
    Column("hash", TEXT, nullable=False),
    Column("parent_hash", TEXT, nullable=False),
    Column("ts_ms", INT64, nullable=False, index=True),
    Column("ts_known_ms", INT64, nullable=False),
    Column("base_fee_wei", RAW),
    Column("gas_used", RAW),
    Column("gas_limit", RAW),
    Column("priority_fee_percentiles", TEXT),
    **CLUSTERED,
)

pool_events = Table(
    "pool_events",
    metadata,
    _key("chain_id"),
    _key("block_number"),
    _key("ts_ms"),  # follows from the block; in the key because a hypertable's time column must be
    _key("log_index"),
    Column("ts_known_ms", INT64, nullable=False),
    Column("tx_index", INT64, nullable=False),
    Column("tx_hash", TEXT, nullable=False),
    Column("pool", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("args", TEXT, nullable=False),
    **CLUSTERED,
)
"""`args` is JSON with whole numbers of any size, as the contract gave them."""

pool_states = Table(
    "pool_states",
    metadata,
    _key("chain_id"),
    _key("block_number"),
    _key("ts_ms"),
    _key("pool", TEXT),
    Column("ts_known_ms", INT64, nullable=False),
    Column("kind", TEXT, nullable=False),
    *(Column(name, RAW) for name in ("reserve0", "reserve1", "sqrt_price_x96", "liquidity")),
    Column("tick", INT64),
    **CLUSTERED,
)
"""The state of a pool at the end of a block."""

reorgs = Table(
    "reorgs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("chain_id", INT64, nullable=False),
    Column("number", INT64, nullable=False),
    Column("blocks", INT64, nullable=False),
    Column("ts_ms", INT64, nullable=False),
    Column("ts_known_ms", INT64, nullable=False),
    **TABLE,
)
"""Each reorganisation: the last block that stayed, how many blocks went, time of the first of them, when it was found."""


def _twin(table: Table) -> Table:
    columns = [Column(column.name, column.type, primary_key=column.primary_key, nullable=column.nullable, autoincrement=False)
               for column in table.columns]
    orphaned_ms: Column[Any] = Column("orphaned_ms", INT64, nullable=False, index=True)
    return Table(f"orphaned_{table.name}", metadata, _key("reorg_id", ID), *columns, orphaned_ms, **CLUSTERED)


orphaned = {table.name: _twin(table) for table in (blocks, pool_events, pool_states, ticks, gas_prices, executions)}
"""The twin of each table, by the table's name."""
