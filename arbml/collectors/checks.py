"""What rows of a file must be to one another and to the clock: times in ms, in order, each once, with names we can use."""

import json
import re
from collections.abc import Collection
from difflib import get_close_matches

import numpy as np
import pandas as pd

from arbml.collectors.melting import Melted, refuse
from arbml.collectors.reading import Array, SourceTable
from arbml.errors import SchemaError
from arbml.market import Result, opportunity_from_dict

# 1973 to 5138 in ms: a time in any other unit of these years falls outside
FIRST_MS, LAST_MS = 10**11, 10**14
LONGEST_LATENCY_MS = 24 * 3600 * 1000
_UNITS = {
    "seconds": (10**8, 10**11, "*1000"),
    "microseconds": (10**14, 10**17, "/1000"),
    "nanoseconds": (10**17, 10**20, "/1000000"),
}
_PAIR = re.compile(r"[^\s/|>]+/[^\s/|>]+")
_VENUE = re.compile(r"[^|>\x00-\x1f]+")


def check_times(table: SourceTable, melted: Melted) -> None:
    """Refuse times that are not UTC ms, and times of knowing before the event.

    Raises:
        SchemaError: naming the unit that all times seem to be in and the map that mends it, or the first bad row.
    """
    for field in ("ts_ms", "ts_known_ms"):
        if field not in melted.df_ or not len(melted.df_):
            continue
        times, name = melted.df_[field].to_numpy(), melted.origin[field]
        column = _column(name, field)
        for unit, (low, high, mend) in _UNITS.items():
            if ((times >= low) & (times < high)).all():
                raise SchemaError(
                    f"{table.path}: {name}: times are in {unit}, not milliseconds (row {melted.rows[0]}: {times[0]}); "
                    f"say --map '{field}={column}{mend}'"
                )
        refuse(
            table,
            (times < FIRST_MS) | (times >= LAST_MS),
            melted.rows,
            name,
            melted.df_[field],
            "is not a time in UTC milliseconds",
        )
    if "ts_known_ms" in melted.df_:
        known, happened = melted.df_["ts_known_ms"].to_numpy(), melted.df_["ts_ms"].to_numpy()
        refuse(
            table,
            known < happened,
            melted.rows,
            melted.origin["ts_known_ms"],
            melted.df_["ts_known_ms"],
            "lies before the row's ts_ms",
        )


def check_names(table: SourceTable, melted: Melted) -> None:
    """Refuse pairs that are not BASE/QUOTE, and venues whose names routes and streams could not carry."""
    for field, pattern, want in (
        ("pair", _PAIR, "is not BASE/QUOTE; say --map \"pair='WETH/USDC'\""),
        ("venue", _VENUE, "may not contain '|' or '>'"),
    ):
        names = melted.df_[field]
        refused = [name for name in names.unique() if not pattern.fullmatch(name) or (field == "pair" and len(set(name.split("/"))) < 2)]
        if refused:
            refuse(table, names.isin(refused).to_numpy(), melted.rows, melted.origin[field], names, want)


def check_fees(table: SourceTable, melted: Melted) -> None:
    """Refuse fees above 100 %: they are in another unit than basis points."""
    if "fee_bps" in melted.df_:
        fees = melted.df_["fee_bps"]
        why = "is more than 10000 bps; map the unit, e.g. --map 'fee_bps=fee_ppm*0.01'"
        refuse(table, (fees > 10_000).to_numpy(), melted.rows, melted.origin["fee_bps"], fees, why)


def check_order(table: SourceTable, melted: Melted) -> None:
    """Refuse rows that stand neither in the order of knowing nor in that of happening.

    Either order shows that nothing was shuffled or pasted; what is handed on is in the order of knowing.
    """
    fields = [field for field in ("ts_known_ms", "ts_ms") if field in melted.origin]
    steps = {field: np.flatnonzero(np.diff(melted.df_[field].to_numpy()) < 0) for field in fields}
    if any(len(back) == 0 for back in steps.values()):
        return
    field = fields[-1]
    times, back = melted.df_[field].to_numpy(), steps[field]
    at = int(back[0]) + 1
    more = f" (and {len(back) - 1} more)" if len(back) > 1 else ""
    raise SchemaError(
        f"{table.path}: {melted.origin[field]}, row {melted.rows[at]}: {times[at]} comes after {times[at - 1]}{more}: "
        "the rows are not in order of time; sort the file, or say --sort"
    )


def repeated(table: SourceTable, df_: pd.DataFrame, rows: Array, key: list[str], dedupe: bool) -> Array:
    """Return which rows repeat the key of an earlier one, (n,) bool.

    Raises:
        SchemaError: there are some, and `dedupe` is False.
    """
    again = df_.duplicated(key).to_numpy()
    if again.any() and not dedupe:
        at = int(np.flatnonzero(again)[0])
        first = int(np.flatnonzero((df_[key] == df_[key].iloc[at]).all(axis=1).to_numpy())[0])
        raise SchemaError(
            f"{table.path}: columns {', '.join(key)}, row {rows[at]}: same values as row {rows[first]} "
            f"({int(again.sum())} repeats in all); "
            f"drop them, or say --dedupe to keep the first of each{', or map log_index' if 'log_index' in key else ''}"
        )
    return again


def check_results(table: SourceTable, melted: Melted) -> None:
    """Refuse results other than success, failed and reverted, and opportunities that cannot be read back."""
    results = melted.df_["result"]
    allowed = [result.value for result in Result]
    refuse(
        table,
        ~results.isin(allowed).to_numpy(),
        melted.rows,
        melted.origin["result"],
        results,
        f"is not one of {', '.join(allowed)}",
    )
    if "opportunity" in melted.df_:
        texts = melted.df_["opportunity"]
        bad = np.array([text is not None and not _readable(text) for text in texts], bool)
        shown = texts.map(lambda text: None if text is None else text[:40])
        refuse(table, bad, melted.rows, melted.origin["opportunity"], shown, "is not the JSON of Opportunity.to_dict")


def check_venues(table: SourceTable, melted: Melted, known: Collection[str]) -> None:
    """Refuse routes and opportunities over venues that no tick has.

    Args:
        known: the venues of the ticks.
    """
    for field, venues_of in (("route", route_venues), ("opportunity", _opportunity_venues)):
        if field not in melted.df_:
            continue
        for at, text in enumerate(melted.df_[field]):
            unknown = [] if text is None else [venue for venue in venues_of(text) if venue not in known]
            if unknown:
                close = get_close_matches(unknown[0], known, n=1)
                mend = f"did you mean '{close[0]}'?" if close else f"ticks have {', '.join(sorted(known)) or 'none'}"
                raise SchemaError(f"{table.path}: {melted.origin[field]}, row {melted.rows[at]}: no tick has venue '{unknown[0]}'; {mend}")


def route_venues(route: str) -> tuple[str, ...]:
    """Return the venues that a route names.

    >>> route_venues("buy:uniswap>sell:sushiswap WETH/USDC"), route_venues("uniswap -> sushiswap")
    (('uniswap', 'sushiswap'), ('uniswap', 'sushiswap'))
    """
    legs, _, pair = route.strip().rpartition(" ")
    legs = legs if legs and _PAIR.fullmatch(pair) else route
    names = (leg.strip().removeprefix("buy:").removeprefix("sell:") for leg in re.split(r"->|>", legs))
    return tuple(name for name in names if name)


def _opportunity_venues(text: str) -> tuple[str, ...]:
    return tuple(leg.venue for leg in opportunity_from_dict(json.loads(text)).route.legs)


def _readable(text: str) -> bool:
    try:
        found = opportunity_from_dict(json.loads(text))
    except (ValueError, KeyError, TypeError):
        return False
    return bool(found.route.legs)


def _column(name: str, field: str) -> str:
    quoted = name.split("'")
    column = quoted[1] if len(quoted) > 2 else field
    return column if re.fullmatch(r"[^\W\d]\w*", column) else f"`{column}`"
