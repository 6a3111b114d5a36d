"""Wall time and peak memory of each step of a cycle."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from arbml.clock import stopwatch_s


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was done: what came of it, how long it took, and the most memory this process held meanwhile."""

    name: str
    detail: str
    seconds: float
    peak_mb: float


class Meter:
    """Collects steps.

    >>> meter = Meter()
    >>> with meter.step("count") as note:
    ...     note("3 of 3")
    >>> [(s.name, s.detail) for s in meter.steps]
    [('count', '3 of 3')]
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []

    @contextmanager
    def step(self, name: str) -> "Iterator[_Note]":
        """Time the block; call what it yields with a line of detail."""
        note, start = _Note(), stopwatch_s()
        _reset_peak()
        yield note
        self.steps.append(Step(name, note.text, round(stopwatch_s() - start, 2), round(_peak_mb(), 1)))


class _Note:
    text = ""

    def __call__(self, text: str) -> None:
        self.text = text


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: start a new high-water mark
    except OSError:
        return


def _peak_mb() -> float:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # since the process began
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
