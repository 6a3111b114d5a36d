"""Which ticks a backtest is about, and champions that would know too much."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from arbml.clock import iso
from arbml.errors import ConfigError, NotEnoughData, RegistryError
from arbml.frames import TICKS, TickFrame
from arbml.registry import Registry
from flows.backtest import Plan, champions_of, period_of

START_MS = 1_704_067_200_000
HOUR_MS = 3_600_000


def ticks(hours: float = 10.0) -> TickFrame:
    ts_ms = START_MS + np.arange(0, int(hours * HOUR_MS), 60_000)
    return TICKS.check(pd.DataFrame({"ts_known_ms": ts_ms, "ts_ms": ts_ms, "venue": "a", "pair": "WETH/USDC", "price": 2000.0}))


def test_by_default_the_last_part_is_tested() -> None:
    start_ms, end_ms = period_of(Plan(), ticks())
    assert start_ms == START_MS + 7 * HOUR_MS - 60_000, "on the minute"
    assert end_ms == START_MS + 10 * HOUR_MS - 59_999, "the last tick is in it"


def test_a_given_start_or_end_is_kept_to_the_millisecond() -> None:
    assert period_of(Plan(start_ms=START_MS + 123), ticks())[0] == START_MS + 123
    start_ms, end_ms = period_of(Plan(end_ms=START_MS + 5 * HOUR_MS), ticks())
    assert (start_ms, end_ms) == (START_MS + int(3.5 * HOUR_MS), START_MS + 5 * HOUR_MS)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(start_ms=START_MS + 5, end_ms=START_MS + 5), "is not before --end"),
        (Plan(start_ms=START_MS + 11 * HOUR_MS, end_ms=START_MS + 12 * HOUR_MS), "no tick lies after 2024-01-01T11:00:00Z"),
        (Plan(start_ms=0, end_ms=START_MS), "they span 2024-01-01T00:00:00Z to 2024-01-01T09:59:00Z"),
    ],
)
def test_an_empty_period_is_refused(plan: Plan, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        period_of(plan, ticks())


def test_without_ticks_the_mend_is_said() -> None:
    with pytest.raises(NotEnoughData, match="arbml collect sim"):
        period_of(Plan(), TICKS.empty())


def promoted(registry: Registry, model: Path, test_block_end_ms: int) -> int:
    example = pd.DataFrame({"edge_bps": [1.0], "gas_price_gwei": [2.0]})
    number = registry.register("scorer", model, example=example).number
    registry.promote("scorer", number, "better", {"test_block": [iso(0), iso(test_block_end_ms)]})
    return int(json.loads((model / "meta.json").read_text())["trained_to_ms"])


@pytest.fixture
def save_model(tmp_path: Path) -> Callable[[], Path]:
    from arbml.dataset import Dataset, hashed
    from arbml.models.baseline import BaseRate

    def save() -> Path:
        at = START_MS + np.arange(10) * 1000
        y = (np.arange(10) < 3).astype(np.float64)[:, None]
        X = np.column_stack([np.arange(10.0), np.ones(10)])
        names = ("edge_bps", "gas_price_gwei")
        rows = hashed(Dataset("scorer", X, y, at, at + 500, names, ("success",), "fs-1", ("a|P",), at * 0, at + 1.0))
        model = BaseRate()
        model.fit(rows.take(np.arange(8)), rows.take(np.arange(8, 10)))
        model.save(tmp_path / "model")
        return tmp_path / "model"

    return save


def test_champions_that_know_the_period_are_refused(
    registry: Registry, save_model: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_HOME", str(registry.home))
    trained_to_ms = promoted(registry, save_model(), START_MS + 2 * HOUR_MS)
    assert champions_of.fn(("lstm", "scorer"), START_MS + 3 * HOUR_MS)["scorer"].version == "v1"
    with pytest.raises(ConfigError, match="promoted for doing well on data up to 2024-01-01T02:00:00Z"):
        champions_of.fn(("scorer",), START_MS + HOUR_MS)
    assert trained_to_ms < START_MS + HOUR_MS


def test_without_champions_the_mend_is_said(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_HOME", str(registry.home))
    with pytest.raises(RegistryError, match="leave --champions out"):
        champions_of.fn(("scorer",), START_MS)
