"""The store: one door to everything that is kept."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import func, select

from arbml.checkpoint import Checkpoint
from arbml.config import StoreConfig
from arbml.store import tables
from arbml.store.alerts import Alerts
from arbml.store.bars import Bars
from arbml.store.chain import Chain
from arbml.store.checkpoints import Checkpoints
from arbml.store.engine import Database, connect
from arbml.store.executions import Executions
from arbml.store.gas import GasPrices
from arbml.store.migrations import migrate
from arbml.store.patterns import Patterns
from arbml.store.predictions import Predictions
from arbml.store.pruning import prune
from arbml.store.ticks import Ticks, TickStats
from arbml.store.timescale import Done, Layout, Retention, layout, setup

_COUNTED = (tables.ticks, tables.executions, tables.predictions, tables.outcomes, tables.gas_prices, tables.alerts)


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What the store holds: rows by table ("outcomes" are the executions that have a prediction), and its ticks."""

    rows: dict[str, int]
    ticks: TickStats


class Store:
    """Ticks, executions, predictions with their outcomes, gas prices, blocks, alerts, patterns and checkpoints.

    Any number of processes may use one store at once, and threads may share one `Store`; after a fork, open it anew.
    Every write is one transaction: a process that is killed leaves all of it or nothing.

    Attributes:
        ticks, executions, predictions, gas, chain, alerts, patterns: the tables. bars: made of the ticks.
        where: path or URL for people; never with user, password or options.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checkpoints = Checkpoints(database)
        self.ticks = Ticks(database)
        self.bars = Bars(database)
        self.executions = Executions(database)
        self.predictions = Predictions(database)
        self.gas = GasPrices(database)
        self.chain = Chain(database, self.ticks, self.gas, self.executions)
        self.alerts = Alerts(database)
        self.patterns = Patterns(database)

    @classmethod
    def open(cls, store: StoreConfig, home: Path, lock_timeout_s: float = 30.0) -> Self:
        """Open the store that the configuration names, made or migrated to this version if needed.

        Args:
            store: with a connection string it is PostgreSQL; without one SQLite in `home`.
            home: folder of `arbml.db`, made if missing.
            lock_timeout_s: how long a write waits for another process, s.

        Raises:
            ConfigError: if the connection string is not a PostgreSQL URL.
            StoreError: if the database cannot be reached or made, is damaged, or has a newer schema than this code.
        """
        database = connect(store, home, lock_timeout_s)
        try:
            migrate(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @property
    def where(self) -> str:
        return self._database.where

    @property
    def dialect(self) -> str:
        """"sqlite" or "postgresql"."""
        return self._database.dialect

    def checkpoint(self, source: str) -> Checkpoint | None:
        """Return how far a source has been collected, or None if it never was."""
        return self._checkpoints.get(source)

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint on its own; `append(..., checkpoint=...)` writes it together with the rows."""
        self._checkpoints.set(checkpoint)

    def stats(self) -> StoreStats:
        """Count what is stored."""
        with self._database.reading() as connection:
            counts = select(*(select(func.count()).select_from(table).scalar_subquery().label(table.name) for table in _COUNTED))
            rows = dict(connection.execute(counts).mappings().one())
        return StoreStats(rows, self.ticks.stats())

    def prune(self, before_ms: int) -> dict[str, int]:
        """Delete market data that happened before `before_ms` (UTC ms); return how many rows of each table (see `pruning`)."""
        return prune(self._database, before_ms)

    def layout(self) -> Layout:
        """Return server, schema, and what TimescaleDB does with the tables."""
        return layout(self._database)

    def setup(self, retention: Retention, now_ms: int, drop_old: bool = False) -> Done:
        """Give the tables what TimescaleDB has for them, where it is there (see `timescale.setup`)."""
        return setup(self._database, retention, now_ms, drop_old)

    def close(self) -> None:
        """Give back every connection; the store may be used again all the same."""
        self._database.close()
        self.ticks.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.where})"
