"""Drift reports name what moved, by effect size, and leave readable files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from arbml.config import MonitorConfig
from arbml.drift import detect_drift
from arbml.errors import NotEnoughData


def rows(n: int, seed: int, **shift: float) -> pd.DataFrame:
    frame = pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 4)), columns=["a", "b", "c", "hour"])
    for column, by in shift.items():
        frame[column] += by
    return frame


def test_same_distribution_is_no_drift_and_files_are_written(tmp_path: Path) -> None:
    report = detect_drift("lstm", rows(4000, 1), rows(3000, 2), MonitorConfig(), tmp_path)
    assert not report.drifted
    assert report.worst == ()
    assert json.loads(Path(report.json).read_text())["share"] == 0
    assert "<html" in Path(report.html).read_text()[:2000].lower()


def test_a_shifted_feature_is_named_and_a_small_shift_is_not(tmp_path: Path) -> None:
    report = detect_drift("lstm", rows(20_000, 1), rows(20_000, 2, a=1.0, b=0.05), MonitorConfig(), tmp_path)
    assert [f.feature for f in report.worst] == ["a"]
    assert report.share == pytest.approx(0.25)
    assert not report.drifted, "one of four is below the 0.3 threshold"
    assert "a " in report.text()


def test_enough_moved_features_are_drift(tmp_path: Path) -> None:
    report = detect_drift("scorer", rows(2000, 1), rows(2000, 2, a=2.0, b=2.0), MonitorConfig(), tmp_path)
    assert report.drifted


def test_absent_missing_and_calendar_features_are_skipped_with_a_reason(tmp_path: Path) -> None:
    current = rows(500, 2, hour=9.0).drop(columns="b")
    current["c"] = np.nan
    report = detect_drift("lstm", rows(500, 1), current, MonitorConfig(), tmp_path, by_design=["hour"])
    assert report.skipped == {
        "b": "not in the current rows", "c": "missing in the reference or now", "hour": "moves by design",
    }
    assert [f.feature for f in report.features] == ["a"]


def test_too_few_rows_say_so(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughData, match=r"current rows.*have 5, need 100"):
        detect_drift("lstm", rows(500, 1), rows(5, 2), MonitorConfig(), tmp_path)
