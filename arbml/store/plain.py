"""Small batches as columns of plain Python values: looked at without a frame, which would take longer than storing them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import isfinite
from typing import Any, TypeAlias

import pandas as pd

from arbml.errors import SchemaError
from arbml.frames import Column, Schema
from arbml.store.batch import refuse_bad_text

Columns: TypeAlias = Mapping[str, list[Any]]
"""Values by column, None where one is missing."""

FEW = 1_000  # from so many rows on arrays are faster

_EXACT = 2**53  # a frame keeps whole numbers that may be missing as floats
_INT64 = 2**63


def storable_as_is(schema: Schema, columns: Columns, whole: Sequence[str]) -> bool:
    """Return whether columns can be stored as they are: exactly what `batch.storable` of their checked frame has.

    A False says nothing but that a frame must be made of them, and checked: it may only want another type or order.

    Args:
        columns: of equal length. whole: names of float columns that hold whole numbers, here `int`.
    """
    if columns.keys() != set(schema.names):
        return False
    known: list[int] = columns["ts_known_ms"]
    if len(known) > FEW or any(len(values) != len(known) for values in columns.values()):
        return False
    if not known:
        return True
    return all(_as_is(columns[c.name], c, c.name in whole) for c in schema.columns) and known == sorted(known)


def _as_is(values: list[Any], column: Column, whole: bool) -> bool:
    kinds = set(map(type, values))
    if type(None) in kinds:
        if column.required or column.dtype == "int64":
            return False
        kinds.discard(type(None))
        values = [value for value in values if value is not None]
        if not values:
            return True
    if column.dtype == "object":
        return kinds == {str} and _is_good_text(values, column.name)
    if column.dtype == "int64" or whole:
        bound = _EXACT if whole else _INT64
        if kinds != {int} or max(values) >= bound or min(values) <= -bound:
            return False
    elif kinds != {float} or not all(map(isfinite, values)):
        return False
    if column.positive:
        return min(values) > 0
    return not column.non_negative or min(values) >= 0


def _is_good_text(values: Iterable[str], name: str) -> bool:
    try:
        refuse_bad_text(list(values), name, name, strict=True)
    except SchemaError:
        return False
    return True


def only(columns: Columns, values: Mapping[str, Any]) -> bool:
    """Return whether each of these columns holds one value throughout."""
    return all(name in columns and columns[name].count(value) == len(columns[name]) for name, value in values.items())


def frame(columns: Columns) -> pd.DataFrame:
    """Return columns as an unchecked frame."""
    return pd.DataFrame(dict(columns))


def joined(parts: Sequence[Columns], names: Iterable[str]) -> dict[str, list[Any]]:
    """Return these columns of all parts, one after another; nothing where a part lacks one."""
    try:
        return {name: list(chain.from_iterable([part[name] for part in parts])) for name in names}
    except KeyError:
        return {}
