"""The grammar of column maps, and what a map does to a table."""

import json
from pathlib import Path

import pandas as pd
import pytest

from arbml.collectors import FileCollector, load_map, shipped_maps
from arbml.collectors.expressions import Expression, parse_expression
from arbml.collectors.melting import virtual_reserves
from arbml.errors import ConfigError, SchemaError
from arbml.market import amm

START_MS = 1_704_067_200_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("close", Expression("close")),
        (" close ", Expression("close")),
        ("ts_ms + 60000", Expression("ts_ms", plus=60000)),
        ("ts-5", Expression("ts", plus=-5)),
        ("fee_ppm*0.01", Expression("fee_ppm", times=0.01)),
        ("ts/1e6", Expression("ts", over=1e6)),
        ("a*2+3", Expression("a", times=2, plus=3)),
        ("open-price", Expression("open-price")),
        ("`a*2`", Expression("a*2")),
        ("'uniswap, v3'", Expression(constant="uniswap, v3")),
        ('"x"', Expression(constant="x")),
        ("''", Expression(constant="")),
        ("-1.5", Expression(constant=-1.5)),
        (7, Expression(constant=7)),
        ("null", Expression()),
    ],
)
def test_expressions(text: str | float, expected: Expression) -> None:
    assert parse_expression(text) == expected


@pytest.mark.parametrize("text", ["", "a*b", "a**2", "a+", "a*0", "a/0", "2*a", "'open", "a b", True, None, [1]])
def test_wrong_expressions(text: object) -> None:
    with pytest.raises(ConfigError, match="column map: "):
        parse_expression(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uniswap-v3-block", "no such map; shipped are polygon-minute, uniswap-v3-blocks"),
        ("prise=close", "unknown field 'prise'; did you mean 'price'"),
        ("price", "no such map"),
        ("price=a,price=b", "field 'price' is given twice"),
        ("price=a,,pair=b", "a quote is not closed, or a comma stands alone"),
        ("pair='WETH/USDC,price=a", "a quote is not closed"),
        ("=a", "is not field=column"),
        ("none.toml", "none.toml: No such file"),
    ],
)
def test_wrong_maps(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_map(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[columns", "Expected"),
        ("columns = 3", "must be a table"),
        ("[colums]\nprice='a'", "unknown field 'colums'; did you mean 'columns'"),
        ("[columns]\nprice = true", "neither text nor a number"),
        ("[columns.reserves]\nliquidity_raw = 'x'", "reserves needs liquidity_raw, base_decimals and quote_decimals"),
        ("[columns.reserves]\nliquidity_raw = 'x'\nbase_decimals = 1.5\nquote_decimals = 6", "decimals must be whole numbers"),
        ("[columns.reserves]\nliquidity_raw = 3\nbase_decimals = 18\nquote_decimals = 6", "liquidity_raw must be a column"),
    ],
)
def test_wrong_map_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_map(str(path))


def _melted(tmp_path: Path, rows: pd.DataFrame, column_map: dict[str, object]) -> pd.DataFrame:
    (tmp_path / "map.json").write_text(json.dumps(column_map))
    rows.to_parquet(tmp_path / "rows.parquet")
    return pd.concat(list(FileCollector(tmp_path / "rows.parquet", load_map(str(tmp_path / "map.json"))).ticks()), ignore_index=True)


TWO = {
    "columns": {"ts_ms": "time*1000", "ts_known_ms": "time*1000+60000", "pair": "'WETH/USDC'"},
    "venues": [{"venue": "'a'", "price": "pa", "fee_bps": "ppm*0.01"}, {"venue": "'b'", "price": "pb", "fee_bps": 30}],
}


def test_venues_of_one_row_are_melted_and_null_prices_left_out(tmp_path: Path) -> None:
    rows = pd.DataFrame({"time": [START_MS // 1000, START_MS // 1000 + 5], "pa": [2000.0, 2001.0], "pb": [None, 2002.0], "ppm": [500, 500]})
    df = _melted(tmp_path, rows, TWO)
    assert df[["venue", "price", "fee_bps"]].to_dict("list") == {
        "venue": ["a", "a", "b"],
        "price": [2000.0, 2001.0, 2002.0],
        "fee_bps": [5.0, 5.0, 30.0],
    }
    assert df["ts_ms"].tolist() == [START_MS, START_MS + 5000, START_MS + 5000]
    assert (df["ts_known_ms"] - df["ts_ms"]).tolist() == [60_000] * 3


def test_a_nan_in_a_melted_price_is_no_null(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(json.dumps(TWO))
    path = tmp_path / "rows.csv"
    path.write_text(f"time,pa,pb,ppm\n{START_MS // 1000},2000,,500\n{START_MS // 1000 + 5},2000,NaN,500\n")
    with pytest.raises(SchemaError, match=r"column 'pb' \(price\), row 2: nan is not a number"):
        list(FileCollector(path, load_map(str(tmp_path / "map.json"))).ticks())


def test_row_numbers_are_the_files_even_when_rows_were_left_out(tmp_path: Path) -> None:
    rows = pd.DataFrame({"time": [START_MS // 1000 + i for i in range(3)], "pa": [1.0] * 3, "pb": [None, None, -1.0], "ppm": [500] * 3})
    with pytest.raises(SchemaError, match=r"column 'pb' \(price\), row 3: -1.0 must be positive"):
        _melted(tmp_path, rows, TWO)


def test_nothing_left_is_said(tmp_path: Path) -> None:
    rows = pd.DataFrame({"time": [START_MS // 1000], "pa": [None], "pb": [None], "ppm": [500]}).astype({"pa": float, "pb": float})
    with pytest.raises(SchemaError, match="the price is null everywhere"):
        _melted(tmp_path, rows, TWO)


def test_reserves_are_derived_unless_flagged(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {"ts_ms": [START_MS, START_MS + 1], "price": [2500.0, 2500.0], "L": ["1000000000000000000"] * 2, "odd": [False, True]}
    )
    reserves = {"liquidity_raw": "L", "base_decimals": 18, "quote_decimals": 6, "unless": "odd"}
    df = _melted(tmp_path, rows, {"columns": {"venue": "'a'", "pair": "'WETH/USDC'", "reserves": reserves}})
    expected = amm.virtual_reserves(1e18 / 10**12, 2500.0)
    assert (df["reserve_base"][0], df["reserve_quote"][0]) == pytest.approx(expected, rel=1e-12)
    assert df[["reserve_base", "reserve_quote"]].iloc[1].isna().all()


def test_the_array_formula_is_that_of_the_market() -> None:
    base, quote = virtual_reserves(pd.Series([3.3e19]).to_numpy(), pd.Series([1817.3]).to_numpy(), 18, 6)
    assert (base[0], quote[0]) == pytest.approx(amm.virtual_reserves(3.3e19 / 10**12, 1817.3), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pair='WETH/USDC',venue='a',price=clse", r"column 'clse' is missing; the file has ts_ms, price"),
        ("pair='WETH/USDC',venue=ts_ms*2", "'venue' is text and cannot be scaled"),
        ("pair='WETH/USDC',venue='a',price='x'", "'price' is a number, not the text 'x'"),
        ("pair='WETH/USDC',venue='a',result='success'", "field 'result' is not one of ticks"),
        ("pair='WETH/USDC',venue='a',price=null", "column 'price' is missing"),
    ],
)
def test_maps_that_do_not_fit_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"ts_ms,price\n{START_MS},2000\n")
    with pytest.raises((ConfigError, SchemaError), match=message):
        list(FileCollector(path, load_map(text)).ticks())


def test_large_nanosecond_times_stay_exact(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("ns,price\n1704067200123999999,2000\n")
    (frame,) = FileCollector(path, load_map("ts_ms=ns/1000000,pair='A/B',venue='a'")).ticks()
    assert frame["ts_ms"].tolist() == [1704067200123]


def test_shipped_maps_are_described() -> None:
    assert [one.name for one in shipped_maps()] == ["polygon-minute", "uniswap-v3-blocks"]
    assert all(one.file_columns for one in shipped_maps())
