"""Gas prices, apart from the ticks that may carry one: a chain has one at every moment, traded or not."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import pandas as pd
from sqlalchemy import Connection, Select, select

from arbml.checkpoint import Checkpoint
from arbml.frames import Column, Schema, sort_by_knowing
from arbml.store import tables
from arbml.store.batch import Appended, Batch, storable
from arbml.store.chain_tables import orphaned
from arbml.store.checkpoints import save
from arbml.store.engine import Database
from arbml.store.engine.database import joined
from arbml.store.period import orphaned_within, within
from arbml.store.plain import Columns

GasFrame: TypeAlias = pd.DataFrame

GAS_PRICES = Schema(
    "gas_prices",
    (
        Column("ts_known_ms", "int64", "UTC ms", required=True),
        Column("ts_ms", "int64", "UTC ms", required=True),
        Column("chain_id", "int64", required=True),
        Column("gas_price_gwei", "float64", "gwei", required=True, non_negative=True),
        Column("block_number", "float64"),
    ),
)
WHOLE = ("block_number",)


class GasPrices:
    """All gas prices, keyed by chain and event time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, gas_: GasFrame, checkpoint: Checkpoint | None = None) -> Appended:
        """Store gas prices in one transaction; what was known first wins (see `Ticks.append`).

        Args:
            gas_: an unchecked frame with the columns of `GAS_PRICES`, in any order.
            checkpoint: written in the same transaction.

        Raises:
            SchemaError: if a value is missing or out of range.
            StoreError: if the database refuses; then nothing of this call is stored.
        """
        gas = checked_gas(gas_)
        with self._database.writing() as connection:
            appended = self.write(connection, gas)
            save(self._database, connection, checkpoint)
        return appended

    def write(self, connection: Connection, gas: GasFrame | Columns, counted: bool = True) -> Appended:
        """Store gas prices that `checked_gas` gave, or that are `storable_as_is`, in a transaction of the caller.

        Args:
            counted: whether the caller wants to know what became of those that are not new.
        """
        columns = {name: gas[name].to_numpy() if isinstance(gas, pd.DataFrame) else gas[name] for name in GAS_PRICES.names}
        return self._database.append(connection, tables.gas_prices, Batch(columns, whole=WHOLE), counted=counted)

    def read(
        self,
        chain_ids: Sequence[int] | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        as_of_ms: int | None = None,
    ) -> GasFrame:
        """Return gas prices in the order of knowing (see `Ticks.read` for the arguments)."""
        gone, c = orphaned["gas_prices"], tables.gas_prices.c
        statement = within(select(*tables.gas_prices.columns), c, start_ms, end_ms, as_of_ms)
        with self._database.reading() as connection:
            columns = self._database.read_columns(connection, _of_chains(statement, c, chain_ids))
            if as_of_ms is not None:
                believed = orphaned_within(select(*gone.columns), gone.c, as_of_ms, start_ms, end_ms)
                columns = joined(columns, self._database.read_columns(connection, _of_chains(believed, gone.c, chain_ids)))
        return sort_by_knowing(GAS_PRICES.check(pd.DataFrame(columns).sort_values("chain_id"), "stored gas prices"))


def checked_gas(gas_: GasFrame) -> GasFrame:
    """Return gas prices that can be stored exactly, in the order of `ts_known_ms`.

    Raises:
        SchemaError: if a value is missing, out of range or cannot be stored exactly.
    """
    return storable(GAS_PRICES.checked(gas_), "gas prices", WHOLE)


def _of_chains(statement: Select[Any], columns: Any, chain_ids: Sequence[int] | None) -> Select[Any]:
    return statement if chain_ids is None else statement.where(columns.chain_id.in_([int(chain) for chain in chain_ids]))
