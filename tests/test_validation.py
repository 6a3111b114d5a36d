"""The shipped suites pass on sound frames and name column, row and reason on unsound ones."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from arbml.errors import ConfigError, DataQualityError
from arbml.frames import EXECUTIONS, TICKS
from arbml.validation import SUITES, require, validate

START = 1_704_067_200_000


def sound_ticks(n: int = 1200) -> pd.DataFrame:
    ts = START + 5000 * np.arange(n)
    price = 2000 * np.exp(np.random.default_rng(1).normal(0, 1e-4, n).cumsum())
    frame = pd.DataFrame({"ts_ms": ts, "ts_known_ms": ts + 200, "venue": "a", "pair": "WETH/USDC", "price": price})
    return TICKS.check(frame)


def sound_executions() -> pd.DataFrame:
    ts = START + 5000 * np.arange(30)
    return EXECUTIONS.check(pd.DataFrame({
        "ts_ms": ts, "ts_known_ms": ts + 3000, "request_id": [f"r{i}" for i in range(30)],
        "result": ["success", "failed", "reverted"] * 10, "profit": [1.0, 0.0, -0.5] * 10, "gas_used": 150_000.0,
    }))


def test_sound_ticks_pass_without_a_warning() -> None:
    report = validate(sound_ticks(), "ticks")
    assert report.success
    assert report.warnings == ()
    assert len(report.results) == len(json.loads(Path("expectations/ticks.json").read_text())["expectations"])


@pytest.mark.parametrize(
    ("column", "row", "value", "expected"),
    [
        ("price", 7, -1.0, "price"),
        ("price", 7, np.nan, "price"),
        ("ts_known_ms", 9, START - 1, "ts_known_ms,ts_ms"),
        ("ts_ms", 3, 1_704_067_200, "ts_ms"),
        ("pair", 4, "WETHUSDC", "pair"),
        ("venue", 4, None, "venue"),
    ],
)
def test_a_bad_tick_is_critical_and_located(column: str, row: int, value: object, expected: str) -> None:
    df = sound_ticks()
    df.loc[row, column] = value
    report = validate(df, "ticks")
    failed = {r.column: r for r in report.critical_failed}
    assert expected in failed
    assert failed[expected].unexpected == 1
    assert failed[expected].first_row == row


def test_duplicates_are_critical() -> None:
    df = sound_ticks()
    report = validate(pd.concat([df, df.iloc[[5]]], ignore_index=True), "ticks")
    assert [r.column for r in report.critical_failed] == ["venue,pair,ts_ms,log_index"]


def test_a_unit_mistake_in_half_the_prices_is_critical() -> None:
    df = sound_ticks()
    df.loc[::2, "price"] *= 1e12
    assert "abs_log_return" in {r.column for r in validate(df, "ticks").critical_failed}


def test_outliers_gaps_staleness_and_short_history_warn() -> None:
    df = sound_ticks(600)
    df.loc[300:, "ts_ms"] += 3_600_000
    df["ts_known_ms"] = df["ts_ms"] + 400_000
    df.loc[100, "price"] *= 1.5
    report = validate(df, "ticks")
    assert report.success
    assert {r.column for r in report.warnings} == {"abs_log_return", "gap_to_spacing", "delay_ms", "stream_rows"}


def test_an_empty_frame_is_critical() -> None:
    assert not validate(TICKS.empty(), "ticks").success


def test_features_must_be_ordered_and_finite() -> None:
    ts = START + 5000 * np.arange(50)
    df = pd.DataFrame({"ts_known_ms": ts, "ts_ms": ts, "venue": "a", "pair": "X/Y", "price": 1.0, "f1": 0.5, "f2": np.nan})
    assert validate(df, "features").success
    df.loc[10, "f1"] = np.inf
    df.loc[20, "ts_known_ms"] = START
    assert {r.column for r in validate(df, "features").critical_failed} == {"infinite_values", "ts_known_ms"}


def test_executions_have_one_known_outcome_each() -> None:
    df = sound_executions()
    assert validate(df, "executions").success
    df.loc[1, "request_id"] = "r0"
    df.loc[2, "result"] = "won"
    assert {r.column for r in validate(df, "executions").critical_failed} == {"request_id", "result"}


def test_require_stops_with_a_readable_report() -> None:
    df = sound_ticks()
    df.loc[7, "price"] = 0.0
    with pytest.raises(DataQualityError, match=r"price.*row 7") as caught:
        require(validate(df, "ticks"))
    assert "\n" not in str(caught.value)
    assert "FAIL price" in caught.value.report


def test_every_shipped_expectation_says_why() -> None:
    for suite in SUITES:
        for expectation in json.loads(Path(f"expectations/{suite}.json").read_text())["expectations"]:
            assert expectation["meta"]["why"]
            assert isinstance(expectation["meta"]["critical"], bool)


def test_a_broken_suite_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "ticks.json").write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        validate(sound_ticks(), "ticks", folder=tmp_path)
    with pytest.raises(ConfigError, match="no suite 'features'"):
        validate(sound_ticks(), "features", folder=tmp_path)
