"""Several processes on one store, and processes that are killed."""

import contextlib
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbml.config import StoreConfig
from arbml.market import Tick
from arbml.store import Appended, Checkpoint, Store

WRITER = Path(__file__).parent / "writer.py"
ROWS = 500
pytestmark = pytest.mark.slow  # every process imports pandas and SQLAlchemy

Place = tuple[StoreConfig, Path]


class Writer:
    """A running `writer.py`."""

    def __init__(self, place: Place, *arguments: str, file_limit: int | None = None) -> None:
        config, home = place
        url = config.connection_string.get_secret_value() if config.connection_string else "-"
        self._process = subprocess.Popen(
            [sys.executable, str(WRITER), url, str(home), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=None if file_limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit)),
        )
        assert self.line() == "READY"

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def rest(self) -> list[str]:
        assert self._process.stdout is not None
        lines = self._process.stdout.read().splitlines()
        assert self._process.wait() == 0
        return lines


@contextlib.contextmanager
def writers(place: Place, *commands: list[str]) -> Iterator[list[Writer]]:
    running = [Writer(place, *command) for command in commands]
    try:
        for writer in running:
            writer.go()
        yield running
    finally:
        for writer in running:
            writer.kill()


def appended(line: str) -> Appended:
    return Appended(*map(int, line.split()))


def whole_batches(store: Store, venue: str) -> int:
    """The number of batches that are stored; fails if one is there in part or without its checkpoint."""
    rows = store.ticks.read(venues=[venue])["ts_ms"].tolist()
    checkpoint = store.checkpoint(venue)
    stored = 0 if checkpoint is None else int(checkpoint.position) + 1
    assert rows == list(range(stored * ROWS))
    return stored


def test_processes_that_meet_on_a_new_database_write_every_row_once(place: Place) -> None:
    with writers(place, *[["append", "shared", "6"]] * 2) as running:
        counts = [sum(map(appended, writer.rest()), Appended()) for writer in running]
    assert counts[0] + counts[1] == Appended(new=6 * ROWS, known=6 * ROWS)
    with Store.open(*place) as store:
        assert whole_batches(store, "shared") == 6
        assert store.ticks.stats().streams == 1


def test_a_killed_writer_leaves_whole_batches_and_can_go_on(place: Place) -> None:
    with writers(place, ["append", "a", "100000"]) as (writer,):
        for _ in range(3):
            assert writer.line() == f"{ROWS} 0 0"
        time.sleep(0.013)  # somewhere inside a later batch
    with Store.open(*place) as store:
        stored = whole_batches(store, "a")
        assert stored >= 3
        with writers(place, ["append", "a", str(stored + 2)]) as (again,):
            assert again.rest() == [f"0 {ROWS} 0"] * stored + [f"{ROWS} 0 0"] * 2
        assert whole_batches(store, "a") == stored + 2


def test_a_process_killed_before_the_commit_leaves_nothing_and_no_lock(place: Place) -> None:
    with writers(place, ["hang-migrate"]) as (writer,):
        assert writer.line() == "HANGING"
    with Store.open(*place) as store:
        with writers(place, ["hang-append", "a"]) as (writer,):
            assert writer.line() == "HANGING"
            assert store.ticks.read().empty  # nor does a reader see or wait for what is not committed
        assert store.ticks.stats().streams == 0
        assert store.ticks.append([Tick(1, "a", "X/Y", 1.0, 1)], Checkpoint("a", "1", 1, 1)) == Appended(new=1)


def test_a_disk_that_takes_no_more_is_one_line_and_loses_no_batch(tmp_path: Path) -> None:
    place = (StoreConfig(), tmp_path)
    Store.open(*place).close()
    writer = Writer(place, "append", "a", "1000", file_limit=400_000)
    writer.go()
    *done, last = writer.rest()
    assert last.startswith(f"StoreError: {tmp_path / 'arbml.db'}: the disk ")
    with Store.open(*place) as store:
        assert whole_batches(store, "a") == len(done) > 0


def test_threads_share_one_store(store: Store) -> None:
    done: list[Appended] = []

    def work(venue: str) -> None:
        done.extend(store.ticks.append([Tick(ts, venue, "X/Y", 1.0, ts)]) for ts in range(5))
        store.ticks.read()

    threads = [threading.Thread(target=work, args=(venue,)) for venue in "aabc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done, Appended()) == Appended(new=15, known=5)
    assert store.ticks.stats().rows == 15


@pytest.mark.parametrize("held", ["ticks", "schema"])
def test_a_reader_does_not_wait_for_a_writer(place: Place, held: str) -> None:
    with Store.open(*place) as store, store._database.writing() as connection:
        if held == "schema":
            store._database.lock_schema(connection)
        Store.open(*place).close()  # an up-to-date schema needs no lock either
        with Store.open(*place) as other:
            assert other.ticks.read().empty
