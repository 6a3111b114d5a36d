"""Nothing that was told is lost, whatever ends the process; nothing half-written is believed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.errors import StoreError
from arbml.serving.journal import Journal, Position


def texts(journal: Journal, start: Position | None = None) -> list[bytes]:
    return [line for _, line in journal.lines(start)]


def test_lines_are_read_back_in_order_and_by_position(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    written = [b'{"n":%d}\n' % n for n in range(5)]
    positions = [journal.append(line) for line in written]
    assert texts(journal) == written
    assert [journal.read(position) for position in positions] == written
    assert texts(journal, positions[3]) == written[3:]
    journal.close()


def test_each_start_opens_a_new_segment_and_an_unused_one_leaves_nothing(tmp_path: Path) -> None:
    for n in range(2):
        journal = Journal.open(tmp_path)
        journal.append(b"%d\n" % n)
        journal.close()
    Journal.open(tmp_path).close()
    last = Journal.open(tmp_path)
    assert texts(last) == [b"0\n", b"1\n"]
    last.close()
    assert len(list((tmp_path / "lane-0").glob("*.jsonl"))) == 2


def test_a_half_last_line_is_skipped_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal.open(tmp_path)
    journal.append(b"whole\n")
    journal.append(b"to be cut\n")
    journal.close()
    file = tmp_path / "lane-0" / "0000000001.jsonl"
    os.truncate(file, file.stat().st_size - 4)
    again = Journal.open(tmp_path)
    assert texts(again) == [b"whole\n"]
    assert again.broken == 1
    assert "line at byte 6 is cut in half; skipped" in caplog.text
    again.append(b"next\n")
    assert texts(again) == [b"whole\n", b"next\n"]
    again.close()


def test_two_processes_take_two_lanes_and_a_closed_lane_is_free_again(tmp_path: Path) -> None:
    one, two = Journal.open(tmp_path), Journal.open(tmp_path)
    assert [one.lane.name, two.lane.name] == ["lane-0", "lane-1"]
    assert Journal.adopt(one.lane) is None
    one.close()
    three = Journal.open(tmp_path)
    assert three.lane.name == "lane-0"
    three.close()
    two.close()


def test_full_segments_are_followed_by_new_ones_and_deleted_only_when_stored(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, max_segment_bytes=100)
    positions = [journal.append(b"%040d\n" % n) for n in range(40)]
    assert {position.segment for position in positions} == set(range(1, 21))
    assert len(texts(journal)) == 40
    journal.mark_stored(positions[10])
    assert min(position.segment for position, _ in journal.lines()) == positions[10].segment, "unstored segments stay"
    journal.mark_stored(journal.end)
    assert {position.segment for position, _ in journal.lines()} == {16, 17, 18, 19, 20}, "the newest few stay for repeats"
    assert journal.read(positions[0]) is None
    assert journal.stored_to() == journal.end
    journal.sync()
    journal.close()


def test_a_damaged_mark_means_that_everything_is_sent_again(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.append(b"x\n")
    journal.mark_stored(journal.end)
    (journal.lane / "stored.json").write_text("{")
    assert journal.stored_to() == Position(0, 0, 0)
    journal.close()


def test_a_folder_that_cannot_be_written_is_said_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="set ML_HOME to a writable folder"):
        Journal.open(tmp_path / "file")


def test_a_failed_write_is_an_error_and_leaves_no_half_line(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
from pathlib import Path
from arbml.errors import StoreError
from arbml.serving.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal.open(Path(sys.argv[1]))
journal.append(b"fits\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    journal.append(b"does not fit\\n")
except StoreError as error:
    print(error)
print([line for _, line in journal.lines()], journal.end.offset, (journal.lane / "0000000001.jsonl").stat().st_size)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert "make room on the disk" in first
    assert second == "[b'fits\\n'] 5 5"


def test_a_killed_process_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from arbml.serving.journal import Journal
journal = Journal.open(Path(sys.argv[1]))
n = 0
while True:
    journal.append(b"%d\\n" % n)
    print(n, flush=True)
    n += 1
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(500)]
    process.send_signal(signal.SIGKILL)
    told += [int(line) for line in process.stdout.read().splitlines()]
    process.wait()
    journal = Journal.open(tmp_path)
    assert journal.lane.name == "lane-0", "the kernel freed the lock"
    kept = [int(line) for line in texts(journal)]
    assert kept[: len(told)] == told
    assert len(kept) - len(told) <= 1
    journal.close()


def test_reading_while_another_thread_writes_gives_whole_lines_only(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, max_segment_bytes=20_000)

    def write() -> None:
        for n in range(20_000):
            journal.append(b"%020d\n" % n)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        journal.sync()
        found = [int(line) for line in texts(journal)]
        assert found == list(range(len(found)))
    writer.join()
    assert len(texts(journal)) == 20_000
    assert journal.broken == 0
    journal.close()


TEXT = st.binary(max_size=30).map(lambda text: text.replace(b"\n", b""))


@settings(max_examples=40, deadline=None)
@given(chunks=st.lists(st.lists(TEXT, max_size=6), max_size=5), cut=st.integers(0, 20))
def test_what_is_read_is_a_prefix_of_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[list[bytes]], cut: int
) -> None:
    root = tmp_path_factory.mktemp("journal")
    written: list[bytes] = []
    for chunk in chunks:
        journal = Journal.open(root, max_segment_bytes=64)
        for text in chunk:
            journal.append(text + b"\n")
            written.append(text + b"\n")
        journal.close()
    files = sorted((root / "lane-0").glob("*.jsonl")) if chunks else []
    if files:
        os.truncate(files[-1], max(0, files[-1].stat().st_size - cut))
    journal = Journal.open(root)
    found = texts(journal)
    journal.close()
    assert found == written[: len(found)]
    assert len(b"".join(written)) - len(b"".join(found)) <= cut + 31
