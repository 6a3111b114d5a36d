"""PostgreSQL through psycopg 3: binary COPY in, one array per column out."""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import URL, ColumnElement, Connection, Select, Table, event, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ArgumentError

from arbml.errors import ConfigError
from arbml.store.batch import Batch
from arbml.store.engine.copying import encodable, encoded
from arbml.store.engine.database import Columns, Database, native, numeric_types, put_sql, staging

_SETTING = "TIMESERIES_CONNECTION_STRING"
_SHAPE = "postgresql://user:password@host:5432/database"
_ENCODED = "characters like @ / : in user and password percent-encoded"
_SCHEMES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_SCHEMA_LOCK = 0x6172626D6C  # "arbml": the advisory lock that a migrating process holds
_CHAIN_LOCK = _SCHEMA_LOCK << 16  # plus the chain: the lock of whoever writes its blocks
_SMALL = 500                 # rows that one statement takes as arrays
_PAGE = 250_000              # rows gathered into arrays by the server at once: about 30 MB there


class PostgresDatabase(Database):
    """PostgreSQL 12 or later.

    Args:
        url: postgres://, postgresql:// or postgresql+psycopg://.
        lock_timeout_s: how long to wait for another transaction.
    """

    dialect = "postgresql"
    driver_error = psycopg.Error

    def __init__(self, url: SecretStr, lock_timeout_s: float) -> None:
        target = _parse(url.get_secret_value())
        options = {"application_name": "arbml", "connect_timeout": 10}
        engine = sa.create_engine(
            target.set(drivername="postgresql+psycopg"),
            connect_args={name: value for name, value in options.items() if name not in target.query},
            hide_parameters=True,
            pool_pre_ping=True,  # a server that was restarted is reached again without an error
            isolation_level="READ COMMITTED",
        )
        super().__init__(engine, _where(target), _secrets(target))
        self._lock_timeout_ms = round(lock_timeout_s * 1000)
        event.listen(engine, "connect", self._on_connect)

    def _on_connect(self, connection: psycopg.Connection[Any], _: object) -> None:
        connection.execute(f"SET lock_timeout = {self._lock_timeout_ms:d}")  # as a start-up option a pooler would refuse it
        connection.commit()

    def _read_options(self) -> dict[str, Any]:
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    def _write_options(self) -> dict[str, Any]:
        return {}

    def lock_schema(self, connection: Connection) -> None:
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))

    def lock_chain(self, connection: Connection, chain_id: int) -> None:
        _driver(connection).execute("SELECT pg_advisory_xact_lock(%s::bigint)", ((_CHAIN_LOCK + chain_id) % 2**63,))

    def raw(self, values: Iterable[int | None]) -> list[Any]:
        return list(values)

    def insert_missing(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            connection.execute(insert(table).on_conflict_do_nothing(), list(rows))

    def put(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
        _driver(connection).execute(put_sql(table, tuple(row), "%s"), tuple(row.values()))

    def _insert_fresh(self, connection: Connection, table: Table, batch: Batch, all_new: bool) -> tuple[int, Batch | None]:
        types = _types(table, batch, connection)
        if len(batch) <= _SMALL or not (all_new or encodable(batch, types)):
            return 0, batch
        rows, rest = (batch, None) if all_new else _divided(connection, table, batch)
        if rows is None:
            return 0, rest
        try:
            with connection.begin_nested():
                _copy(connection, table.name, rows, types)
        except psycopg.errors.UniqueViolation:  # the batch holds a key twice, or another writer was faster
            return 0, batch
        return len(rows), rest

    def _insert_new(self, connection: Connection, table: Table, batch: Batch) -> int:
        # in the order of the key, so that two writers of the same rows wait for each other instead of deadlocking,
        # and of two rows with one key the first in the batch comes first
        keys, names = [key.name for key in table.primary_key], ", ".join(batch.names)
        if len(batch) <= _SMALL:  # as arrays in one statement: no table between, no further round trip
            arrays, values = _arrays(batch, _types(table, batch, connection))
            rows = f"unnest({arrays}) WITH ORDINALITY AS incoming ({names}, place)"
            last = "place"
        else:
            rows, last, values = self._staged(connection, table, batch).name, "ctid", []
        order = ", ".join([*keys, last])
        with _driver(connection).cursor() as cursor:
            done = cursor.execute(
                f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {rows} ORDER BY {order} ON CONFLICT DO NOTHING", values
            )
            return done.rowcount

    def _incoming(self, connection: Connection, table: Table, batch: Batch) -> Table:
        return self._staged(connection, table, batch) if len(batch) <= _SMALL else staging(table)

    def _staged(self, connection: Connection, table: Table, batch: Batch) -> Table:
        incoming = staging(table)
        # kept by the session, emptied by the commit: no new catalogue rows for every write
        connection.execute(sa.text(f"CREATE TEMP TABLE IF NOT EXISTS {incoming.name} (LIKE {table.name}) ON COMMIT DELETE ROWS"))
        _copy(connection, incoming.name, batch, _types(table, batch, connection))
        return incoming

    def read_columns(self, connection: Connection, statement: Select[Any]) -> Columns:
        types = numeric_types(statement)
        (table,) = statement.get_final_froms()
        keys = tuple(table.primary_key)
        page = statement.order_by(*keys).limit(_PAGE)
        parts: list[Columns] = []
        while True:
            parts.append(_read_page(connection, page, types))
            if len(parts[-1][keys[0].name]) < _PAGE:
                return {name: np.concatenate([part[name] for part in parts]) for name in types}
            last = [int(parts[-1][key.name][-1]) for key in keys]
            page = statement.where(sa.tuple_(*keys) > sa.tuple_(*map(sa.literal, last))).order_by(*keys).limit(_PAGE)

    def _mend(self, error: BaseException) -> str | None:
        if not isinstance(error, psycopg.Error):
            return None
        state = error.sqlstate or ""
        mend = _MENDS.get(state) or _MENDS.get(state[:2])
        if mend is None and not state and isinstance(error, psycopg.OperationalError):
            reason = re.sub(r"^.*failed: ", "", str(error).strip().splitlines()[0])
            mend = f"cannot connect ({reason}); check that the server runs and that {_SETTING} names it"
        return mend

    def _may_pass(self, error: BaseException) -> bool:
        state = getattr(error, "sqlstate", None) or ""
        if state or not isinstance(error, psycopg.OperationalError):
            return state.startswith(_PASSING)
        return not _REFUSED.search(str(error))  # of a failed connection there is only the text

    def _full(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) == "53100"


_PASSING = ("08", "40", "53", "55P03", "57")  # connection, deadlock, resources, lock, server stopping
_REFUSED = re.compile(r"authentication|pg_hba|(role|database) \"[^\"]*\" does not exist|permission|not permitted|invalid|no password")
_MENDS = {
    "08": f"the connection was lost; nothing of this write was kept; check that the server runs and that {_SETTING} names it",
    "57": "the server is stopping or ended this connection; nothing of this write was kept; try again",
    "28": f"refuses this user; check user and password in {_SETTING} ({_ENCODED})",
    "3D000": f"there is no such database on the server; create it or mend {_SETTING}",
    "42501": "this user may not do that; grant it CREATE on the schema and all rights on its tables",
    "53100": "the server's disk is full; nothing of this write was kept; free space there and try again",
    "53300": "the server has no connection left; close some or raise max_connections",
    "55P03": "another transaction holds the lock; wait for it to finish, or stop it, and try again",
    "40": "another transaction was in the way (deadlock or serialisation); nothing of this write was kept; try again",
    "25006": f"the server is read-only (a replica?); name the primary in {_SETTING}",
}


def _parse(text_: str) -> URL:
    # no message may quote the text: whatever could not be parsed may contain the password
    try:
        url = sa.make_url(text_)
        port = url.port
    except (ArgumentError, ValueError):
        raise ConfigError(f"{_SETTING} is not a URL of the shape {_SHAPE}, with {_ENCODED}") from None
    if url.drivername not in _SCHEMES:
        raise ConfigError(f"{_SETTING} must start with postgresql:// (or postgres://, postgresql+psycopg://), e.g. {_SHAPE}")
    if "@" in f"{url.host}{url.database}" or (port is not None and not 0 < port < 65536):
        raise ConfigError(f"{_SETTING}: host, port or database cannot be read; the shape is {_SHAPE}, with {_ENCODED}")
    return url


def _where(url: URL) -> str:
    host = url.host or "localhost"
    return f"postgresql://{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def _secrets(url: URL) -> list[str]:
    options = [value if isinstance(value, str) else ",".join(value) for key, value in url.query.items() if "pass" in key]
    return [str(url.password or ""), *options]


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def _types(table: Table, batch: Batch, connection: Connection) -> list[str]:
    """PostgreSQL's names of the types of the batch's columns."""
    return _type_names(table, tuple(batch.names), connection.dialect)


@functools.cache
def _type_names(table: Table, names: tuple[str, ...], dialect: sa.Dialect) -> list[str]:
    return [str(table.c[name].type.compile(dialect)).split(" COLLATE")[0].split("(")[0].lower() for name in names]


def _arrays(batch: Batch, types: Sequence[str]) -> tuple[str, list[str]]:
    """Return the columns as typed array parameters, and their values.

    The array literals are written here: psycopg looks at every element, and takes their type from one of them.
    """
    return ", ".join(f"%s::{kind}[]" for kind in types), list(map(_literal, batch.lists(), types))


def _literal(values: Sequence[Any], kind: str) -> str:
    if kind != "text":
        return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"
    quoted = ("NULL" if value is None else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"


def _copy(connection: Connection, table: str, batch: Batch, types: Sequence[str]) -> None:
    statement = f"COPY {table} ({', '.join(batch.names)}) FROM STDIN (FORMAT BINARY)"
    with _driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        if encodable(batch, types):
            for piece in encoded(batch, types):
                copy.write(piece)
            return
        copy.set_types(types)
        for row in batch:
            copy.write_row(row)


def _divided(connection: Connection, table: Table, batch: Batch) -> tuple[Batch | None, Batch | None]:
    """Return the rows of a sorted batch whose keys are new, and those whose keys may be there."""
    fresh = _fresh(connection, table, batch)
    if fresh.all():
        return batch, None
    return (batch.take(fresh), batch.take(~fresh)) if fresh.any() else (None, batch)


def _fresh(connection: Connection, table: Table, batch: Batch) -> npt.NDArray[np.bool_]:
    """Return which rows of a sorted batch come after all that the table has of their series up to the batch's last.

    The key of such a table is a series (stream or chain), a time, and perhaps more.
    """
    series_name, time_name = (key.name for key in list(table.primary_key)[:2])
    series, time = (np.asarray(batch.columns[name]) for name in (series_name, time_name))
    first = np.flatnonzero(np.r_[True, series[1:] != series[:-1]])
    last = np.r_[first[1:], len(series)] - 1
    newest = (
        f"SELECT (SELECT max({time_name}) FROM {table.name} t WHERE t.{series_name} = v.series AND t.{time_name} <= v.last) "
        "FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS v(series, last, place) ORDER BY v.place"
    )
    with _driver(connection).cursor() as cursor:
        found = cursor.execute(newest, (series[last].tolist(), time[last].tolist())).fetchall()
    after = np.array([-(2**63) if row[0] is None else row[0] for row in found], np.int64)
    return time > np.repeat(after, last - first + 1)


def _read_page(connection: Connection, page: Select[Any], types: Mapping[str, str]) -> Columns:
    rows = page.subquery()
    gathered = select(*(_gather(rows.c[name], kind) for name, kind in types.items()))
    sql = str(gathered.compile(connection.engine, compile_kwargs={"literal_binds": True}))
    with _driver(connection).cursor(binary=True) as cursor:
        found = cursor.execute(sql).fetchone() or ()
    return {
        name: native(np.frombuffer(values or b"", dtype=f">{kind}"))
        for (name, kind), values in zip(types.items(), found, strict=True)
    }


def _gather(column: ColumnElement[Any], kind: str) -> ColumnElement[Any]:
    """One column of all rows as big-endian bytes; every aggregate sees the rows in the order of the subquery."""
    if kind == "i8":
        sent = func.int8send(sa.cast(column, sa.BigInteger))
    else:
        sent = func.float8send(func.coalesce(sa.cast(column, sa.Double), literal_column("'NaN'::float8")))
    return func.string_agg(sent, literal_column("''::bytea"))
