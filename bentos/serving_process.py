"""Runs `bentoml serve` of a built Bento as a process of its own, and ends it: no process is ever left behind.

The server leads a process group, which is killed as a whole if it does not end when asked. It also ends when this process
dies, however that happens (Linux), because the kernel tells it.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from dotenv import dotenv_values

from arbml.clock import stopwatch_s
from arbml.errors import ServiceError
from bentos import orphans
from bentos.packaging import BuiltBento, bentoml_environment

READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.1
TAIL_BYTES = 8_000
# uvicorn's words, after which BentoML would start such a worker again for ever; and ours, after which it stays unready
FAILED = ("Application startup failed", "the warm-up failed")


class ServiceProcess:
    """A running service. Use `served` where a `with` block fits.

    The thread that calls `start` must live as long as the service: its end counts as that of the parent.

    Args:
        bento: what to serve.
        home: where the service keeps its journal; becomes its ML_HOME.
        host, port: where it listens; port 0 takes any free one.
        environment: further variables for the service, before those of this process.
    """

    def __init__(
        self, bento: BuiltBento, home: Path, host: str = "127.0.0.1", port: int = 0, environment: Mapping[str, str] | None = None
    ) -> None:
        self._bento = bento
        self._home = home.expanduser().absolute()
        self._host = host
        self._port = port
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.log_path = self._home / "logs" / "service.log"

    @property
    def url(self) -> str:
        """Where it answers."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "::") else self._host
        return f"http://{host}:{self._port}"

    @property
    def pid(self) -> int:
        """Of the server, which is also the number of its process group; 0 before the start."""
        return self._process.pid if self._process else 0

    def start(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Start, and wait until it is warm.

        Raises:
            ServiceError: with the end of its log, if it ends, fails or is not ready in time.
        """
        if not (self._bento.path / "bento.yaml").is_file():
            raise ServiceError(f"{self._bento.path}: no built Bento there; build one: arbml build")
        self._port = self._port or _free_port(self._host)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        command = [
            sys.executable, str(orphans.__file__), sys.executable, "-P", "-m", "bentoml", "serve", str(self._bento.path),
            "--host", self._host, "--port", str(self._port),
        ]  # fmt: skip
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._bento.source, env=self._full_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        try:
            self._wait_until_ready(self._process, timeout_s)
        except BaseException:
            self.stop()
            raise
        return self

    def wait(self) -> int:
        """Wait until it ends by itself; return its exit code."""
        return self._process.wait() if self._process else 0

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """End it: requests in flight are answered, the journal is closed. Return its exit code, -9 if it had to be killed."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout_s)
        # also what is left of its group: a worker that did not end with its server
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    def log_tail(self) -> str:
        """Return the end of what it wrote since the start."""
        with self.log_path.open("rb") as log:
            log.seek(max(self._log_start, self.log_path.stat().st_size - TAIL_BYTES))
            return log.read().decode(errors="replace").strip()

    def _wait_until_ready(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        deadline_s = stopwatch_s() + timeout_s
        while stopwatch_s() < deadline_s:
            if process.poll() is not None:
                raise self._failure(f"ended with code {process.returncode} before it was ready")
            if any(words in self.log_tail() for words in FAILED):
                raise self._failure("did not start")
            if _ready(self._host, self._port):
                return
            time.sleep(POLL_S)
        raise self._failure(f"was not ready after {timeout_s:g} s")

    def _failure(self, what: str) -> ServiceError:
        return ServiceError(f"the service {what}; {self.log_path} ends with:\n{self.log_tail()}")

    def _full_environment(self) -> dict[str, str]:
        """The Bento runs in its own folder, so a `.env` of this one is handed on; the environment wins over it."""
        dotenv = {name: value for name, value in dotenv_values(".env").items() if value is not None} if Path(".env").is_file() else {}
        base = bentoml_environment(self._home / "bentoml")
        return {**dotenv, **base, **self._environment, "ML_HOME": str(self._home)}


@contextlib.contextmanager
def served(
    bento: BuiltBento, home: Path, port: int = 0, host: str = "127.0.0.1", environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Serve a Bento for the length of a `with` block; yield its URL once it is ready.

    Raises:
        ServiceError: if it does not start.
    """
    process = ServiceProcess(bento, home, host, port, environment)
    process.start()
    try:
        yield process.url
    finally:
        process.stop()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1" if host in ("0.0.0.0", "::") else host, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
