"""A recorded file as an Arrow table, and its columns as arrays; the door of pyarrow's readers.

The whole file is read before anything is made of it, so a fault in its last row is found before its first row is stored.
"""

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from arbml.errors import SchemaError, SourceError

Array = npt.NDArray[Any]

PARQUET, CSV = (".parquet", ".pq"), (".csv", ".csv.gz")
_MAGIC = b"PAR1"
_NULLS = ["", "null", "NULL", "None", "NA", "N/A"]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A numeric column.

    Attributes:
        values: (n,) int64 or float64; 0 or NaN where null.
        nulls: (n,) True where the file has nothing. A NaN that the file states is not null.
    """

    values: Array
    nulls: Array


@dataclass(frozen=True, slots=True)
class SourceTable:
    """The rows of a file. Row numbers in messages count data rows from 1."""

    path: Path
    table: Any  # pyarrow.Table; pyarrow has no types

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def names(self) -> list[str]:
        """The file's column names."""
        return list(self.table.column_names)

    def numbers(self, name: str, times: bool = False) -> Numbers:
        """Return a numeric column; text that reads as a number counts as one.

        Args:
            name: a column of the file.
            times: dates and times are welcome, and become UTC ms.

        Raises:
            SchemaError: the column is missing or holds something else; names column, row and value.
        """
        array = self._array(name)
        nulls = array.is_null().to_numpy(zero_copy_only=False)
        kind = array.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            array = self._text_as_numbers(name, array, times)
            kind = array.type
        if times and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            array = pc.cast(pc.cast(array, pa.timestamp("ms"), safe=False), pa.int64())
        elif pa.types.is_null(kind):
            array = pc.cast(array, pa.float64())
        elif pa.types.is_decimal(kind) or pa.types.is_unsigned_integer(kind) or pa.types.is_float16(kind):
            array = pc.cast(array, pa.float64(), safe=False)
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise SchemaError(f"{self.path}: column '{name}' is {kind}, not numeric; map another column with --map")
        whole = pa.types.is_integer(array.type)
        filled = pc.fill_null(array, 0 if whole else float("nan"))
        return Numbers(filled.to_numpy(zero_copy_only=False).astype(np.int64 if whole else np.float64), nulls)

    def texts(self, name: str) -> "pd.Series[Any]":
        """Return a column as text, None where null; numbers are written out."""
        array = self._array(name)
        try:
            array = pc.utf8_trim_whitespace(pc.cast(array, pa.string()))
        except pa.ArrowException as error:
            raise SchemaError(f"{self.path}: column '{name}' is {array.type}, not text; map another column with --map") from error
        series = array.to_pandas().astype(object)
        return series.where(series.notna(), None)

    def flags(self, name: str) -> Array:
        """Return a true/false column; null is false."""
        array = self._array(name)
        try:
            return np.asarray(pc.fill_null(pc.cast(array, pa.bool_()), False).to_numpy(zero_copy_only=False))
        except pa.ArrowException as error:
            raise SchemaError(f"{self.path}: column '{name}' is {array.type}, not true/false") from error

    def _array(self, name: str) -> Any:
        if name not in self.table.column_names:
            raise SchemaError(f"{self.path}: column '{name}' is missing; the file has {', '.join(self.names)}")
        array = self.table.column(name).combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # pyarrow leaves no chunk or several where one would be too long
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        return pc.cast(array, array.type.value_type) if pa.types.is_dictionary(array.type) else array

    def _text_as_numbers(self, name: str, array: Any, times: bool) -> Any:
        array = pc.utf8_trim_whitespace(array)
        for kind in (pa.int64(), pa.float64(), *((pa.timestamp("ms", "UTC"), pa.timestamp("ms")) if times else ())):
            try:
                return pc.cast(array, kind)
            except pa.ArrowException:
                continue
        texts = array.to_pandas().astype(object)
        numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
        bad = numbers.isna() & texts.notna() & (texts.str.lower() != "nan")
        if bad.any():
            row = int(np.flatnonzero(bad.to_numpy())[0])
            more = f" (and {int(bad.sum()) - 1} more rows)" if bad.sum() > 1 else ""
            what = "a number or an ISO date" if times else "a number"
            raise SchemaError(f"{self.path}: column '{name}', row {row + 1}: {texts.iloc[row]!r} is not {what}{more}; mend or drop the row")
        return pa.array(numbers, from_pandas=False)


def read_table(path: Path) -> SourceTable:
    """Read a Parquet or CSV file whole.

    Raises:
        SourceError: the file is missing, a directory, unreadable, empty, cut short or not what its name says.
    """
    kind = _kind(path)
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(0, size - 4))
            tail = file.read(4)
    except OSError as error:
        raise refused(path, error) from error
    if not head:
        raise SourceError(f"{path}: the file is empty (0 bytes); copy or write it again")
    table = _read_parquet(path, head, tail) if kind == "parquet" else _read_csv(path, head)
    names = list(table.column_names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"{path}: column '{twice}' stands twice in the header; rename or drop one")
    if table.num_rows == 0:
        raise SourceError(f"{path}: no rows, only the header {', '.join(names)}; write the file again, with rows")
    return SourceTable(path, table)


def refused(path: Path, error: OSError) -> SourceError:
    """Say in one line why the operating system did not give the file."""
    mend = {
        FileNotFoundError: "no such file; check the path",
        IsADirectoryError: "it is a directory; give one file, or repeat the option for each",
        PermissionError: "no permission to read it; check its owner and mode",
    }
    return SourceError(f"{path}: {next((text for kind, text in mend.items() if isinstance(error, kind)), error.strerror or error)}")


def _kind(path: Path) -> str:
    if path.is_dir():
        raise refused(path, IsADirectoryError())
    name = path.name.lower()
    if name.endswith(PARQUET):
        return "parquet"
    if name.endswith(CSV):
        return "csv"
    raise SourceError(f"{path}: unknown file type; it must end in {', '.join(PARQUET + CSV)}")


def _read_parquet(path: Path, head: bytes, tail: bytes) -> Any:
    if head != _MAGIC:
        raise SourceError(f"{path}: not a Parquet file although it is named so; if it is text, rename it to .csv")
    if tail != _MAGIC:
        raise SourceError(f"{path}: cut short: the Parquet footer is missing; copy or write the file again")
    try:
        return pyarrow.parquet.ParquetFile(path).read()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: broken Parquet file ({_line(error)}); copy or write it again") from error


def _read_csv(path: Path, head: bytes) -> Any:
    if head == _MAGIC:
        raise SourceError(f"{path}: it is a Parquet file named as CSV; rename it to .parquet")
    try:
        names = _header(path)
        return pyarrow.csv.read_csv(
            path,
            # one block after another in one thread: only so does a parse error know its row
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=1 << 24),
            # everything as text: a guess from the first block would refuse 0.5 where 0, 0, 0 stood before
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=_NULLS,
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError, EOFError, csv.Error, zlib.error) as error:
        raise SourceError(f"{path}: {_csv_fault(_line(error))}") from error
    except OSError as error:
        raise (refused(path, error) if error.errno else SourceError(f"{path}: {_line(error)}; copy or write the file again")) from error


def _header(path: Path) -> list[str]:
    """Return the names in the first line that is not blank."""
    with path.open("rb") as raw, gzip.open(raw) if path.name.lower().endswith(".gz") else raw as plain:
        return next((names for names in csv.reader(io.TextIOWrapper(plain, encoding="utf-8-sig", newline="")) if names), [])


def _csv_fault(text: str) -> str:
    if "Expected" in text and "columns, got" in text:
        row, _, rest = text.partition("Row #")[2].partition(":")
        expected = rest.strip().partition(": ")[0] or text
        # pyarrow counts the header as row 1
        number = f"row {int(row) - 1}: " if row.isdigit() else ""
        return f"{number}{expected[:1].lower()}{expected[1:]}; the file is cut short there, or a field holds an unquoted comma"
    if "Empty CSV" in text:
        return "no rows below the header, or no header line at all; write the file again"
    if "UTF8" in text or "utf-8" in text:
        return "it is not UTF-8 text; save it as UTF-8"
    return f"broken CSV file ({text})"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
