"""What every database can do for the store; `sqlite` and `postgres` say how."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, MetaData, Select, Table, and_, func, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from arbml.errors import StoreError, StoreFull, StoreUnavailable
from arbml.store.batch import Appended, Batch

Columns = dict[str, npt.NDArray[Any]]


class Database(ABC):
    """An open database: transactions, bulk writes, columnar reads, and errors in one line.

    Args:
        engine: the connection pool.
        where: what people call it: a path, or a URL without user, password and options.
        secrets: texts that no message may show.
    """

    dialect: ClassVar[str]
    driver_error: ClassVar[type[Exception]]

    def __init__(self, engine: Engine, where: str, secrets: Sequence[str] = ()) -> None:
        self.engine = engine
        self.where = where
        self._secrets = tuple(secret for secret in secrets if secret)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.where})"

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the database; what is committed meanwhile stays unseen.

        Raises:
            StoreUnavailable: if the database cannot be reached.
            StoreError: if it refuses.
        """
        with self._explained(), self.engine.connect().execution_options(**self._read_options()) as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it is stored, or after any error nothing.

        Raises:
            StoreUnavailable: if the database cannot be reached or is locked.
            StoreError: if it refuses.
        """
        with self._explained(), self.engine.connect().execution_options(**self._write_options()) as connection, connection.begin():
            yield connection

    @abstractmethod
    def lock_schema(self, connection: Connection) -> None:
        """Wait until no other process is migrating; hold the right until the transaction ends."""

    @abstractmethod
    def lock_chain(self, connection: Connection, chain_id: int) -> None:
        """Wait until no other process writes blocks of this chain; hold the right until the transaction ends."""

    @abstractmethod
    def raw(self, values: Iterable[int | None]) -> list[Any]:
        """Return integers of any size as the driver wants them in a `RAW` column of a batch."""

    @abstractmethod
    def insert_missing(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert a few rows; those whose key is there already are left out."""

    @abstractmethod
    def put(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
        """Insert one row or replace the row with its primary key."""

    @abstractmethod
    def read_columns(self, connection: Connection, statement: Select[Any]) -> Columns:
        """Return a numeric selection as arrays (int64, or float64 with NaN for NULL), without a Python object per value.

        Args:
            statement: selects number columns of one table, among them its primary key, filtered by numbers only.
        """

    def append(
        self,
        connection: Connection,
        table: Table,
        batch: Batch,
        ignore: Sequence[str] = ("ts_known_ms",),
        surely_new: bool = False,
        counted: bool = True,
    ) -> Appended:
        """Insert the rows whose primary key is new, and say what became of the others.

        Args:
            table: all its columns are in the batch.
            ignore: columns in which a row may differ from the stored one without being in conflict with it.
            surely_new: the caller knows that no key is there, which makes a bulk load faster; nothing is lost if he errs.
            counted: whether to find out what became of rows that are not new; without it only the new ones are counted.
        """
        if not len(batch):
            return Appended()
        if batch.numeric:  # rows that lie side by side in the table are written side by side
            batch = batch.sorted_by([key.name for key in table.primary_key])
        fresh, rest = self._insert_fresh(connection, table, batch, surely_new)
        if rest is None:
            return Appended(fresh)
        new = self._insert_new(connection, table, rest)
        if new == len(rest) or not counted:
            return Appended(fresh + new)
        same = self._count_same(connection, table, rest, ignore)
        return Appended(fresh + new, same - new, len(rest) - same)

    def _insert_fresh(self, connection: Connection, table: Table, batch: Batch, all_new: bool) -> tuple[int, Batch | None]:
        """Insert the rows of which it is cheap to tell that their primary key is new; return how many, and the others if any."""
        return 0, batch

    @abstractmethod
    def _insert_new(self, connection: Connection, table: Table, batch: Batch) -> int:
        """Insert the rows whose primary key is new; return how many."""

    @abstractmethod
    def _incoming(self, connection: Connection, table: Table, batch: Batch) -> Table:
        """Return a temporary table that holds the batch which `_insert_new` has seen last."""

    def _count_same(self, connection: Connection, table: Table, batch: Batch, ignore: Sequence[str]) -> int:
        incoming = self._incoming(connection, table, batch)
        keys = [column.name for column in table.primary_key]
        content = [name for name in batch.names if name not in keys and name not in ignore]
        same_key = and_(*(incoming.c[name] == table.c[name] for name in keys))
        same_content = and_(True, *(incoming.c[name].is_not_distinct_from(table.c[name]) for name in content))
        return int(connection.execute(select(func.count()).select_from(incoming.join(table, same_key)).where(same_content)).scalar_one())

    @abstractmethod
    def _read_options(self) -> dict[str, Any]: ...

    @abstractmethod
    def _write_options(self) -> dict[str, Any]: ...

    @abstractmethod
    def _mend(self, error: BaseException) -> str | None:
        """Return what is wrong and how to mend it, if this driver error is a known one."""

    @abstractmethod
    def _may_pass(self, error: BaseException) -> bool:
        """Return whether the same work may succeed later without anybody mending a setting or the work."""

    @abstractmethod
    def _full(self, error: BaseException) -> bool:
        """Return whether the disk under the database has no room or cannot be written."""

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OverflowError as error:
            raise StoreError(f"{self.where}: a whole number of more than 64 bits cannot be stored") from error
        except (SQLAlchemyError, self.driver_error) as error:
            raise self._store_error(error) from error

    def _store_error(self, error: Exception) -> StoreError:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        text = self._mend(cause) or next(iter(str(cause).strip().splitlines()), type(cause).__name__)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        may_pass = isinstance(error, PoolTimeout) or self._may_pass(cause)
        kind = StoreFull if self._full(cause) else StoreUnavailable if may_pass else StoreError
        return kind(f"{self.where}: {text}")


@functools.cache
def staging(table: Table) -> Table:
    """Return the description of the temporary table through which rows reach `table`."""
    return table.to_metadata(MetaData(), name=f"incoming_{table.name}")


@functools.cache
def put_sql(table: Table, names: tuple[str, ...], mark: str) -> str:
    """Return the statement that inserts one row or replaces the one with its primary key; the values of plain types."""
    keys = ", ".join(key.name for key in table.primary_key)
    new = ", ".join(f"{name} = excluded.{name}" for name in names)
    marks = ", ".join([mark] * len(names))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT ({keys}) DO UPDATE SET {new}"


def numeric_types(statement: Select[Any]) -> dict[str, str]:
    """Return the array type of each selected column: "i8" where it is never NULL and whole, otherwise "f8"."""
    types = {}
    for column in statement.selected_columns:
        whole = column.type.python_type is int and not getattr(column, "nullable", True)
        types[column.name] = "i8" if whole else "f8"
    return types


def native(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values in this machine's byte order, contiguous."""
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))


def joined(first: Columns, second: Columns) -> Columns:
    """Return the rows of both; the columns of `first`, which are all in `second`."""
    return {name: np.concatenate([values, second[name]]) for name, values in first.items()}
