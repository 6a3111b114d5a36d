"""A PostgreSQL database with the stand-in for TimescaleDB: what passes here was not run on TimescaleDB."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import event

from arbml.config import StoreConfig
from arbml.store import Store

SOURCE = Path(__file__).parent / "standin"

# The two statements, by the grammar of the API reference: ALTER TABLE <table_name> SET (timescaledb.compress [, option = value]),
# CREATE MATERIALIZED VIEW <view_name> WITH (timescaledb.continuous [, timescaledb.<option> = <value>]) AS <select> [WITH [NO] DATA]
COMPRESS = re.compile(
    r"ALTER TABLE (?P<table>\w+) SET \(timescaledb\.compress, timescaledb\.compress_segmentby = '(?P<segment>\w+(?:, \w+)*)', "
    r"timescaledb\.compress_orderby = '(?P<order>\w+(?:, \w+)*)'\)"
)
AGGREGATE = re.compile(
    r"CREATE MATERIALIZED VIEW (?P<name>\w+) WITH \(timescaledb\.continuous, timescaledb\.materialized_only = FALSE\) AS "
    r"(?P<query>SELECT stream_id, (?P<bucket>time_bucket\(BIGINT '(?P<width>\d+)', ts_ms\)) AS bar_ms, .* FROM ticks "
    r"GROUP BY stream_id, (?P=bucket)) WITH NO DATA"
)


def understood(sql: str) -> str:
    """Return a statement as plain PostgreSQL can parse it."""
    if found := COMPRESS.fullmatch(sql):
        return f"SELECT standin_compress('{found['table']}', '{found['segment']}', '{found['order']}')"
    if found := AGGREGATE.fullmatch(sql):
        return f"SELECT standin_aggregate('{found['name']}', {found['width']}, $query${found['query']}$query$)"
    return sql


def translate(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
    """Listen to "before_cursor_execute" of an engine, so that the stand-in understands TimescaleDB's own statements."""
    return understood(statement), parameters


@pytest.fixture(scope="session")
def standin_path() -> Iterator[Path]:
    """A folder from which PostgreSQL can create the stand-in, as release 2.23.0 and as 2.9.0."""
    with tempfile.TemporaryDirectory(prefix="arbml-standin-") as made:  # pytest's own folders are closed to the server's user
        folder = Path(made)
        extensions = folder / "extension"
        shutil.copytree(SOURCE, extensions)
        shutil.copy(extensions / "timescaledb--2.23.0.sql", extensions / "timescaledb--2.9.0.sql")
        for place in (folder, extensions):
            place.chmod(0o755)
        for file in extensions.iterdir():
            file.chmod(0o644)
        yield folder


@pytest.fixture
def standin_database(new_database: Callable[[], str], standin_path: Path) -> Callable[..., str]:
    """Return a maker of URLs of databases in which the stand-in can be, and unless told is, created."""

    def make(version: str | None = "2.23.0") -> str:
        url = new_database()
        with psycopg.connect(url, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f"ALTER DATABASE {name} SET extension_control_path = '{standin_path}:$system'")
            if version is not None:
                connection.execute(f"SET extension_control_path = '{standin_path}:$system'")
                connection.execute(f"CREATE EXTENSION timescaledb VERSION '{version}'")
        return url

    return make


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Return an opener of stores by URL; the stand-in understands TimescaleDB's own statements unless told otherwise."""
    stores: list[Store] = []

    def open_(url: str, translated: bool = True) -> Store:
        store = Store.open(StoreConfig(connection_string=SecretStr(url)), tmp_path / "home")
        if translated:
            event.listen(store._database.engine, "before_cursor_execute", translate, retval=True)
        stores.append(store)
        return store

    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def store(standin_database: Callable[..., str], opened: Callable[..., Store]) -> Store:
    """An empty store in a database with the stand-in, not set up."""
    return opened(standin_database())
