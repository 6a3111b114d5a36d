"""The embedded database: one file, many readers, one writer at a time."""

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import URL, Connection, Select, Table, create_engine, event, text
from sqlalchemy.dialects.sqlite import insert

from arbml.errors import StoreError
from arbml.store.batch import Batch
from arbml.store.engine.database import Columns, Database, native, numeric_types, put_sql, staging

_WRITES = "arbml_writes"


class SqliteDatabase(Database):
    """SQLite in WAL mode: a reader never waits, a killed process leaves the last commit.

    Args:
        path: the file; it and its folder are made if missing.
        lock_timeout_s: how long to wait for another process that writes.
    """

    dialect = "sqlite"
    driver_error = sqlite3.Error

    def __init__(self, path: Path, lock_timeout_s: float) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent}: cannot make this folder ({error.strerror}); choose another ML_HOME") from error
        engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(path)), connect_args={"timeout": lock_timeout_s}, hide_parameters=True
        )
        super().__init__(engine, str(path))
        self._lock_timeout_s = lock_timeout_s
        event.listen(engine, "connect", self._on_connect)
        event.listen(engine, "begin", _begin)

    def _on_connect(self, connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # no BEGIN but ours, see _begin
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-8192"):
            connection.execute(f"PRAGMA {pragma}")
        _use_wal(connection, self._lock_timeout_s)

    def _read_options(self) -> dict[str, Any]:
        return {_WRITES: False}

    def _write_options(self) -> dict[str, Any]:
        return {_WRITES: True}

    def lock_schema(self, connection: Connection) -> None:
        """Nothing to do: a writing transaction is alone already."""

    def lock_chain(self, connection: Connection, chain_id: int) -> None:
        """Nothing to do: a writing transaction is alone already."""

    def raw(self, values: Iterable[int | None]) -> list[Any]:
        return [None if value is None else str(value) for value in values]

    def insert_missing(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            connection.execute(insert(table).on_conflict_do_nothing(), list(rows))

    def put(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
        _cursor(connection).execute(put_sql(table, tuple(row), "?"), tuple(row.values()))

    def _insert_new(self, connection: Connection, table: Table, batch: Batch) -> int:
        keys = ", ".join(column.name for column in table.primary_key)
        return _execute_many(connection, f"{_insert(table, batch)} ON CONFLICT ({keys}) DO NOTHING", batch)

    def _incoming(self, connection: Connection, table: Table, batch: Batch) -> Table:
        incoming = staging(table)
        connection.execute(text(f"DROP TABLE IF EXISTS temp.{incoming.name}"))
        connection.execute(text(f"CREATE TEMP TABLE {incoming.name} AS SELECT * FROM {table.name} LIMIT 0"))
        _execute_many(connection, _insert(incoming, batch), batch)
        return incoming

    def read_columns(self, connection: Connection, statement: Select[Any]) -> Columns:
        types = numeric_types(statement)
        sql = str(statement.compile(connection.engine, compile_kwargs={"literal_binds": True}))
        cursor = _cursor(connection).execute(sql)
        rows = np.fromiter(cursor, dtype=list(types.items()))  # reads NULL as NaN, one row in memory at a time
        return {name: native(rows[name]) for name in types}

    def _mend(self, error: BaseException) -> str | None:
        return _MENDS.get(_code(error))

    def _may_pass(self, error: BaseException) -> bool:
        return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def _full(self, error: BaseException) -> bool:
        return _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _code(error: BaseException) -> int:
    """The primary result code of a driver's error; 0 where it has none."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


_MENDS = {
    sqlite3.SQLITE_BUSY: "another process holds the write lock; wait for it to finish, or stop it, and try again",
    sqlite3.SQLITE_LOCKED: "another connection of this process holds the write lock; try again",
    sqlite3.SQLITE_FULL: "the disk is full; nothing of this write was kept; free space and try again",
    sqlite3.SQLITE_IOERR: "the disk refuses to read or write; nothing of this write was kept; check its space, quota and health",
    sqlite3.SQLITE_CANTOPEN: "cannot open this file; check that it is a file and that its folder may be written, or choose another ML_HOME",
    sqlite3.SQLITE_READONLY: "may not be written; mend its permissions or choose another ML_HOME",
    sqlite3.SQLITE_PERM: "may not be opened; mend its permissions or choose another ML_HOME",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; move it away and a new one is made",
    sqlite3.SQLITE_CORRUPT: "is damaged; move it away (sqlite3 .recover may save rows) and a new one is made",
}


def _begin(connection: Connection) -> None:
    # a deferred transaction that starts to write later fails at once, without waiting, if another one wrote meanwhile
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")


def _use_wal(connection: sqlite3.Connection, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return  # a file system without shared memory keeps its mode, which is slower but as safe
        except sqlite3.OperationalError as error:
            # the busy timeout does not cover this switch: two processes that make the file at once meet here
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _cursor(connection: Connection) -> sqlite3.Cursor:
    cursor = connection.connection.driver_connection
    assert isinstance(cursor, sqlite3.Connection)
    return cursor.cursor()


def _insert(table: Table, batch: Batch) -> str:
    return f"INSERT INTO {table.name} ({', '.join(batch.names)}) VALUES ({', '.join('?' * len(batch.names))})"


def _execute_many(connection: Connection, sql: str, batch: Batch) -> int:
    return max(_cursor(connection).executemany(sql, batch).rowcount, 0)
