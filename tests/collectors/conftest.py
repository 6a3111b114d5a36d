"""Small files, the real recordings, where they are there, and a PostgreSQL server that goes and comes."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.mortal_postgres import mortal_postgres

__all__ = ["mortal_postgres"]

START_MS = 1_704_067_200_000
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def tick_rows() -> pd.DataFrame:
    """Six good ticks of two venues, in order."""
    return pd.DataFrame(
        {
            "ts_ms": [START_MS + 5000 * (i // 2) for i in range(6)],
            "venue": ["a", "b"] * 3,
            "pair": "WETH/USDC",
            "price": [2000.0, 2001.0, 2002.5, 2001.5, 2003.0, 2002.0],
            "volume": [0.0, 10.5, 0.0, 0.0, 7.25, 0.0],
        }
    )


@pytest.fixture
def execution_rows() -> pd.DataFrame:
    """Three good executions, in order."""
    return pd.DataFrame(
        {
            "ts_ms": [START_MS, START_MS + 5000, START_MS + 9000],
            "result": ["success", "failed", "reverted"],
            "route": ["buy:a>sell:b WETH/USDC", "buy:b>sell:a WETH/USDC", None],
            "profit": [12.5, 0.0, -8.4],
            "latency_ms": [4000.0, 9000.0, 2000.0],
        }
    )


@pytest.fixture
def recording() -> Callable[[str], Path]:
    """Return the path of a real recording; skip where there is none."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"no ../shared/data/{name} beside the checkout: the real recordings are not part of the project")
        return path

    return find
