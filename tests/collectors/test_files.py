"""What a recorded file becomes, and what is said of a broken one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from arbml.collectors import ExecutionFileCollector, FileCollector, load_map, read_executions
from arbml.collectors.reading import refused
from arbml.config import CostsConfig
from arbml.errors import ArbmlError, SchemaError, SourceError
from arbml.frames import TICKS, sort_by_knowing
from arbml.market import Leg, Opportunity, Route

START_MS = 1_704_067_200_000


def _csv(tmp_path: Path, rows: pd.DataFrame, name: str = "ticks.csv") -> Path:
    path = tmp_path / name
    rows.to_csv(path, index=False)
    return path


def _read(path: Path, column_map: str | None = None, **options: bool) -> pd.DataFrame:
    frames = list(FileCollector(path, load_map(column_map) if column_map else None, **options).ticks())
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_the_same_rows_come_from_every_kind_of_file(tmp_path: Path, tick_rows: pd.DataFrame, kind: str) -> None:
    path = tmp_path / f"ticks.{kind}"
    if kind == "parquet":
        tick_rows.to_parquet(path)
    else:
        tick_rows.to_csv(path, index=False)
    expected = sort_by_knowing(TICKS.check(tick_rows.assign(ts_known_ms=tick_rows["ts_ms"])))
    pd.testing.assert_frame_equal(_read(path), expected)


def test_batches_cover_everything_once(tmp_path: Path, tick_rows: pd.DataFrame) -> None:
    collector = FileCollector(_csv(tmp_path, tick_rows), batch_size=4)
    frames = list(collector.ticks())
    assert [len(frame) for frame in frames] == [4, 2]
    assert collector.total == 6
    assert all(list(frame.index) == list(range(len(frame))) for frame in frames)
    assert list(collector.executions()) == []
    assert collector.venues == ("a", "b")


def test_the_name_follows_content_and_map(tmp_path: Path, tick_rows: pd.DataFrame) -> None:
    one = FileCollector(_csv(tmp_path, tick_rows))
    assert one.name == FileCollector(_csv(tmp_path, tick_rows)).name
    assert one.name != FileCollector(_csv(tmp_path, tick_rows), load_map("fee_bps=5")).name
    before = one.name
    assert before != FileCollector(_csv(tmp_path, tick_rows.assign(price=1.0))).name


def test_late_known_rows_are_handed_on_when_known(tmp_path: Path, tick_rows: pd.DataFrame) -> None:
    late = tick_rows.assign(ts_known_ms=tick_rows["ts_ms"] + np.array([9000, 10, 10, 10, 10, 10]))
    df = _read(_csv(tmp_path, late))
    assert df["ts_known_ms"].is_monotonic_increasing
    assert df["ts_ms"].iloc[3] == START_MS


def _change(rows: pd.DataFrame, column: str, row: int, value: object) -> pd.DataFrame:
    rows = rows.astype({column: object})
    rows.loc[row - 1, column] = value
    return rows


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("price", "abc", r"column 'price', row 4: 'abc' is not a number; mend or drop the row"),
        ("price", 0, r"column 'price', row 4: 0.0 must be positive"),
        ("price", -2, r"column 'price', row 4: -2.0 must be positive"),
        ("price", "NaN", r"column 'price', row 4: nan is not a number"),
        ("price", "inf", r"column 'price', row 4: inf is infinite"),
        ("price", None, r"column 'price', row 4: is empty"),
        ("volume", -1, r"column 'volume', row 4: -1.0 must not be negative"),
        ("volume", "-inf", r"column 'volume', row 4: -inf is infinite"),
        ("venue", None, r"column 'venue', row 4: is empty"),
        ("venue", "a|b", r"column 'venue', row 4: 'a\|b' may not contain"),
        ("pair", "WETHUSDC", r"column 'pair', row 4: 'WETHUSDC' is not BASE/QUOTE; say --map"),
        ("pair", "WETH/WETH", r"column 'pair', row 4: 'WETH/WETH' is not BASE/QUOTE"),
        ("ts_ms", 1704067205, r"column 'ts_ms', row 4: 1704067205 is not a time in UTC milliseconds"),
        ("ts_ms", "1704067205000.5", r"column 'ts_ms', row 4: 1704067205000.5 must be a whole number"),
        ("ts_ms", "soon", r"column 'ts_ms', row 4: 'soon' is not a number or an ISO date"),
        (
            "ts_ms",
            START_MS - 1,
            r"column 'ts_ms', row 4: 1704067199999 comes after 1704067205000: the rows are not in order of time.*--sort",
        ),
    ],
)
def test_one_bad_value_is_named_with_file_column_and_row(
    tmp_path: Path, tick_rows: pd.DataFrame, column: str, value: object, message: str
) -> None:
    path = _csv(tmp_path, _change(tick_rows, column, 4, value))
    with pytest.raises(SchemaError, match=message) as caught:
        _read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows.drop(columns="price"),
            r"column 'price' is missing; the file has ts_ms, venue, pair, volume; say --map \"price=COLUMN\"",
        ),
        (
            lambda rows: rows.assign(ts_ms=rows["ts_ms"] // 1000),
            r"times are in seconds, not milliseconds .*say --map 'ts_ms=ts_ms\*1000'",
        ),
        (lambda rows: rows.assign(ts_ms=rows["ts_ms"] * 1000), r"times are in microseconds.*--map 'ts_ms=ts_ms/1000'"),
        (lambda rows: rows.assign(ts_ms=rows["ts_ms"] * 1000000), r"times are in nanoseconds.*--map 'ts_ms=ts_ms/1000000'"),
        (
            lambda rows: rows.assign(ts_known_ms=rows["ts_ms"] - 1),
            r"column 'ts_known_ms', row 1: \d+ lies before the row's ts_ms \(and 5 more rows\)",
        ),
        (lambda rows: rows.iloc[::-1], r"row 2|row 3"),
        (lambda rows: rows.iloc[[0, 1, 2, 2, 3]], r"row 4: same values as row 3 \(1 repeats in all\).*--dedupe"),
        (lambda rows: rows.assign(fee_bps=30_000), r"column 'fee_bps', row 1: 30000.0 is more than 10000 bps"),
        (lambda rows: rows.assign(price=rows["price"] > 0), r"column 'price', row 1: 'True' is not a number"),
    ],
)
def test_a_wrong_file_is_refused_with_the_mend(
    tmp_path: Path, tick_rows: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        _read(_csv(tmp_path, change(tick_rows)))


def test_the_mends_that_errors_name_work(tmp_path: Path, tick_rows: pd.DataFrame) -> None:
    expected = _read(_csv(tmp_path, tick_rows))
    for factor, mend in ((1000, "ts_ms=ts_ms/1000"), (1_000_000, "ts_ms=ts_ms/1000000")):
        pd.testing.assert_frame_equal(_read(_csv(tmp_path, tick_rows.assign(ts_ms=tick_rows["ts_ms"] * factor)), mend), expected)
    seconds = tick_rows.assign(ts_ms=tick_rows["ts_ms"] // 1000)
    pd.testing.assert_frame_equal(_read(_csv(tmp_path, seconds), "ts_ms=ts_ms*1000"), expected)
    pd.testing.assert_frame_equal(_read(_csv(tmp_path, tick_rows.iloc[::-1]), sort=True), expected)
    repeated = tick_rows.iloc[[0, 1, 1, 2, 3, 4, 5]]
    pd.testing.assert_frame_equal(_read(_csv(tmp_path, repeated), dedupe=True), expected)
    assert FileCollector(_csv(tmp_path, repeated), dedupe=True).notes[0].endswith("1 repeated rows dropped")


def test_iso_dates_are_times(tmp_path: Path, tick_rows: pd.DataFrame) -> None:
    expected = _read(_csv(tmp_path, tick_rows))
    dated = tick_rows.assign(ts_ms=pd.to_datetime(tick_rows["ts_ms"], unit="ms", utc=True))
    dated.to_parquet(tmp_path / "dated.parquet")
    pd.testing.assert_frame_equal(_read(tmp_path / "dated.parquet"), expected)
    pd.testing.assert_frame_equal(_read(_csv(tmp_path, dated.assign(ts_ms=dated["ts_ms"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")))), expected)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no such file"),
        ("ticks.xlsx", b"x", r"unknown file type; it must end in .parquet, .pq, .csv, .csv.gz"),
        ("ticks.csv", b"", r"the file is empty \(0 bytes\)"),
        ("ticks.parquet", b"", r"the file is empty \(0 bytes\)"),
        ("ticks.csv", b"ts_ms,venue,pair,price\n", "no rows, only the header ts_ms, venue, pair, price"),
        (
            "ticks.csv",
            b"ts_ms,venue,pair,price\n1,a,A/B,2\n2,a,A/B\n",
            "row 2: expected 4 columns, got 3; the file is cut short there",
        ),
        ("ticks.csv", b"ts_ms,ts_ms\n1,2\n", "column 'ts_ms' stands twice"),
        ("ticks.csv", b"ts_ms,venue\n1,\xff\xfe\n", "it is not UTF-8 text"),
        ("ticks.csv", b"PAR1xxxx", "it is a Parquet file named as CSV; rename it to .parquet"),
        ("ticks.parquet", b"ts_ms,venue\n1,2\n", "not a Parquet file although it is named so; if it is text, rename it to .csv"),
        ("ticks.parquet", b"PAR1" + b"\0" * 40 + b"PAR1", "broken Parquet file"),
        ("ticks.csv.gz", b"\x1f\x8b\x08\x00broken", "broken|cut|Truncated|copy"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        _read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_cut_in_half_is_refused(tmp_path: Path, tick_rows: pd.DataFrame) -> None:
    path = tmp_path / "ticks.parquet"
    tick_rows.to_parquet(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match="cut short: the Parquet footer is missing"):
        _read(path)
    text = _csv(tmp_path, tick_rows).read_bytes()
    (tmp_path / "half.csv").write_bytes(text[: text.rindex(b"WETH")])
    with pytest.raises(ArbmlError, match=r"half.csv: .*row 6"):
        _read(tmp_path / "half.csv")


def test_a_directory_and_a_locked_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="it is a directory"):
        _read(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SourceError, match="it is a directory"):
        _read(tmp_path / "folder.csv")
    # tests may run as root, who may read everything: ask what a refusal would say
    assert str(refused(Path("locked.csv"), PermissionError(13, "x"))) == "locked.csv: no permission to read it; check its owner and mode"


def test_executions_get_their_defaults(tmp_path: Path, execution_rows: pd.DataFrame) -> None:
    df = read_executions(_csv(tmp_path, execution_rows))
    assert df["ts_known_ms"].tolist() == [START_MS + 4000, START_MS + 11000, START_MS + 14000]
    assert df["result"].tolist() == ["success", "reverted", "failed"]
    assert df["request_id"].is_unique
    pd.testing.assert_frame_equal(df, read_executions(_csv(tmp_path, execution_rows, "again.csv")))
    collector = ExecutionFileCollector(_csv(tmp_path, execution_rows), batch_size=2)
    assert [len(frame) for frame in collector.executions()] == [2, 1]
    assert list(collector.ticks()) == []
    assert collector.total == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows.assign(result=["success", "won", "failed"]),
            r"column 'result', row 2: 'won' is not one of success, failed, reverted",
        ),
        (lambda rows: rows.drop(columns="result"), "column 'result' is missing"),
        (
            lambda rows: rows.assign(route="buy:a>sell:c WETH/USDC"),
            r"column 'route', row 1: no tick has venue 'c'; ticks have a, b",
        ),
        (lambda rows: rows.assign(request_id="x"), r"row 2: same values as row 1 \(2 repeats in all\)"),
        (
            lambda rows: rows.assign(opportunity=[None, "{}", None]),
            r"column 'opportunity', row 2: '{}' is not the JSON of Opportunity.to_dict",
        ),
        (lambda rows: rows.assign(latency_ms=1e300), r"column 'latency_ms', row 1: 1e\+300 is longer than a day"),
        (lambda rows: rows.assign(gas_used=-1), r"column 'gas_used', row 1: -1 must not be negative"),
        (lambda rows: rows.iloc[::-1], r"row 2: .*not in order of time"),
    ],
)
def test_wrong_executions_are_refused(
    tmp_path: Path, execution_rows: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    path = _csv(tmp_path, change(execution_rows), "executions.csv")
    with pytest.raises(SchemaError, match=message):
        read_executions(path, known_venues={"a", "b"})


def test_the_venues_of_a_recorded_opportunity_are_checked(tmp_path: Path, execution_rows: pd.DataFrame) -> None:
    leg = Leg("uniswop", "WETH/USDC", "buy", 5.0, 1.0, 1.0, 1.0)
    found = Opportunity(START_MS, "WETH/USDC", Route((leg,)), "USDC", 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 20.0, 1, 1.0)
    text = pd.io.json.ujson_dumps(found.to_dict())
    path = _csv(tmp_path, execution_rows.drop(columns="route").assign(opportunity=[None, text, None]))
    assert read_executions(path)["opportunity"].notna().sum() == 1
    with pytest.raises(SchemaError, match=r"column 'opportunity', row 2: no tick has venue 'uniswop'; did you mean 'uniswap'"):
        read_executions(path, known_venues={"uniswap"})


def test_real_blocks_become_two_venues(recording: Callable[[str], Path]) -> None:
    path = recording("uniswap_v3_weth_usdc_2024-01-05_blocks.parquet")
    raw = pd.read_parquet(path)
    collector = FileCollector(path)
    df = pd.concat(list(collector.ticks()), ignore_index=True)
    assert len(df) == 2 * len(raw) - raw["price_30bps"].isna().sum() == collector.total
    assert "uniswap-v3-blocks" in collector.notes[0]
    slow = df[df["venue"] == "uniswap_v3_30bps"].reset_index(drop=True)
    assert slow["price"].tolist() == raw["price_30bps"].dropna().tolist()
    assert set(slow["fee_bps"]) == {30.0}
    fast = df[df["venue"] == "uniswap_v3_5bps"]
    assert fast["reserve_quote"].isna().sum() == raw["active_liquidity_5bps_suspect"].sum()
    assert np.allclose((fast["reserve_quote"] / fast["reserve_base"]).dropna(), fast["price"][fast["reserve_quote"].notna()], rtol=1e-12)


def test_virtual_reserves_follow_the_contracts_own_square_root(recording: Callable[[str], Path]) -> None:
    """In the pool's own integers: token0 (USDC) = L * 2^96 / sqrtPriceX96, token1 (WETH) = L * sqrtPriceX96 / 2^96."""
    events = pd.read_parquet(recording("uniswap_v3_weth_usdc_2024-01-05_events.parquet"))
    events = events[events["tx_type"] == "SWAP"].iloc[:200]
    derived = _read_events(events)
    for (_, event), quote, base in zip(events.iterrows(), derived["reserve_quote"], derived["reserve_base"], strict=True):
        liquidity, root = int(event["total_liquidity"]), int(event["sqrtPriceX96"])
        assert quote == pytest.approx((liquidity << 96) // root / 10**6, rel=1e-9)
        assert base == pytest.approx(liquidity * root // (1 << 96) / 10**18, rel=1e-9)


def _read_events(events: pd.DataFrame) -> pd.DataFrame:
    from arbml.collectors.melting import virtual_reserves

    base, quote = virtual_reserves(events["total_liquidity"].astype(float).to_numpy(), events["price_usdc_per_weth"].to_numpy(), 18, 6)
    return pd.DataFrame({"reserve_base": base, "reserve_quote": quote})


def test_real_minutes_are_known_when_they_close(recording: Callable[[str], Path]) -> None:
    path = recording("weth_usdc_polygon_minute_2022.parquet")
    raw = pd.read_parquet(path, columns=["ts_ms", "close"])
    df = pd.concat(list(FileCollector(path).ticks()), ignore_index=True)
    assert df["ts_ms"].tolist() == (raw["ts_ms"] + 60_000).tolist()
    assert df["ts_known_ms"].equals(df["ts_ms"])
    assert df["price"].tolist() == raw["close"].tolist()
    assert set(df["fee_bps"]) == {5.0}
    assert set(df["venue"]) == {"uniswap_v3_5bps_polygon"}


def test_real_flows_moved_the_price_as_the_derived_reserves_say(recording: Callable[[str], Path]) -> None:
    """What came into the pool in a minute is the change of its virtual quote reserve, if no liquidity came or went."""
    path = recording("weth_usdc_polygon_minute_2022.parquet")
    raw = pd.read_parquet(path)
    df = pd.concat(list(FileCollector(path).ticks()), ignore_index=True)
    steady = (raw["raw_currentLiquidity"] == raw["raw_currentLiquidity"].shift()) & (raw["ts_ms"].diff() == 60_000)
    moved = steady & (raw["raw_closeTick"].diff().abs() >= 5)  # the recorded price is rounded to a tick
    inflow = raw["raw_netAmount0"].astype(float) / 1e6
    assert moved.sum() > 1000
    assert (inflow / df["reserve_quote"].diff())[moved].median() == pytest.approx(1.0, abs=0.02)


def test_real_arbitrages_are_read_with_an_inline_map(recording: Callable[[str], Path]) -> None:
    path = recording("arbitrum_arbitrages_2023.parquet")
    text = (
        "result='success',request_id=tx_hash,gas_price_gwei=gas_price_wei*1e-9,gas_used=gas_used_derived,"
        "profit=total_profit_usd,profit_token='USD'"
    )
    df = read_executions(path, load_map(text))
    assert len(df) == 1083
    assert df["profit"].isna().sum() == 25
    assert CostsConfig().gas_units_base < df["gas_used"].max()


def test_nothing_in_a_column_of_whole_numbers_stays_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = (f"{START_MS},a,X/Y,1,5,1", f"{START_MS + 1},a,X/Y,2,,", f"{START_MS + 2},a,X/Y,3,0,7")
    path.write_text("\n".join(("ts_ms,venue,pair,price,volume,chain_id", *rows, "")))
    df = pd.concat(FileCollector(path).ticks())
    assert df["volume"].fillna(-1).tolist() == [5, -1, 0]
    assert df["chain_id"].fillna(-1).tolist() == [1, -1, 7]
