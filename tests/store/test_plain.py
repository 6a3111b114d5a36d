"""Columns of plain values: stored as the frame of the same rows is stored, or refused with the same words."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbml.config import StoreConfig
from arbml.errors import SchemaError
from arbml.frames import TICKS, Column, Schema
from arbml.store import GAS_PRICES, Store, plain
from arbml.store.batch import Batch
from arbml.store.gas import WHOLE as WHOLE_OF_GAS
from arbml.store.gas import checked_gas
from arbml.store.ticks import WHOLE as WHOLE_OF_TICKS
from arbml.store.ticks import checked_ticks
from tests.store.units import Unit, unit

BAD: list[Any] = [None, math.nan, math.inf, -math.inf, -1.0, -1, 0, 0.0, True, "x", "a\0", "\ud800", "", 2**53, 2**63, 2**70, 1.5, b"x"]


def good(column: Column, whole: bool) -> st.SearchStrategy[Any]:
    """Values that need no look at a frame."""
    if column.dtype == "object":
        values: st.SearchStrategy[Any] = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
    elif whole or column.dtype == "int64":
        values = st.integers(0, 2**53 - 1)
    else:
        values = st.floats(5e-324 if column.positive else 0.0 if column.non_negative else None, allow_nan=False, allow_infinity=False)
    return values if column.required or column.dtype == "int64" else values | st.none()


@st.composite
def columns(draw: st.DrawFn, schema: Schema, whole: tuple[str, ...], spoiled: bool) -> dict[str, list[Any]]:
    n = draw(st.integers(1, 4))
    found = {c.name: draw(st.lists(good(c, c.name in whole), min_size=n, max_size=n)) for c in schema.columns}
    found["ts_known_ms"].sort()
    if spoiled:
        for _ in range(draw(st.integers(1, 2))):
            values = found[draw(st.sampled_from(schema.names))]
            values[draw(st.integers(0, n - 1))] = draw(st.sampled_from(BAD))
        if draw(st.booleans()):
            found["ts_known_ms"].reverse()
    return found


def rows(columns_: dict[str, Any], names: list[str], whole: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return list(Batch({name: columns_[name] for name in names}, whole=whole))


@pytest.mark.parametrize(("schema", "whole", "check"), [(TICKS, WHOLE_OF_TICKS, checked_ticks), (GAS_PRICES, WHOLE_OF_GAS, checked_gas)])
@given(data=st.data(), spoiled=st.booleans())
def test_what_is_storable_as_it_is_is_what_the_frame_gives(
    schema: Schema, whole: Any, check: Any, data: st.DataObject, spoiled: bool
) -> None:
    found = data.draw(columns(schema, whole, spoiled))
    as_is = plain.storable_as_is(schema, found, whole)
    if not spoiled:
        assert as_is
    if as_is:
        df = check(plain.frame(found))
        expected = rows({name: df[name].to_numpy() for name in schema.names}, schema.names, whole)
        assert rows(found, schema.names, whole) == expected


@pytest.mark.parametrize("name", TICKS.names)
def test_a_missing_column_or_one_too_many_is_left_to_the_frame(name: str) -> None:
    given_ = plain.frame({c.name: [1.0] for c in TICKS.columns}).to_dict("list")
    assert not plain.storable_as_is(TICKS, {key: values for key, values in given_.items() if key != name}, WHOLE_OF_TICKS)
    assert not plain.storable_as_is(TICKS, {**given_, "more": [1]}, WHOLE_OF_TICKS)


@dataclass(frozen=True)
class Columnar(Unit):
    """A unit that has columns beside its frames."""

    tick_columns: dict[str, list[Any]] = field(default_factory=dict)
    gas_columns: dict[str, list[Any]] = field(default_factory=dict)


@st.composite
def blocks(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The ticks and gas of a few linked blocks; some rows are wrong."""
    made = []
    for number in range(1, 1 + draw(st.integers(1, 3))):
        like = unit(number)
        same = {"chain_id": 1, "ts_ms": like.ts_ms, "ts_known_ms": like.ts_known_ms, "block_number": number}
        n = draw(st.integers(0, 3))
        ticks = {c.name: draw(st.lists(good(c, c.name in WHOLE_OF_TICKS), min_size=n, max_size=n)) for c in TICKS.columns}
        ticks |= {name: [value] * n for name, value in same.items()}
        gas = {name: [value] for name, value in same.items()} | {"gas_price_gwei": [draw(st.floats(0, 10))]}
        if n and draw(st.integers(0, 3)) == 0:
            name = draw(st.sampled_from(TICKS.names))
            ticks[name] = [draw(st.sampled_from([*BAD, 3])), *ticks[name][1:]]
        made.append({"number": number, "ticks": ticks, "gas": {name: gas[name] for name in GAS_PRICES.names}})
    return made


def stored(folder: Path, units: list[Any]) -> Any:
    """What a store has after an append, or why it refused."""
    with Store.open(StoreConfig(), folder) as store:
        try:
            done = store.chain.append_many(units)
        except SchemaError as error:
            return ":".join(str(error).split(":")[:2])  # table, column and row; how a value is shown depends on the frame's types
        return done, store.ticks.read().to_dict("list"), store.gas.read().to_dict("list")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks())
def test_a_unit_of_columns_is_stored_as_one_of_frames(tmp_path_factory: pytest.TempPathFactory, given_: list[dict[str, Any]]) -> None:
    home = tmp_path_factory.mktemp("plain")
    frames, light = [], []
    for one in given_:
        parts: dict[str, Any] = {"ticks": plain.frame(one["ticks"]), "gas": pd.DataFrame(one["gas"])}
        like = unit(one["number"], **parts)
        frames.append(like)
        light.append(Columnar(**{**vars(like), "ticks": None, "gas": None}, tick_columns=one["ticks"], gas_columns=one["gas"]))
    expected, found = stored(home / "frames", frames), stored(home / "columns", light)
    assert repr(found) == repr(expected)  # NaN is NaN
