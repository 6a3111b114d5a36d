"""The only place that knows which database it is: connecting, transactions, bulk paths, and what its errors mean."""

from pathlib import Path

from arbml.config import StoreConfig
from arbml.store.engine.database import Database

__all__ = ["Database", "connect"]

FILE = "arbml.db"


def connect(store: StoreConfig, home: Path, lock_timeout_s: float) -> Database:
    """Return the database that the configuration names, not yet asked anything.

    Args:
        store: with a connection string it is PostgreSQL, without one SQLite.
        home: folder of the SQLite file.
        lock_timeout_s: how long a write waits for another process.

    Raises:
        ConfigError: if the connection string is not a PostgreSQL URL.
        StoreError: if the home cannot be made.
    """
    if store.connection_string is not None:
        from arbml.store.engine.postgres import PostgresDatabase

        return PostgresDatabase(store.connection_string, lock_timeout_s)
    from arbml.store.engine.sqlite import SqliteDatabase

    return SqliteDatabase(home.expanduser().absolute() / FILE, lock_timeout_s)
