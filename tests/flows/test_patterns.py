"""The tasks of the patterns flow, without a Prefect server: found, kept, refreshed, retired, and carried into the bundle."""

from pathlib import Path

import pandas as pd
import pytest

from arbml.clock import FixedClock
from arbml.collectors.simulator import Simulator, SimulatorConfig
from arbml.config import StoreConfig
from arbml.errors import NotEnoughData
from arbml.models.patterns import Detection
from arbml.models.patterns.conditions import DAY_MS
from arbml.serving import Bundle
from arbml.store import Store
from flows.build import write_bundle_of
from flows.patterns import PatternsFound, active_patterns, detect_patterns, keep_patterns, retire_patterns
from flows.workspace import Selection, Workspace


def fill(home: Path, hours: float) -> None:
    """Put a simulated market and a bot's executions into the store of a home."""
    simulator = Simulator(SimulatorConfig(seed=1, hours=hours))
    with Store.open(StoreConfig(), home) as store:
        store.ticks.append(pd.concat(simulator.ticks(), ignore_index=True))
        store.executions.append(pd.concat(simulator.executions(), ignore_index=True))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ML_MODELS_PATH", str(tmp_path / "models"))
    return tmp_path / "home"


def test_from_the_store_and_back_into_it(home: Path) -> None:
    with pytest.raises(NotEnoughData, match="collect some first"):
        detect_patterns.fn(Selection(), ())
    fill(home, hours=18)
    found = detect_patterns.fn(Selection(), ())
    assert isinstance(found, Detection)
    assert len(found.patterns) > 0
    assert keep_patterns.fn(found.patterns) == len(found.patterns)
    assert keep_patterns.fn(found.patterns) == retire_patterns.fn() == 0
    kept, notes = active_patterns(Workspace())
    assert (kept, notes) == (found.patterns, ())
    assert detect_patterns.fn(Selection(), kept).patterns == found.patterns  # type: ignore[union-attr]
    told = PatternsFound(found, kept, len(kept), 0, notes).to_dict()
    assert [one["key"] for one in told["confirmed"]] == [one["key"] for one in told["active"]] == [one.key for one in kept]
    bundle = Bundle.load(write_bundle_of.fn({}, {}, Selection()))
    assert bundle.patterns == kept
    late = Workspace(clock=FixedClock(Workspace().clock.now_ms() + 15 * DAY_MS))
    assert active_patterns(late)[0] == ()
    assert len(active_patterns(late)[1]) == len(kept)


def test_too_little_data_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(home, hours=1)
    monkeypatch.setenv("ML_PATTERNS__MIN_SUPPORT", "1000")
    found = detect_patterns.fn(Selection(), ())
    assert isinstance(found, str)
    assert "period in which patterns are found" in found
    assert "set ML_PATTERNS__MIN_SUPPORT lower" in found
    told = PatternsFound(found, (), 0, 0, ()).to_dict()
    assert told == {"confirmed": [], "why": found, "active": [], "new": 0, "retired": 0, "notes": []}
