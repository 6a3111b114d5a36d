"""The Prefect server for the work keeps every run, is shared when it should be, and is gone afterwards."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from arbml.errors import ServiceError
from flows.server import prefect_server, recent_runs, running_server

pytestmark = pytest.mark.slow

WORK = """
from pathlib import Path
import sys
from flows.server import prefect_server
with prefect_server(Path(sys.argv[1]), long_lived=sys.argv[2] == "long") as url:
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    @task(cache_policy=NO_CACHE)
    def add(x): return x + 1
    @flow
    def sixty(): return sum(add(i) for i in range(60))
    print(sixty(), url, flush=True)
    if sys.argv[2] == "long":
        sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _no_server_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def work(home: Path, how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", WORK, str(home), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kept(home: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(home / "prefect" / "prefect.db") as db:
        return db.execute("select state_name, count(*) from task_run group by 1").fetchall()


def alive(url: str) -> bool:
    try:
        recent_runs(url)
    except ServiceError:
        return False
    return True


def test_every_task_run_is_kept_and_the_server_is_gone(tmp_path: Path) -> None:
    process = work(tmp_path, "short")
    out, _ = process.communicate(timeout=200)
    total, url = out.split()
    assert (process.returncode, total) == (0, "1830")
    assert kept(tmp_path) == [("Completed", 60)]
    assert not alive(url)


def test_a_long_lived_server_is_found_by_others_and_dies_with_its_owner(tmp_path: Path) -> None:
    owner = work(tmp_path, "long")
    assert owner.stdout is not None
    url = owner.stdout.readline().split()[1]
    assert running_server(tmp_path) == url
    with prefect_server(tmp_path) as found:
        assert found == url, "reused, not started again"
    assert alive(url), "a guest does not stop it"
    assert [run[2] for run in recent_runs(url)] == ["Completed"]
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 15
    while alive(url) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not alive(url)
    assert json.loads((tmp_path / "prefect" / "server.json").read_text())["url"] == url, "left behind by kill -9"
    assert running_server(tmp_path) is None, "and not believed"


def test_a_given_server_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(ServiceError, match="does not answer; start that server or unset"), prefect_server(tmp_path):
        pass
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:9/api"
