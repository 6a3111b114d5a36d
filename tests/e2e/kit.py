"""The command as a process of its own, and what it left behind: files, rows, processes."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arbml.config import StoreConfig
from arbml.store import Store

# one training in a moment; the figures still mean something
SMALL = {
    "ML_TRAINING__FOLDS": "1",
    "ML_TRAINING__MAX_EPOCHS": "2",
    "ML_LSTM__SEQUENCE_LENGTH": "10",
    "ML_LSTM__UNITS": "8",
    "ML_LSTM__MAX_SAMPLES": "600",
    "ML_SCORER__TREES": "20",
    "ML_VOLATILITY__MAX_SAMPLES": "1000",
    "ML_PROMOTION__BOOTSTRAP_ROUNDS": "200",
}


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what configures arbml, and these settings."""
    ours = ("ML_", "PREFECT_", "MLFLOW_", "BENTOML_", "TIMESERIES_", "REDIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | dict(settings)


def start(arguments: Sequence[str], home: Path, settings: Mapping[str, str], **options: Any) -> "subprocess.Popen[str]":
    """Start a command in a process group of its own, beside its home."""
    home.parent.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "arbml", "--home", str(home), *arguments],
        cwd=home.parent, env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        **options,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    errors: tuple[str, ...]
    seconds: float

    @property
    def facts(self) -> dict[str, Any]:
        """What --json printed, which is JSON to the letter: no NaN, no Infinity."""

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is not JSON")

        return dict(json.loads(self.out, parse_constant=refuse))


def finish(process: "subprocess.Popen[str]", timeout_s: float = 280) -> Done:
    """Wait for a command."""
    began = time.monotonic()
    out, errors = process.communicate(timeout=timeout_s)
    return Done(process.returncode, out, tuple(line for line in errors.splitlines() if line.strip()), time.monotonic() - began)


def arbml(*arguments: str, home: Path, settings: Mapping[str, str] | None = None, **options: Any) -> Done:
    """Run a command to its end."""
    return finish(start(arguments, home, settings or {}, **options))


def rows(home: Path) -> dict[str, int]:
    """Rows of the store by table; of none where no store was made."""
    if not (home / "arbml.db").exists():
        return {}
    with Store.open(StoreConfig(), home) as store:
        return {name: count for name, count in store.stats().rows.items() if count}


def figures(facts: Mapping[str, Any]) -> dict[tuple[str, str], tuple[float, float | None]]:
    """Model and baseline by kind and metric."""
    return {(one["model"], one["metric"]): (one["value"], one["baseline"]) for one in facts["figures"]}


def answer(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The served prediction without what differs each time it is asked for."""
    return {name: value for name, value in facts["prediction"].items() if name not in ("request_id", "latency_ms")}


def query(database: Path, sql: str) -> list[Any]:
    """Ask an SQLite file; nothing as long as it or its tables are not there."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=20)) as db:
        try:
            return db.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []


def processes_of(home: Path) -> dict[int, str]:
    """Running processes, by number, that were started with something of this home in their environment or command (Linux)."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            text = command + (folder / "environ").read_text(errors="replace")
        except OSError:  # gone meanwhile, or somebody else's
            continue
        if str(home) in text and int(folder.name) != os.getpid():
            found[int(folder.name)] = command
    return found


def eventually_gone(home: Path, patience_s: float = 60) -> dict[int, str]:
    """Return the processes of a home that still run after a while."""
    deadline = time.monotonic() + patience_s
    while (found := processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
