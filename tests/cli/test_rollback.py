"""`arbml rollback`: who serves, before and after, by the command line alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from arbml.config import RegistryConfig
from arbml.dataset import Dataset, hashed
from arbml.models.baseline import BaseRate
from arbml.registry import Registry
from tests.cli.test_app import arbml


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which v1 and then v2 of the scorer became champion."""
    ts_ms = np.arange(10) * 1000
    X = np.column_stack([np.arange(10.0), np.ones(10)])
    y = (np.arange(10) < 3).astype(np.float64)[:, None]
    names = ("edge_bps", "gas_price_gwei")
    ds = hashed(Dataset("scorer", X, y, ts_ms, ts_ms + 500, names, ("success",), "fs-1", ("a|P",), ts_ms * 0, ts_ms + 1.0))
    model = BaseRate()
    model.fit(ds.take(np.arange(8)), ds.take(np.arange(8, 10)))
    model.save(tmp_path / "model")
    registry = Registry(RegistryConfig(), tmp_path / "home")
    registry.start()
    for number in (1, 2):
        registry.register("scorer", tmp_path / "model", example=pd.DataFrame({name: [1.0] for name in names}))
        registry.promote("scorer", number, "better")
    return tmp_path / "home"


def serving(home: Path) -> int | None:
    champion = Registry(RegistryConfig(), home).champion("scorer")
    return champion.number if champion else None


@pytest.mark.slow
def test_to_none_and_back_again(home: Path) -> None:
    none = arbml("--home", str(home), "rollback", "scorer", "--to-baseline", cwd=home)
    assert none.returncode == 0, none.stderr
    assert "scorer v2 is retired, the baseline answers" in none.stdout
    assert serving(home) is None
    back = arbml("--home", str(home), "--json", "rollback", "scorer", "--reason", "it was not the model", cwd=home)
    assert back.returncode == 0, back.stderr
    assert json.loads(back.stdout)["champion"]["number"] == 2
    assert serving(home) == 2
