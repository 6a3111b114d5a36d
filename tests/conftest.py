"""What tests of several rooms need: a real registry in a fresh home, without the seconds that MLflow takes to make one."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from arbml.clock import FixedClock
from arbml.config import RegistryConfig
from arbml.registry import Registry

NOW_MS = 1_704_412_800_000


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
