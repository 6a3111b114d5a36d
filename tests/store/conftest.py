"""The same tests on both databases: SQLite in a temporary home, and a PostgreSQL server that the tests start themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from arbml.config import StoreConfig
from arbml.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[StoreConfig, Path]:
    """An empty place for a store: configuration and home, on each database."""
    if request.param == "sqlite":
        return StoreConfig(), tmp_path / "home"
    return StoreConfig(connection_string=SecretStr(request.getfixturevalue("new_database")())), tmp_path / "home"


@pytest.fixture
def store(place: tuple[StoreConfig, Path]) -> Iterator[Store]:
    """An open, empty store on each database."""
    with Store.open(*place) as opened:
        yield opened
