"""A tiny real model to register: the base rate of ten opportunities."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from arbml.dataset import Dataset, hashed
from arbml.models.baseline import BaseRate


def scorer_rows(n: int, successes: int) -> Dataset:
    """Return n opportunities, the first of which succeeded."""
    ts_ms = np.arange(n) * 1000
    y = (np.arange(n) < successes).astype(np.float64)[:, None]
    names = ("edge_bps", "gas_price_gwei")
    X = np.column_stack([np.arange(n, dtype=np.float64), np.ones(n)])
    return hashed(Dataset("scorer", X, y, ts_ms, ts_ms + 500, names, ("success",), "fs-1", ("a|P",), ts_ms * 0, ts_ms + 1.0))


@pytest.fixture
def save_model(tmp_path: Path) -> Callable[[int], Path]:
    """Return a maker of model directories; their rate of success tells them apart."""

    def save(successes: int = 3) -> Path:
        ds = scorer_rows(10, successes)
        model = BaseRate()
        model.fit(ds.take(np.arange(8)), ds.take(np.arange(8, 10)))
        model.save(tmp_path / f"model-{successes}")
        return tmp_path / f"model-{successes}"

    return save


@pytest.fixture
def example() -> pd.DataFrame:
    """Two rows of the scorer's input."""
    return pd.DataFrame({"edge_bps": [1.0, 2.0], "gas_price_gwei": [20.0, np.nan]})
