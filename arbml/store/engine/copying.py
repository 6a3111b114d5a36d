"""PostgreSQL's binary COPY format, made from whole columns instead of row by row."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from arbml.store.batch import Batch

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature, no flags, no extension
_END = b"\xff\xff"
_CHUNK = 16_384  # rows made at once: 3 MB, which stays in the cache
_KINDS = {"integer": ">i4", "bigint": ">i8", "double precision": ">f8"}


def encodable(batch: Batch, types: Sequence[str]) -> bool:
    """Return whether `encoded` can write the batch: numbers in arrays only."""
    return all(kind in _KINDS and isinstance(values, np.ndarray) for kind, values in zip(types, batch.columns.values(), strict=True))


def encoded(batch: Batch, types: Sequence[str]) -> Iterator[bytes]:
    """Yield the file that COPY ... (FORMAT BINARY) wants, in pieces.

    A field is its length, -1 for NULL, and its big-endian bytes. Rows are laid out at full width in one array; where some
    values of a column are missing, their bytes are cut out of it.

    Args:
        batch: arrays; NaN stands for NULL.
        types: PostgreSQL's name of the type of each column.
    """
    yield _HEADER
    for start in range(0, len(batch), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        yield _rows([(np.dtype(_KINDS[kind]), values[chunk]) for kind, values in zip(types, batch.columns.values(), strict=True)])
    yield _END


def _rows(columns: list[tuple["np.dtype[Any]", Any]]) -> bytes:
    missing = [np.isnan(values) if values.dtype.kind == "f" else None for _, values in columns]
    empty = [gaps is not None and bool(gaps.all()) for gaps in missing]
    fields: list[tuple[str, str | np.dtype[Any]]] = [("fields", ">i2")]
    for i, (kind, _) in enumerate(columns):
        fields += [(f"size{i}", ">i4")] if empty[i] else [(f"size{i}", ">i4"), (f"value{i}", kind)]
    layout = np.dtype(fields)
    rows = np.empty(len(columns[0][1]), layout)
    rows["fields"] = len(columns)
    cut: list[tuple[npt.NDArray[np.bool_], int, int]] = []
    for i, (kind, values) in enumerate(columns):
        gaps = missing[i]
        if empty[i]:
            rows[f"size{i}"] = -1
        elif gaps is None or not gaps.any():
            rows[f"size{i}"] = kind.itemsize
            rows[f"value{i}"] = values
        else:
            rows[f"size{i}"] = np.where(gaps, -1, kind.itemsize)
            rows[f"value{i}"] = np.where(gaps, 0, values)
            cut.append((gaps, _offset(layout, f"value{i}"), kind.itemsize))
    if not cut:
        return rows.tobytes()
    octets = rows.view(np.uint8).reshape(len(rows), layout.itemsize)
    kept = np.ones(octets.shape, bool)
    for gaps, offset, size in cut:
        kept[gaps, offset : offset + size] = False
    return octets[kept].tobytes()


def _offset(layout: "np.dtype[Any]", name: str) -> int:
    assert layout.fields is not None
    return layout.fields[name][1]
