"""What is stored, as a file that other programs read, and `arbml collect file` reads back."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from arbml.clock import iso, stopwatch_s
from arbml.collectors.data_collector.sink import Tables
from arbml.errors import ConfigError, NotEnoughData, SourceError

Kind = Literal["ticks", "executions", "gas"]
Format = Literal["csv", "json", "parquet"]

FORMATS: dict[str, Format] = {".csv": "csv", ".csv.gz": "csv", ".json": "json", ".parquet": "parquet", ".pq": "parquet"}
PIECE = 100_000  # rows in memory at a time: 50 MB
_WHOLE = ("chain_id", "block_number")  # kept as floats with gaps in frames; whole numbers in a file
_ORDER = ["ts_ms", "block_number", "log_index", "ts_known_ms", "venue", "pair", "request_id", "chain_id"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: rows of a kind, first and last event (UTC ms), and how long that took."""

    path: Path
    kind: Kind
    format: Format
    rows: int
    start_ms: int
    end_ms: int
    seconds: float


def export(
    store: Tables, path: Path, kind: Kind = "ticks", form: Format | None = None, start_ms: int | None = None, end_ms: int | None = None,
    venues: Sequence[str] | None = None, pairs: Sequence[str] | None = None, progress: Callable[[float], None] | None = None,
    piece: int = PIECE,
) -> Exported:
    """Write what is stored of a period to a file, in the order of its events.

    The file appears when it is complete; until then, and after an error, what was there before stays.

    Args:
        path: .csv, .csv.gz, .json (an array, one row a line) or .parquet. form: where the name does not say.
        start_ms, end_ms: event time, UTC ms, start included, end excluded; None is open.
        venues, pairs: of ticks, only these.
        progress: called with the part that is done, 0 to 1.
        piece: ticks read at a time, roughly.

    Raises:
        ConfigError: if the name says no format. NotEnoughData: if nothing is stored of that period; no file is made.
        SourceError: if the file cannot be written. StoreError: if the store cannot be read.
    """
    began = stopwatch_s()
    chosen = form or format_of(path)
    rows, first_ms, last_ms = 0, 0, 0
    pieces = _ticks(store, start_ms, end_ms, venues, pairs, progress, piece) if kind == "ticks" else _others(store, kind, start_ms, end_ms)
    df = next(pieces, None)
    if df is None:
        raise NotEnoughData(f"{kind} of that period and choice in the store", 0, 1, "arbml status shows what is stored")
    with _file(path) as partial:
        writer = _WRITERS[chosen](partial, _schema(df), path.name.lower().endswith(".gz"))
        try:
            while df is not None:
                writer.write(pa.Table.from_pandas(df, schema=_schema(df), preserve_index=False))
                first_ms, last_ms = first_ms if rows else int(df["ts_ms"].iloc[0]), int(df["ts_ms"].iloc[-1])
                rows += len(df)
                df = next(pieces, None)
        finally:
            writer.close()
    return Exported(path, kind, chosen, rows, first_ms, last_ms, stopwatch_s() - began)


def format_of(path: Path) -> Format:
    """Return the format that the name of a file says.

    Raises:
        ConfigError: if it says none.
    """
    for suffix, form in FORMATS.items():
        if path.name.lower().endswith(suffix):
            return form
    raise ConfigError(f"{path}: the name says no format; let it end in {', '.join(FORMATS)}")


def _ticks(
    store: Tables, start_ms: int | None, end_ms: int | None, venues: Sequence[str] | None, pairs: Sequence[str] | None,
    progress: Callable[[float], None] | None, piece: int,
) -> Iterator[pd.DataFrame]:
    """Yield ticks window by window, each as long as the last ones say that a piece takes."""
    span = store.ticks.stats()
    if span.oldest_ms is None or span.newest_ms is None:
        return
    now = first = max(span.oldest_ms, span.oldest_ms if start_ms is None else start_ms)
    end = min(span.newest_ms + 1, span.newest_ms + 1 if end_ms is None else end_ms)
    step = max(1, (span.newest_ms + 1 - span.oldest_ms) * piece // max(span.rows, 1))
    while now < end:
        df = store.ticks.read(venues, pairs, now, min(now + step, end))
        if len(df):
            yield _ordered(df)
        now += step
        if progress:
            progress(min(1.0, (now - first) / (end - first)))
        if len(df) > 2 * piece:
            step = max(1, step // 2)
        elif len(df) < piece // 2:
            step *= 2


def _others(store: Tables, kind: Kind, start_ms: int | None, end_ms: int | None) -> Iterator[pd.DataFrame]:
    df = store.executions.read(start_ms, end_ms) if kind == "executions" else store.gas.read(None, start_ms, end_ms)
    if len(df):
        yield _ordered(df)


def _ordered(df: pd.DataFrame) -> pd.DataFrame:
    return df.sort_values([name for name in _ORDER if name in df.columns], kind="stable", na_position="first")


def _schema(df: pd.DataFrame) -> Any:
    def kind(name: str) -> Any:
        if df[name].dtype == object:
            return pa.string()
        return pa.int64() if name in _WHOLE or df[name].dtype.kind == "i" else pa.float64()

    return pa.schema([(name, kind(name)) for name in df.columns])


@contextmanager
def _file(path: Path) -> Iterator[Path]:
    """Give a name beside `path` that becomes `path` when everything went well."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise SourceError(f"{path}: cannot be written ({error.strerror or error}); check folder, rights and free space") from error
    finally:
        partial.unlink(missing_ok=True)


class _Writer(Protocol):
    def write(self, table: Any) -> None: ...

    def close(self) -> None: ...


class _Parquet:
    def __init__(self, path: Path, schema: Any, _: bool) -> None:
        self._out = pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")

    def write(self, table: Any) -> None:
        self._out.write_table(table)

    def close(self) -> None:
        self._out.close()


class _Csv:
    def __init__(self, path: Path, schema: Any, packed: bool) -> None:
        self._file = _open(path, packed)
        self._out = pyarrow.csv.CSVWriter(self._file, schema, write_options=pyarrow.csv.WriteOptions(quoting_style="needed"))

    def write(self, table: Any) -> None:
        self._out.write(table)

    def close(self) -> None:
        self._out.close()
        self._file.close()


class _Json:
    def __init__(self, path: Path, _: Any, packed: bool) -> None:
        self._file = _open(path, packed)
        self._before = b"[\n"

    def write(self, table: Any) -> None:
        for batch in table.to_batches(max_chunksize=10_000):
            self._file.write(self._before + b",\n".join(map(orjson.dumps, batch.to_pylist())))
            self._before = b",\n"

    def close(self) -> None:
        self._file.write(b"\n]\n")
        self._file.close()


_WRITERS: dict[Format, Callable[[Path, Any, bool], _Writer]] = {"parquet": _Parquet, "csv": _Csv, "json": _Json}


def _open(path: Path, packed: bool) -> IO[bytes]:
    return gzip.open(path, "wb") if packed else path.open("wb")  # type: ignore[return-value]


def described(done: Exported) -> str:
    """Return one line for people."""
    return f"{done.rows} {done.kind} from {iso(done.start_ms)} to {iso(done.end_ms)} in {done.path}"
