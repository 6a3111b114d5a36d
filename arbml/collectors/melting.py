"""Applies a column map: the table of a file becomes rows of our schema, each with the number of the row it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from arbml.collectors.expressions import Expression
from arbml.collectors.maps import ColumnMap, Reserves, View
from arbml.collectors.reading import Array, Numbers, SourceTable
from arbml.errors import ConfigError, SchemaError
from arbml.frames import Column, Schema

TIMES = ("ts_ms", "ts_known_ms")


@dataclass(frozen=True, slots=True)
class Melted:
    """Rows of our schema, not yet checked against one another.

    Attributes:
        df_: the columns of the schema that the file or the map gives; numbers are numbers, in range and finite.
        rows: (n,) int64, the 1-based data row of the file that each row came from.
        origin: for each column, how messages call it: the file's column and the map's expression.
    """

    df_: pd.DataFrame
    rows: Array
    origin: Mapping[str, str]


def melt(table: SourceTable, column_map: ColumnMap, schema: Schema) -> list[Melted]:
    """Return one `Melted` for each view of the map, in the file's order.

    Args:
        table: the file.
        column_map: how its columns become ours.
        schema: ours; its required columns are required here, but for `ts_known_ms` and `request_id`, which have defaults.

    Raises:
        SchemaError: a column is missing, or a value is not what the schema wants; names file, column, row and value.
        ConfigError: the map names a field that the schema does not have.
    """
    melted = [_view(table, view, schema, column_map.melts) for view in column_map.views]
    if not any(len(one.rows) for one in melted):
        raise SchemaError(f"{table.path}: no row is left: the price is null everywhere; map another price column")
    return melted


def _view(table: SourceTable, view: View, schema: Schema, melts: bool) -> Melted:
    foreign = [field for field in view.columns if field not in schema.names]
    if foreign or (view.reserves and "reserve_quote" not in schema.names):
        raise ConfigError(f"column map: field '{(foreign or ['reserves'])[0]}' is not one of {schema.name}: {', '.join(schema.names)}")
    out: dict[str, Any] = {}
    origin: dict[str, str] = {}
    keep = _kept(table, view) if melts else np.ones(len(table), bool)
    for column in schema.columns:
        expression = view.columns.get(column.name, Expression(column=column.name if column.name in table.names else None))
        if expression == Expression():
            _refuse_missing(table, column)
            continue
        origin[column.name] = _origin(column.name, expression)
        if column.dtype == "object":
            out[column.name] = _text(table, column, expression, keep)
        else:
            out[column.name] = _number(table, column, expression, keep)
    if view.reserves:
        out["reserve_base"], out["reserve_quote"] = _virtual_reserves(table, view.reserves, np.asarray(out["price"]), keep)
    rows = np.flatnonzero(keep).astype(np.int64) + 1
    return Melted(pd.DataFrame(out, index=range(len(rows))), rows, origin)


def _kept(table: SourceTable, view: View) -> Array:
    price = view.columns.get("price", Expression(column="price"))
    if price.column is None:
        return np.ones(len(table), bool)
    return ~table.numbers(price.column).nulls


def _refuse_missing(table: SourceTable, column: Column) -> None:
    if column.required and column.name not in ("ts_known_ms", "request_id"):
        example = f"{column.name}='TEXT' or {column.name}=COLUMN" if column.dtype == "object" else f"{column.name}=COLUMN"
        raise SchemaError(
            f"{table.path}: column '{column.name}' is missing; the file has {', '.join(table.names)}; say --map \"{example}\""
        )


def _origin(field: str, expression: Expression) -> str:
    name = expression.column
    return f"column '{name}'" if name == field or name is None else f"column '{name}' ({field})"


def _text(table: SourceTable, column: Column, expression: Expression, keep: Array) -> "pd.Series[Any]":
    if expression.column is None:
        return pd.Series([str(expression.constant)] * int(keep.sum()), dtype=object)
    if expression.changes:
        raise ConfigError(f"column map: '{column.name}' is text and cannot be scaled or shifted")
    texts = table.texts(expression.column)[keep].reset_index(drop=True)
    if column.required:
        empty = (texts.isna() | (texts == "")).to_numpy()
        refuse(table, empty, np.flatnonzero(keep) + 1, _origin(column.name, expression), texts, "is empty")
    return texts


def _number(table: SourceTable, column: Column, expression: Expression, keep: Array) -> Array:
    whole = column.dtype == "int64"
    if expression.column is None:
        if isinstance(expression.constant, str):
            raise ConfigError(f"column map: '{column.name}' is a number, not the text {expression.constant!r}")
        values = np.full(int(keep.sum()), expression.constant, np.float64)
        nulls = np.zeros(len(values), bool)
    else:
        numbers = table.numbers(expression.column, times=column.name in TIMES)
        values, nulls = _scaled(numbers, expression, whole)[keep], numbers.nulls[keep]
    rows, name = np.flatnonzero(keep) + 1, _origin(column.name, expression)
    shown = pd.Series(values)
    if column.required or whole:
        refuse(table, nulls, rows, name, pd.Series(np.full(len(values), None), dtype=object), "is empty")
        refuse(table, np.isnan(values), rows, name, shown, "is not a number")
    refuse(table, np.isinf(values), rows, name, shown, "is infinite")
    if column.positive:
        refuse(table, values <= 0, rows, name, shown, "must be positive")
    if column.non_negative:
        refuse(table, values < 0, rows, name, shown, "must not be negative")
    if whole and values.dtype != np.int64:
        refuse(table, (values != np.floor(values)) | (np.abs(values) >= 2.0**63), rows, name, shown, "must be a whole number")
        return values.astype(np.int64)
    # in a column of whole numbers, a null came as 0
    return values if whole else np.where(nulls, np.nan, values.astype(np.float64))


def _scaled(numbers: Numbers, expression: Expression, whole: bool) -> Array:
    """Apply the expression; whole numbers stay exact as long as they fit, and times come out whole."""
    values, times, over, plus = numbers.values, expression.times, expression.over, expression.plus
    if not expression.changes:
        return values
    integral = values.dtype == np.int64 and all(isinstance(number, int) for number in (times, over, plus))
    with np.errstate(over="ignore", invalid="ignore"):
        if integral and whole and float(np.abs(values.astype(np.float64)).max(initial=0)) * abs(times) + abs(plus) < 2.0**62:
            return values * int(times) // int(over) + int(plus)
        scaled = values.astype(np.float64) * times / over + plus
        return np.floor(scaled + 0.5) if whole else scaled


def _virtual_reserves(table: SourceTable, reserves: Reserves, price: Array, keep: Array) -> tuple[Array, Array]:
    name = str(reserves.liquidity_raw.column)
    liquidity = _scaled(table.numbers(name), reserves.liquidity_raw, whole=False)[keep].astype(np.float64)
    refuse(
        table,
        (liquidity < 0) | np.isinf(liquidity),
        np.flatnonzero(keep) + 1,
        f"column '{name}'",
        pd.Series(liquidity),
        "is no liquidity",
    )
    if reserves.unless is not None:
        liquidity = np.where(table.flags(reserves.unless)[keep], np.nan, liquidity)
    return virtual_reserves(liquidity, price, reserves.base_decimals, reserves.quote_decimals)


def virtual_reserves(liquidity: Array, price: Array, base_decimals: int, quote_decimals: int) -> tuple[Array, Array]:
    """Return the reserves (base, quote), whole tokens, of the constant-product pool that a v3 pool is within its active range.

    >>> base, quote = virtual_reserves(np.array([1e18]), np.array([2500.0]), 18, 6)
    >>> float(quote[0] / base[0]), float(base[0])  # sqrt(2500 * 10^-12) = 5e-5
    (2500.0, 20000.0)

    Source: Uniswap v3 whitepaper, section 6.2.1.
    """
    root = np.sqrt(price * 10.0 ** (quote_decimals - base_decimals))
    return liquidity / root / 10.0**base_decimals, liquidity * root / 10.0**quote_decimals


def refuse(table: SourceTable, bad: Array, rows: Array, name: str, values: "pd.Series[Any]", why: str) -> None:
    """Raise a SchemaError that names file, column, row and value of the first `bad` row, if there is one.

    Args:
        bad: (n,) bool. rows: (n,) 1-based rows of the file. values: (n,) what to show.
    """
    if not bad.any():
        return
    at = int(np.flatnonzero(bad)[0])
    value = values.iloc[at]
    shown = "" if value is None else f"{value.item() if isinstance(value, np.generic) else value!r} "
    more = f" (and {int(bad.sum()) - 1} more rows)" if bad.sum() > 1 else ""
    raise SchemaError(f"{table.path}: {name}, row {rows[at]}: {shown}{why}{more}; mend or drop the row")
