"""Recorded files, Parquet or CSV, as collectors of ticks and of executions.

A file is read and checked whole before its first row is handed on, so nothing half-read reaches a store. It must fit in
memory: about 0.6 GB for a million ticks with all columns. Split larger recordings by day and collect them one after another.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from arbml.collectors import checks
from arbml.collectors.base import RECORDED_BATCH
from arbml.collectors.maps import IDENTITY, ColumnMap, recognise
from arbml.collectors.melting import Melted, melt, refuse
from arbml.collectors.reading import Array, SourceTable, read_table, refused
from arbml.frames import EXECUTIONS, TICK_KEY, TICKS, ExecutionFrame, TickFrame, sort_by_knowing


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file holds.

    Attributes:
        df: a checked frame in the order of knowing.
        notes: what was done on the way that the user should know, one line each.
    """

    df: pd.DataFrame
    notes: tuple[str, ...]


class FileCollector:
    """Ticks of one recorded file (docs/data.md has the format).

    Args:
        path: a .parquet, .pq, .csv or .csv.gz file.
        column_map: how its columns become ours; without it the columns have our names or those of a shipped map.
        sort: put rows in order instead of refusing a file that is not.
        dedupe: keep the first of rows with the same venue, pair, ts_ms and log_index instead of refusing them.
        batch_size: rows in one frame.
    """

    def __init__(
        self,
        path: Path | str,
        column_map: ColumnMap | None = None,
        sort: bool = False,
        dedupe: bool = False,
        batch_size: int = RECORDED_BATCH,
    ) -> None:
        self._path = Path(path)
        self._map, self._sort, self._dedupe, self._batch_size = column_map, sort, dedupe, batch_size

    @cached_property
    def name(self) -> str:
        """File name and a hash of its content and of how it is read; another content is another source."""
        return _source_name(self._path, self._map, self._sort, self._dedupe)

    @property
    def total(self) -> int:
        """How many ticks it gives. Reads the file."""
        return len(self._recording.df)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done while reading that the user should know, one line each. Reads the file."""
        return self._recording.notes

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues of its ticks, sorted. Reads the file."""
        return tuple(sorted(self._recording.df["venue"].unique()))

    def ticks(self) -> Iterator[TickFrame]:
        """Yield its ticks in the order of knowing.

        Raises:
            SourceError: the file cannot be read. SchemaError: its content is not the tick format; names column and row.
        """
        yield from _batches(self._recording.df, self._batch_size)

    def executions(self) -> Iterator[ExecutionFrame]:
        """Yield nothing: a tick file has no executions."""
        return iter(())

    @cached_property
    def _recording(self) -> Recording:
        return read_ticks(self._path, self._map, self._sort, self._dedupe)


class ExecutionFileCollector:
    """Executions of one recorded file; arguments as for `FileCollector`.

    Args:
        known_venues: where given, routes and opportunities over other venues are refused.
    """

    def __init__(
        self,
        path: Path | str,
        column_map: ColumnMap | None = None,
        sort: bool = False,
        dedupe: bool = False,
        known_venues: Collection[str] | None = None,
        batch_size: int = RECORDED_BATCH,
    ) -> None:
        self._path = Path(path)
        self._map, self._sort, self._dedupe, self._batch_size = column_map, sort, dedupe, batch_size
        self._known_venues = known_venues

    @cached_property
    def name(self) -> str:
        """File name and a hash of its content and of how it is read."""
        return _source_name(self._path, self._map, self._sort, self._dedupe)

    @property
    def total(self) -> int:
        """How many ticks it gives: none."""
        return 0

    def ticks(self) -> Iterator[TickFrame]:
        """Yield nothing: an execution file has no ticks."""
        return iter(())

    def executions(self) -> Iterator[ExecutionFrame]:
        """Yield its executions in the order of knowing.

        Raises:
            SourceError: the file cannot be read. SchemaError: its content is not the execution format; names column and row.
        """
        yield from _batches(self._frame, self._batch_size)

    @cached_property
    def _frame(self) -> ExecutionFrame:
        return read_executions(self._path, self._map, self._sort, self._dedupe, self._known_venues)


def read_ticks(path: Path | str, column_map: ColumnMap | None = None, sort: bool = False, dedupe: bool = False) -> Recording:
    """Read and check a tick file whole; arguments and errors as for `FileCollector`."""
    table = read_table(Path(path))
    found = column_map or recognise(table.names)
    notes = [f"{table.path}: recognised; using the column map '{found.name}'"] if found and column_map is None else []
    melted = melt(table, found or IDENTITY, TICKS)
    for one in melted:
        checks.check_times(table, one)
        _default_known(table, one)
        checks.check_names(table, one)
        checks.check_fees(table, one)
        if not sort:
            checks.check_order(table, one)
    df_, rows = _joined(melted)
    if "log_index" not in df_:
        df_["log_index"] = np.int64(0)
    if found and found.melts:
        left_out = len(table) * len(melted) - len(df_)
        notes.append(f"{table.path}: {len(table)} rows hold {len(df_)} ticks; {left_out} without a price left out")
    df_, repeats = _once(table, df_, rows, TICK_KEY, dedupe)
    return Recording(sort_by_knowing(TICKS.check(df_, str(path))), (*notes, *repeats))


def read_executions(
    path: Path | str,
    column_map: ColumnMap | None = None,
    sort: bool = False,
    dedupe: bool = False,
    known_venues: Collection[str] | None = None,
) -> ExecutionFrame:
    """Read and check an execution file whole.

    Rows without `ts_known_ms` were known `latency_ms` after `ts_ms`; rows without `request_id` get one made of their content.

    Args:
        path, column_map, sort, dedupe: as for `FileCollector`; the key of a row is its `request_id`, or else the whole row.
        known_venues: the venues that ticks have; routes and opportunities over others are refused. None: not checked.

    Returns:
        A checked frame in the order of knowing.

    Raises:
        SourceError: the file cannot be read. SchemaError: its content is not the execution format; names column and row.
    """
    table = read_table(Path(path))
    (one,) = melt(table, column_map or IDENTITY, EXECUTIONS)
    checks.check_times(table, one)
    _default_known(table, one)
    checks.check_results(table, one)
    if known_venues is not None:
        checks.check_venues(table, one, known_venues)
    if not sort:
        checks.check_order(table, one)
    key = ["request_id"] if "request_id" in one.df_ else list(one.df_.columns)
    df_, _ = _once(table, one.df_, one.rows, key, dedupe)
    if "request_id" not in df_:
        df_["request_id"] = [f"file-{number:016x}" for number in pd.util.hash_pandas_object(df_, index=False)]
    return sort_by_knowing(EXECUTIONS.check(df_, str(path)))


def _default_known(table: SourceTable, one: Melted) -> None:
    """Fill in when each row became known where the file does not say: at once, or after the latency it states."""
    if "ts_known_ms" in one.df_:
        return
    latency = np.ceil(one.df_["latency_ms"].fillna(0.0).to_numpy()) if "latency_ms" in one.df_ else np.zeros(len(one.rows))
    if "latency_ms" in one.df_:
        too_long = latency > checks.LONGEST_LATENCY_MS
        refuse(
            table,
            too_long,
            one.rows,
            one.origin["latency_ms"],
            one.df_["latency_ms"],
            "is longer than a day; latencies are in ms",
        )
    one.df_["ts_known_ms"] = one.df_["ts_ms"].to_numpy() + latency.astype(np.int64)


def _joined(melted: list[Melted]) -> tuple[pd.DataFrame, Array]:
    frames = [one.df_ for one in melted if len(one.rows)]
    return pd.concat(frames, ignore_index=True), np.concatenate([one.rows for one in melted])


def _once(table: SourceTable, df_: pd.DataFrame, rows: Array, key: list[str], dedupe: bool) -> tuple[pd.DataFrame, tuple[str, ...]]:
    again = checks.repeated(table, df_, rows, key, dedupe)
    if not again.any():
        return df_, ()
    return df_[~again].reset_index(drop=True), (f"{table.path}: {int(again.sum())} repeated rows dropped",)


def _batches(df: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
    for start in range(0, len(df), size):
        yield df.iloc[start : start + size].reset_index(drop=True)


def _source_name(path: Path, column_map: ColumnMap | None, sort: bool, dedupe: bool) -> str:
    digest = hashlib.sha256(repr((column_map and column_map.views, sort, dedupe)).encode())
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise refused(path, error) from error
    return f"file:{path.name}@{digest.hexdigest()[:12]}"
