"""Column maps: how the columns of a foreign file become ours.

A map is a TOML or JSON file, the name of a shipped map, or inline text such as `ts_ms=time*1000,price=close`:

    [columns]                        # our field = an expression over the file's columns
    ts_ms = "time"
    [[venues]]                       # optional: one table for each venue that shares a row of the file
    venue = "'uniswap'"
    price = "price_uniswap"
    reserves = { liquidity_raw = "liquidity", base_decimals = 18, quote_decimals = 6 }

Fields that a map does not name come from the column of the same name, if there is one. Names on the right are always the
file's. docs/data.md is the reference.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from arbml.collectors.expressions import Expression, parse_expression
from arbml.errors import ConfigError
from arbml.frames import EXECUTIONS, TICKS

FIELDS = {*TICKS.names, *EXECUTIONS.names}
_INLINE_ITEM = re.compile(r"""(?:[^,'"`]|'[^']*'|"[^"]*"|`[^`]*`)+""")


@dataclass(frozen=True, slots=True)
class Reserves:
    """How to derive a v3 pool's virtual reserves from its raw active liquidity L and the price.

    quote = L * sqrt(p) / 10^quote_decimals and base = L / sqrt(p) / 10^base_decimals, where p is the price in smallest units,
    price * 10^(quote_decimals - base_decimals) (Uniswap v3 whitepaper, 6.2.1; the order of the pool's tokens cancels out).

    Attributes:
        unless: a true/false column; rows where it is true get no reserves.
    """

    liquidity_raw: Expression
    base_decimals: int
    quote_decimals: int
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """How one row of the file becomes one row of ours."""

    columns: Mapping[str, Expression]
    reserves: Reserves | None = None


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How the columns of a file become ours.

    Attributes:
        name: for messages.
        views: one, or one for each venue where a row of the file holds several.
        melts: there is a table for each venue: rows where a venue's price is null are left out.
        file_columns: files with exactly these columns are recognised (shipped maps).
    """

    name: str
    views: tuple[View, ...]
    melts: bool = False
    file_columns: frozenset[str] = frozenset()


IDENTITY = ColumnMap("none", (View({}),))


def shipped_maps() -> tuple[ColumnMap, ...]:
    """Return the maps that come with arbml, by name."""
    folder = files("arbml.collectors") / "column_maps"
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return tuple(_from_dict(tomllib.loads(e.read_text(encoding="utf-8")), e.name.removesuffix(".toml")) for e in found)


def recognise(columns: list[str]) -> ColumnMap | None:
    """Return the shipped map made for a file with exactly these columns, or None."""
    return next((shipped for shipped in shipped_maps() if shipped.file_columns == set(columns)), None)


def load_map(text: str) -> ColumnMap:
    """Read a map: the name of a shipped one, the path of a .toml or .json file, or inline text with `=`.

    >>> load_map("ts_ms=time*1000,price=close").views[0].columns["price"].column
    'close'

    Raises:
        ConfigError: it is none of the three, or names an unknown field.
    """
    shipped = {one.name: one for one in shipped_maps()}
    if text in shipped:
        return shipped[text]
    path = Path(text)
    if path.suffix in (".toml", ".json"):
        return _from_file(path)
    if "=" in text:
        return _from_inline(text)
    raise ConfigError(f"column map {text!r}: no such map; shipped are {', '.join(shipped)}; or give a .toml/.json file or field=column,...")


def _from_file(path: Path) -> ColumnMap:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"column map {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"column map {path}: it is not UTF-8 text") from error
    try:
        data = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise ConfigError(f"column map {path}: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"column map {path}: expected tables [columns] and [[venues]]")
    return _from_dict(data, str(path))


def _from_inline(text: str) -> ColumnMap:
    items = _INLINE_ITEM.findall(text)
    if ",".join(items) != text:  # findall skips a quote that is not closed and an item that is empty
        raise ConfigError(f"column map {text!r}: a quote is not closed, or a comma stands alone")
    columns: dict[str, Any] = {}
    for item in items:
        field, sign, value = item.partition("=")
        if not sign or not field.strip():
            raise ConfigError(f"column map {text!r}: {item!r} is not field=column")
        if field.strip() in columns:
            raise ConfigError(f"column map {text!r}: field '{field.strip()}' is given twice")
        columns[field.strip()] = value
    return _from_dict({"columns": columns}, "inline")


def _from_dict(data: dict[str, Any], name: str) -> ColumnMap:
    _known(data, {"description", "columns", "venues", "file_columns"}, name)
    shared, venues = data.get("columns", {}), data.get("venues", [])
    if not isinstance(shared, dict) or not isinstance(venues, list) or not all(isinstance(venue, dict) for venue in venues):
        raise ConfigError(f"column map {name}: [columns] must be a table and [[venues]] a list of tables")
    views = tuple(_view({**shared, **venue}, name) for venue in venues or [{}])
    return ColumnMap(name, views, melts=bool(venues), file_columns=frozenset(data.get("file_columns", ())))


def _view(columns: dict[str, Any], name: str) -> View:
    _known(columns, FIELDS | {"reserves"}, name)
    reserves = _reserves(columns["reserves"], name) if "reserves" in columns else None
    return View({field: parse_expression(value) for field, value in columns.items() if field != "reserves"}, reserves)


def _reserves(data: Any, name: str) -> Reserves:
    needed = {"liquidity_raw", "base_decimals", "quote_decimals"}
    if not isinstance(data, dict) or not needed <= data.keys():
        raise ConfigError(f"column map {name}: reserves needs liquidity_raw, base_decimals and quote_decimals")
    _known(data, needed | {"unless"}, name)
    decimals = (data["base_decimals"], data["quote_decimals"])
    if any(isinstance(d, bool) or not isinstance(d, int) or not 0 <= d <= 36 for d in decimals):
        raise ConfigError(f"column map {name}: decimals must be whole numbers from 0 to 36")
    liquidity = parse_expression(data["liquidity_raw"])
    if liquidity.column is None:
        raise ConfigError(f"column map {name}: liquidity_raw must be a column")
    if not isinstance(data.get("unless", ""), str):
        raise ConfigError(f"column map {name}: 'unless' must be a column's name")
    return Reserves(liquidity, *decimals, unless=data.get("unless"))


def _known(given: Mapping[str, Any], known: set[str], name: str) -> None:
    for key in given:
        if key not in known:
            close = get_close_matches(str(key), known, n=1)
            mend = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(sorted(known))}"
            raise ConfigError(f"column map {name}: unknown field '{key}'; {mend}")
