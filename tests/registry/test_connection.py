"""Where MLflow is, and what is said when it cannot be used; with a real server in front of a real database, too."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from arbml.config import RegistryConfig
from arbml.errors import RegistryError
from arbml.registry import Registry
from arbml.registry.connection import Connection


def test_the_embedded_one_is_sqlite_under_the_home(registry: Registry) -> None:
    assert registry.uri == f"sqlite:///{registry.home}/mlflow/mlflow.db"
    with contextlib.closing(sqlite3.connect(registry.home / "mlflow" / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert not Path("mlruns").exists(), "MLflow's own default, in whatever folder one stands"


def test_starting_leaves_the_logging_of_others_alone(empty_registry_db: Path, tmp_path: Path) -> None:
    program = (
        "import logging, sys; from pathlib import Path\n"
        "handler = logging.StreamHandler(sys.stdout); root = logging.getLogger(); root.handlers[:] = [handler]; root.setLevel(30)\n"
        "from arbml.registry import Registry; from arbml.config import RegistryConfig\n"
        "Registry(RegistryConfig(), Path(sys.argv[1])).start()\n"
        "assert root.handlers == [handler] and root.level == 30, (root.handlers, root.level)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_torn_database_is_said_so_at_once(tmp_path: Path) -> None:
    database = tmp_path / "mlflow" / "mlflow.db"
    database.parent.mkdir()
    database.write_bytes(b"not a database, whatever it was" * 200)
    with pytest.raises(RegistryError, match=r"mlflow\.db: file is not a database; restore it from a backup, or move .* away"):
        Registry(RegistryConfig(), tmp_path).start()


def test_a_full_disk_while_the_database_is_made(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from arbml.registry import Registry; from arbml.config import RegistryConfig; from arbml.errors import RegistryError\n"
        "try: Registry(RegistryConfig(), Path(sys.argv[1])).start()\n"
        "except RegistryError as error: print(error)\n"
    )
    command = ["bash", "-c", 'ulimit -f 100; exec "$@"', "bash", sys.executable, "-c", program, str(tmp_path)]  # no file above 100 KB
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("cannot open the registry: "), done.stderr
    assert done.stdout.count("\n") == 1
    assert "free space and try again" in done.stdout or "check the path" in done.stdout
    assert not list((tmp_path / "mlflow").iterdir()), "nothing half-made is left"


def test_what_a_killed_start_left_is_cleared(tmp_path: Path) -> None:
    left = tmp_path / "mlflow" / ".new-abc"
    left.mkdir(parents=True)
    (left / "mlflow.db").write_bytes(b"half")
    Registry(RegistryConfig(), tmp_path).start()
    assert not left.exists()
    assert (tmp_path / "mlflow" / "mlflow.db").exists()


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://someone:secret@127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(RegistryError, match=r"^cannot open the registry: .* check that http://127\.0\.0\.1:\d+ can be reached") as caught:
        Registry(RegistryConfig(tracking_uri=uri), tmp_path).champion("lstm")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_file_store_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"give a server or a database as tracking_uri, e\.g\. sqlite:///"):
        Registry(RegistryConfig(tracking_uri=(tmp_path / "runs").as_uri()), tmp_path).start()


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    assert str(Connection(RegistryConfig(tracking_uri="https://me:pw@mlflow.example/path"), tmp_path)) == "https://mlflow.example/path"


@pytest.fixture
def server(empty_registry_db: Path, tmp_path: Path) -> Iterator[str]:
    """A real MLflow server that keeps the artifacts itself."""
    folder = tmp_path / "server"
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(empty_registry_db)) as source, contextlib.closing(sqlite3.connect(folder / "db")) as copy:
        source.backup(copy)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts", "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
        try:
            for _ in range(1000):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                    break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_everything_works_on_a_server(server: str, tmp_path: Path, save_model: Callable[..., Path], example: pd.DataFrame) -> None:
    saved = save_model()
    registry = Registry(RegistryConfig(tracking_uri=server), tmp_path / "home")
    registry.start()
    version = registry.register("scorer", saved, example=example, metrics={"final.brier": 0.2}, files={"plots": [saved / "meta.json"]})
    folder = registry.model_dir(version)
    assert (folder / "meta.json").read_bytes() == (saved / "meta.json").read_bytes()
    assert folder.is_relative_to(registry.home)
    (folder / "meta.json").write_bytes(b"half")
    assert (registry.model_dir(version) / "meta.json").read_bytes() == (saved / "meta.json").read_bytes(), "fetched again"
    registry.register("scorer", saved, example=example)
    registry.promote("scorer", 1, "first", {"n": 1})
    registry.promote("scorer", 2, "second")
    assert registry.rollback("scorer").number == 1
    assert [event.action for event in registry.history("scorer")] == ["promote", "promote", "rollback"]
    assert registry.artifact(version, "decision.json").read_text().startswith("{")
    elsewhere = Registry(RegistryConfig(tracking_uri=server), tmp_path / "another machine")
    assert elsewhere.champion("scorer") == registry.version("scorer", 1)
    assert elsewhere.model_dir(registry.version("scorer", 1)).is_dir()
    assert not (tmp_path / "home" / "mlflow" / "mlflow.db").exists()
