"""The write-ahead journal: what the service said, on disk before it says it.

    <root>/lane-0/.lock              held by the process that writes here; a second process takes lane-1, and so on
    <root>/lane-0/0000000001.jsonl   segments, one record a line, append-only
    <root>/lane-0/stored.json        up to where the records are in the store

Each record is one write(2) to a file opened for appending, before the answer goes out: a killed process loses nothing that
it answered. `sync` (fsync) runs once a second in the background, at rotation and at closing: a power cut may lose the last
second. Every start opens a new segment, so that a line cut in half stays the last of its file; readers skip it and say so.
Segments are deleted only when all their records are in the store, and the newest few are kept even then, for repeats.
"""

import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from arbml.errors import StoreError

log = logging.getLogger(__name__)

MAX_SEGMENT_BYTES = 16 * 1024 * 1024
KEPT_SEGMENTS = 4
MAX_LANES = 256
STORED = "stored.json"


class Position(NamedTuple):
    """Where a line starts, and its length with the newline."""

    segment: int
    offset: int
    length: int


class Journal:
    """One lane, held by this process until `close`. The caller serialises `append`; all else may run in other threads."""

    def __init__(self, lane: Path, lock: int, max_segment_bytes: int) -> None:
        self.lane = lane
        self._lock = lock
        self._max_segment_bytes = max_segment_bytes
        # one attribute, so that a reader in another thread never sees the segment of one line and the size of another
        self._end = Position(max(_segments(lane), default=0), 0, 0)
        self._file = -1
        self._torn = False
        self._retired: list[int] = []  # full segments, to be synced and closed in the background
        self._files = threading.Lock()
        self.broken = 0  # lines that could not be read
        self._start_segment()

    @classmethod
    def open(cls, root: Path, max_segment_bytes: int = MAX_SEGMENT_BYTES) -> Self:
        """Take the first free lane under `root`.

        Raises:
            StoreError: if the folder cannot be written.
        """
        try:
            for lane in (root / f"lane-{i}" for i in range(MAX_LANES)):
                if (lock := _try_lock(lane)) is not None:
                    return cls(lane, lock, max_segment_bytes)
        except OSError as error:
            what = f"the journal of predictions cannot be kept there ({error.strerror})"
            raise StoreError(f"{root}: {what}; set ML_HOME to a writable folder") from error
        raise StoreError(f"{root}: {MAX_LANES} services already write here; give each its own ML_HOME")

    @classmethod
    def adopt(cls, lane: Path) -> Self | None:
        """Take one lane, to read what a dead process left there; None if a living one holds it."""
        lock = _try_lock(lane)
        return None if lock is None else cls(lane, lock, MAX_SEGMENT_BYTES)

    @property
    def end(self) -> Position:
        """Where the next line will start."""
        return self._end

    def append(self, line: bytes) -> Position:
        """Write one line, newline included; it is in the kernel's hands when this returns.

        Raises:
            StoreError: if the disk refuses; then nothing of the line is kept.
        """
        if self._file < 0:
            raise StoreError(f"{self.lane}: the journal is closed; the service is shutting down")
        try:
            if self._torn or (self._end.offset and self._end.offset + len(line) > self._max_segment_bytes):
                self._rotate()
            if os.write(self._file, line) != len(line):
                raise OSError(0, "short write, is the disk full?")
        except OSError as error:
            self._cut_back()
            raise StoreError(f"{self._path(self._end.segment)}: cannot be written ({error.strerror}); make room on the disk") from error
        position = Position(self._end.segment, self._end.offset, len(line))
        self._end = Position(position.segment, position.offset + len(line), 0)
        return position

    def read(self, position: Position) -> bytes | None:
        """Return the line at `position`, or None if its segment is gone."""
        try:
            with self._path(position.segment).open("rb") as file:
                file.seek(position.offset)
                return file.read(position.length)
        except FileNotFoundError:
            return None

    def lines(self, start: Position | None = None) -> Iterator[tuple[Position, bytes]]:
        """Yield the complete lines from `start` (the oldest kept without it) to the end as of now."""
        end = self.end
        for segment in sorted(_segments(self.lane)):
            if segment > end.segment or (start is not None and segment < start.segment):
                continue
            offset = start.offset if start is not None and segment == start.segment else 0
            yield from self._segment_lines(segment, offset, end)

    def _segment_lines(self, segment: int, offset: int, end: Position) -> Iterator[tuple[Position, bytes]]:
        with self._path(segment).open("rb") as file:
            file.seek(offset)
            for line in file:
                position = Position(segment, offset, len(line))
                if segment == end.segment and offset + len(line) > end.offset:
                    return
                offset += len(line)
                if line.endswith(b"\n"):
                    yield position, line
                else:
                    self.skipped(position, "cut in half")

    def skipped(self, position: Position, why: str) -> None:
        """Count and say that a line could not be read."""
        self.broken += 1
        log.warning("%s: line at byte %d is %s; skipped", self._path(position.segment), position.offset, why)

    def stored_to(self) -> Position:
        """Return up to where the records are in the store; the very beginning if that was never said."""
        try:
            data = json.loads((self.lane / STORED).read_text())
            return Position(int(data["segment"]), int(data["offset"]), 0)
        except FileNotFoundError:
            return Position(0, 0, 0)
        except (ValueError, KeyError, TypeError):
            log.warning("%s: not readable; everything is sent to the store again, which knows what it has", self.lane / STORED)
            return Position(0, 0, 0)

    def mark_stored(self, position: Position) -> None:
        """Remember that everything before `position` is in the store, and delete old segments that are wholly so."""
        temporary = self.lane / f"{STORED}.new"
        temporary.write_text(json.dumps({"segment": position.segment, "offset": position.offset}))
        os.replace(temporary, self.lane / STORED)
        for segment in _segments(self.lane):
            if segment < min(position.segment, self._end.segment - KEPT_SEGMENTS):
                self._path(segment).unlink(missing_ok=True)

    def sync(self) -> None:
        """Force what was written to the disk. Slow; never called between a question and its answer."""
        with self._files:
            if self._file < 0:
                return
            files, self._retired = [*self._retired, os.dup(self._file)], []
        for file in files:
            os.fsync(file)
            os.close(file)

    def close(self) -> None:
        """Sync, and let another process take the lane. An empty last segment is removed. May be called twice."""
        if self._file < 0:
            return
        self.sync()
        with self._files:
            os.close(self._file)
            self._file = -1
        if self._end.offset == 0:
            self._path(self._end.segment).unlink(missing_ok=True)
        os.close(self._lock)

    def _path(self, segment: int) -> Path:
        return self.lane / f"{segment:010d}.jsonl"

    def _start_segment(self) -> None:
        segment = self._end.segment + 1
        file = os.open(self._path(segment), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._file, self._torn, self._end = file, False, Position(segment, 0, 0)

    def _rotate(self) -> None:
        with self._files:
            full = self._file
            self._start_segment()
            self._retired.append(full)

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._file, self._end.offset)
        except OSError:
            self._torn = True  # the half line stays the last of its segment, where readers expect one


def _segments(lane: Path) -> list[int]:
    return [int(path.stem) for path in lane.glob("*.jsonl") if path.stem.isdigit()]


def _try_lock(lane: Path) -> int | None:
    """Return the held lock of a lane, or None if another process has it. The kernel frees it when its holder dies."""
    lane.mkdir(parents=True, exist_ok=True)
    lock = os.open(lane / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
