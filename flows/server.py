"""A Prefect server for the work at hand, so that every flow and task run is kept.

With `PREFECT_API_URL` set, that server is used. Otherwise a long-lived server of this home (`arbml schedule` runs one) is used
if it answers; otherwise one is started for this process and stopped after it. Prefect's own ephemeral mode is not used: it
loses task runs at exit. Nothing here imports prefect, because prefect reads its settings when it is first imported.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from arbml.clock import SystemClock, iso
from arbml.errors import ServiceError
from flows.history import ask, close_left_open, shared_use

START_TIMEOUT_S = 120.0
DRAIN_TIMEOUT_S = 30.0
SHARED = "server.json"  # where the long-lived server of a home says that it runs


@contextmanager
def prefect_server(home: Path, long_lived: bool = False, meanwhile: Callable[[], object] | None = None) -> Iterator[str]:
    """Make a Prefect server available and yield its API URL; call before anything imports prefect.

    Args:
        home: its database is `<home>/prefect/prefect.db`.
        long_lived: let other processes of this home find and use the server while it runs.
        meanwhile: called while a server starts, which takes seconds; importing prefect in it is fine.

    Raises:
        ServiceError: if the given server does not answer, or the started one does not come up.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:
        if not _healthy(given):
            raise ServiceError(f"PREFECT_API_URL={given} does not answer; start that server or unset the variable")
        yield given
        return
    folder = home / "prefect"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(folder)
    url = _running(folder / SHARED)
    try:
        if url is not None:
            os.environ["PREFECT_API_URL"] = url
            yield url
        else:
            with _own_server(folder, long_lived, meanwhile) as url:
                yield url
    finally:
        os.environ.pop("PREFECT_API_URL", None)


@contextmanager
def _own_server(folder: Path, long_lived: bool, meanwhile: Callable[[], object] | None) -> Iterator[str]:
    with shared_use(folder) as (alone, share):
        process, url = _start(folder, meanwhile)
        began = iso(SystemClock().now_ms())
        try:
            if alone:
                with suppress(ServiceError):  # whoever is alone next will do it
                    close_left_open(url)
            share()
            if long_lived:
                (folder / SHARED).write_text(json.dumps({"url": url, "pid": process.pid}))
            yield url
        finally:
            if long_lived:
                (folder / SHARED).unlink(missing_ok=True)
            _drain(url, began)
            _stop(process)


def running_server(home: Path) -> str | None:
    """Return the API URL of a server that can be asked without starting one, or None."""
    given = os.environ.get("PREFECT_API_URL")
    if given:
        return given if _healthy(given) else None
    return _running(home / "prefect" / SHARED)


def recent_runs(api_url: str, limit: int = 10) -> list[tuple[str, str, str, str]]:
    """Return flow, run, state and start time of the latest flow runs, the newest first.

    Raises:
        ServiceError: if the server does not answer.
    """
    flows = {flow["id"]: flow["name"] for flow in ask(f"{api_url}/flows/filter", {"limit": 200})}
    runs = ask(f"{api_url}/flow_runs/filter", {
        "limit": limit, "sort": "EXPECTED_START_TIME_DESC",
        "flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}},
    })
    return [
        (flows.get(run["flow_id"], "?"), run["name"], run["state_name"], str(run["start_time"] or run["expected_start_time"])[:19])
        for run in runs
    ]


def free_port() -> int:
    """Return a TCP port on the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def die_with_parent() -> None:
    """Run in a child before exec: the kernel ends it when its parent is gone, however the parent died (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _start(folder: Path, meanwhile: Callable[[], object] | None) -> tuple["subprocess.Popen[bytes]", str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    environ = {
        **os.environ,
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
        # task runs are written in batches; a short interval leaves little to wait for at the end
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        # the UI asks the API at the address it was started with
        "PREFECT_UI_API_URL": url,
    }
    environ.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "server.log"
    # one at a time: two servers that create the same database at once spoil each other's migrations
    with FileLock(folder / "server.lock"), log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ, cwd=folder, preexec_fn=die_with_parent,
            start_new_session=True,  # Ctrl-C is for us; the server is stopped when we no longer need it
        )
        os.environ["PREFECT_API_URL"] = url
        try:
            if meanwhile is not None:
                meanwhile()
        except BaseException:
            os.environ.pop("PREFECT_API_URL", None)
            _stop(process)
            raise
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _healthy(url):
            if process.poll() is not None or time.monotonic() > deadline:
                os.environ.pop("PREFECT_API_URL", None)
                _stop(process)
                raise ServiceError(f"the Prefect server did not start: {_why(log)}")
            time.sleep(0.1)
    return process, url


def _why(log: Path) -> str:
    """Return in one line what kept a server from starting."""
    if shutil.disk_usage(log.parent).free < 1 << 20:
        return f"the disk is full ({log.parent}); free space and try again"
    lines = log.read_text(errors="replace").splitlines()
    said = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)] or lines or ["it said nothing"]
    return f"{said[-1].strip()[:300]} (all of it in {log}); if nothing else helps, move {log.parent} away: the history starts anew"


def _running(shared: Path) -> str | None:
    if not shared.is_file():
        return None
    with suppress(ValueError, KeyError):
        url = str(json.loads(shared.read_text())["url"])
        if _healthy(url):
            return url
    return None


def _healthy(api_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=5) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _drain(url: str, began: str) -> None:
    """Send what prefect still holds in this process and wait until the server has written it down.

    Task runs reach the database late: client queue, server queue, then batches. They are all there when none is pending
    and their number has not moved for three flush intervals.

    Args:
        began: ISO time; task runs from before are not ours to wait for.
    """
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    with suppress(Exception):  # the history is worth a moment, never a failed run
        EventsWorker.drain_all(timeout=10)
        APILogHandler().flush()
    ours: dict[str, object] = {"expected_start_time": {"after_": began}}
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    seen, since = -1, time.monotonic()
    while time.monotonic() < deadline:
        count, pending = _count(url, ours), _count(url, {**ours, "state": {"type": {"any_": ["PENDING", "RUNNING"]}}})
        if count != seen or pending:
            seen, since = count, time.monotonic()
        elif time.monotonic() - since > 3.0:
            return
        time.sleep(0.25)


def _count(url: str, task_runs: dict[str, object]) -> int:
    with suppress(ServiceError):
        return int(ask(f"{url}/task_runs/count", {"task_runs": task_runs}))
    return 0


def _stop(process: "subprocess.Popen[bytes]") -> None:
    for sig, patience_s in ((signal.SIGINT, 10), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            return
        process.send_signal(sig)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
