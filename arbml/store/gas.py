"""Gas prices, apart from the ticks that may carry one: a chain has one at every moment, traded or not."""

from collections.abc import Sequence
from typing import TypeAlias

import pandas as pd
from sqlalchemy import delete, select

from arbml.frames import Column, Schema, sort_by_knowing
from arbml.store import tables
from arbml.store.batch import Appended, Batch, storable
from arbml.store.checkpoints import Checkpoint, save
from arbml.store.engine import Database
from arbml.store.period import within

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
_WHOLE = ("block_number",)


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
        gas = storable(GAS_PRICES.check(gas_), "gas prices", _WHOLE)
        with self._database.writing() as connection:
            batch = Batch({name: gas[name].to_numpy() for name in GAS_PRICES.names}, whole=_WHOLE)
            appended = self._database.append(connection, tables.gas_prices, batch)
            save(self._database, connection, checkpoint)
        return appended

    def read(
        self,
        chain_ids: Sequence[int] | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        as_of_ms: int | None = None,
    ) -> GasFrame:
        """Return gas prices in the order of knowing (see `Ticks.read` for the arguments)."""
        c = tables.gas_prices.c
        statement = within(select(*tables.gas_prices.columns), c, start_ms, end_ms, as_of_ms)
        if chain_ids is not None:
            statement = statement.where(c.chain_id.in_([int(chain) for chain in chain_ids]))
        with self._database.reading() as connection:
            columns = self._database.read_columns(connection, statement)
        return sort_by_knowing(GAS_PRICES.check(pd.DataFrame(columns).sort_values("chain_id"), "stored gas prices"))

    def delete_before(self, ts_ms: int) -> int:
        """Delete the gas prices that happened before `ts_ms` (UTC ms) and return how many they were."""
        with self._database.writing() as connection:
            return connection.execute(delete(tables.gas_prices).where(tables.gas_prices.c.ts_ms < ts_ms)).rowcount
