"""Opening MLflow: its database, its silence, and its exceptions turned into ours."""

import contextlib
import errno
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from arbml.config import RegistryConfig
from arbml.errors import RegistryError

LOCK_TIMEOUT_S = 120.0

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",        # it would read a uv.lock of whatever folder we are started in
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # its own 7 keep a user waiting four minutes for "cannot be reached"
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


class Connection:
    """The way to one MLflow: a server, or SQLite and a folder of artifacts under the home.

    Nothing is opened before `client` is first called.
    """

    def __init__(self, config: RegistryConfig, home: Path) -> None:
        self.folder = home / "mlflow"
        self.database = None if config.tracking_uri else self.folder / "mlflow.db"
        self.uri = config.tracking_uri or f"sqlite:///{self.folder / 'mlflow.db'}"
        self._lock = FileLock(home / "locks" / "registry.lock", timeout=LOCK_TIMEOUT_S)  # the same thread may take it twice
        self._client: Any = None

    def __str__(self) -> str:
        return self._without_password(self.uri)

    @property
    def exists(self) -> bool:
        """False while the embedded database has not been made: there is nothing to read, and no need to load MLflow."""
        return self.database is None or self.database.exists()

    @property
    def artifacts(self) -> str | None:
        """Where new runs keep their files; None leaves that to the server."""
        return None if self.uri.startswith(("http://", "https://")) else (self.folder / "artifacts").as_uri()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold off other processes of this home while aliases and their history change.

        Raises:
            RegistryError: if another process keeps it for two minutes.
        """
        path = Path(self._lock.lock_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout:
            raise RegistryError(f"{path}: another process has held it for {LOCK_TIMEOUT_S:g} s; wait for it or stop it") from None
        try:
            yield
        finally:
            self._lock.release()

    def client(self) -> Any:
        """Return the MlflowClient, making the database on first use.

        Raises:
            RegistryError: if the database or server cannot be used.
        """
        if self._client is None:
            _import_quietly()
            with self.errors("open the registry"):
                if self.database is not None:
                    self._make_database(self.database)
                from mlflow import MlflowClient

                client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
                client.search_experiments(max_results=1)  # says now, not in the middle of a training, that nobody answers
            self._client = client
        return self._client

    @contextlib.contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn whatever MLflow raises inside into a RegistryError of one line."""
        _import_quietly()
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise RegistryError(f"cannot {doing}: {self._short(error)}; {self._mend(str(error))}") from error
        except Exception as error:
            cause = getattr(error, "orig", error)  # MLflow lets through what SQLAlchemy wraps around the driver's error
            if not isinstance(cause, OSError | sqlite3.Error):
                raise
            raise RegistryError(f"cannot {doing}: {self._short(cause)} ({self}); {_mend_of(cause)}") from error

    def _mend(self, message: str) -> str:
        if "disk is full" in message:
            return "free space and try again"
        if "out-of-date database schema" in message or "Can't locate revision" in message:
            return f"back it up, then run: mlflow db upgrade {self}"
        if "file store" in message or "maintenance mode" in message:
            return "give a server or a database as tracking_uri, e.g. sqlite:///mlflow.db"
        if "NOT_FOUND" in message or "does not exist" in message or "not found" in message:
            return "see which there are: arbml status"
        return f"check that {self} can be reached and written"

    def _short(self, error: BaseException, limit: int = 300) -> str:
        text = " ".join(self._without_password(str(error)).split())
        return text if len(text) <= limit else text[: limit - 3] + "..."

    def _without_password(self, text: str) -> str:
        login, at, _ = urlsplit(self.uri).netloc.rpartition("@")
        return text.replace(login + at, "") if at else text

    def _make_database(self, database: Path) -> None:
        if database.exists():
            _check_sqlite(database)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock():
            if database.exists():  # another process was faster
                return
            for left in self.folder.glob(".new-*"):  # by a process killed in here: whoever has the lock is alone
                shutil.rmtree(left, ignore_errors=True)
            # made aside and put in place whole: killed in the middle of its sixty migrations, MLflow's own would not open again
            aside = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
            try:
                _migrate(aside / "mlflow.db", self.folder / "artifacts")
                os.replace(aside / "mlflow.db", database)
            finally:
                shutil.rmtree(aside, ignore_errors=True)


def _mend_of(error: BaseException) -> str:
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "disk is full" in str(error)
    return "free space and try again" if full else "check the path and its permissions"


def _migrate(database: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{database}", artifacts.as_uri())
    store.engine.dispose()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers never wait for the writer; kept in the file


def _check_sqlite(database: Path) -> None:
    # MLflow would try ten times over for two minutes before it says the same
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            mend = f"restore it from a backup, or move {database.parent} away to start anew"
            raise RegistryError(f"{database}: {error}; {mend}") from error


def _import_quietly() -> None:
    if "mlflow" in sys.modules:
        return
    for name, value in _SETTINGS.items():  # MLflow reads its settings from nowhere else, some of them while it is imported
        os.environ.setdefault(name, value)
    levels = {name: logging.getLogger(name).level or logging.ERROR for name in ("mlflow", "alembic")}
    import mlflow  # noqa: F401

    for name, level in levels.items():  # importing it turned them up
        logging.getLogger(name).setLevel(level)
