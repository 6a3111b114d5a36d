"""A deployment is served, its cron fires, and the run completes; missed runs are dropped; one run a model at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import recent_runs, running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

SMALL = {"ML_TRAINING__FOLDS": "1", "ML_VOLATILITY__MAX_SAMPLES": "2000"}


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ML_", "PREFECT_"))}
    return {**kept, **SMALL, "ML_HOME": str(home)}


def arbml(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "arbml", "--json", *arguments], env=environment(home), cwd=home, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("scheduled")
    arbml(home, "collect", "sim", "--hours", "2")
    return home


@pytest.fixture
def scheduler(home: Path) -> Iterator[str]:
    """`arbml schedule` with a minutely volatility cron, as a user would run it; yields the API of its server."""
    log = (home / "schedule.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "arbml", "schedule", "--cron", "volatility=* * * * *"],
        env=environment(home), cwd=home, stdout=log, stderr=log, start_new_session=True,
        # a test run in the background ignores Ctrl-C and would hand that down
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while (url := running_server(home)) is None:
            assert process.poll() is None, (home / "schedule.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def test_a_cron_fires_and_the_run_completes(home: Path, scheduler: str) -> None:
    deadline = time.monotonic() + 300
    finished: list[tuple[str, str, str, str]] = []
    while not finished and time.monotonic() < deadline:
        finished = [run for run in recent_runs(scheduler, 50) if run[0] == "retrain" and run[2] == "Completed"]
        time.sleep(2)
    assert finished, recent_runs(scheduler, 50)
    runs = recent_runs(scheduler, 50)
    assert {run[0] for run in runs} >= {"retrain", "validate", "features", "train", "promote", "drift"}
    assert [run for run in runs if run[2] in ("Failed", "Crashed")] == []
    versions = arbml(home, "status")["models"]["volatility"]
    assert versions["champion"] or versions["challenger"], "the run registered a version"
    assert sum(run[0] == "retrain" and run[2] == "Running" for run in runs) <= 1, "one at a time, however often the cron fires"
