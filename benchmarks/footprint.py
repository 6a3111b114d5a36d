"""What a process holds, sampled while it works, and whether it grows: a slope with an interval."""

import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MIB = 2**20
GROUPS = 24
_ROLLUP = Path("/proc/self/smaps_rollup")
_KEPT = {"Rss": "resident", "Anonymous": "anonymous"}


def memory() -> dict[str, float]:
    """Return what this process occupies, MiB.

    Returns:
        `resident`; `anonymous`: what it allocated itself, without mapped files, which the system takes back when it likes (Linux
        only; elsewhere what psutil calls unique); `malloc`: what libraries in C have been given and hold (glibc; else 0): where
        this is flat and `anonymous` is not, the allocator has kept holes; `blocks`: objects of Python's allocator, in thousands.
    """
    more = {"malloc": _malloc() / MIB, "blocks": sys.getallocatedblocks() / 1000}
    if _ROLLUP.exists():
        lines = (line.split() for line in _ROLLUP.read_text().splitlines()[1:])
        kib = {name.rstrip(":"): int(value) for name, value, *_ in lines}
        return {ours: kib[name] / 1024 for name, ours in _KEPT.items()} | more
    import psutil

    full = psutil.Process().memory_full_info()
    return {"resident": full.rss / MIB, "anonymous": full.uss / MIB} | more


class _MallInfo(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def _malloc() -> float:
    """Return bytes that were allocated by malloc and not freed; 0 where the C library does not say."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return 0.0
    ask.restype = _MallInfo
    info = ask()
    return float(info.uordblks + info.hblkhd)


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth in a minute, with the ends of its 95 % interval."""

    per_minute: float
    low: float
    high: float

    def verdict(self, most: float) -> str:
        """Return "flat" if growth of more than `most` a minute is ruled out, "grows" if less is, else "undecided".

        >>> Slope(0.0, -0.1, 0.1).verdict(0.2), Slope(1.0, 0.5, 1.5).verdict(0.2), Slope(0.0, -1.0, 1.0).verdict(0.2)
        ('flat', 'grows', 'undecided')
        """
        return "flat" if self.high < most else "grows" if self.low > most else "undecided"


def slope(
    seconds: NDArray[np.float64], values: NDArray[np.float64], *causes: NDArray[np.float64], groups: int = GROUPS
) -> Slope:
    """Fit a line through the means of `groups` spans of time: neighbouring samples are no independent witnesses, spans nearly are.

    Args:
        causes: what moves the values besides time, such as the rows that wait; its part is taken out.

    >>> minute, queue = np.arange(96.0) / 60, np.arange(96.0) % 7
    >>> fitted = slope(60 * minute, 5 * minute + 3 * queue, queue)
    >>> round(fitted.per_minute, 6), fitted.high - fitted.low < 1e-6
    (5.0, True)
    """
    columns = [np.array([part.mean() for part in np.array_split(series, groups)]) for series in (values, seconds / 60, *causes)]
    y, *x = columns
    moved = [column for column in x[1:] if np.ptp(column) > 0]
    design = np.column_stack([np.ones(groups), x[0], *moved])
    found, *_ = np.linalg.lstsq(design, y, rcond=None)
    free = groups - design.shape[1]
    variance = float(((y - design @ found) ** 2).sum()) / free * np.linalg.pinv(design.T @ design)[1, 1]
    half = float(stats.t.ppf(0.975, free) * np.sqrt(variance))
    return Slope(float(found[1]), float(found[1]) - half, float(found[1]) + half)


class Footprint:
    """Samples this process each second from a thread of its own.

    Args:
        seconds: longest duration; room for its samples is made at once, so that sampling does not grow itself.
        more: further things to sample, by name.
    """

    def __init__(self, seconds: float, more: Mapping[str, Callable[[], float]] | None = None) -> None:
        self._more = dict(more or {})
        self.names = [*memory(), *self._more]
        self._rows = np.zeros((round(seconds) + 60, 1 + len(self.names)))
        self._count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="footprint", daemon=True)

    def __enter__(self) -> "Footprint":
        gc.collect()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def series(self, name: str, after_s: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return times since the first sample, s, and values, from `after_s` on."""
        rows = self._rows[: self._count]
        rows = rows[rows[:, 0] - rows[0, 0] >= after_s]
        return rows[:, 0] - self._rows[0, 0], rows[:, 1 + self.names.index(name)]

    def _run(self) -> None:
        began = time.perf_counter()
        while self._count < len(self._rows) and not self._stop.wait(max(0.0, began + self._count - time.perf_counter())):
            sample = memory() | {name: ask() for name, ask in self._more.items()}
            self._rows[self._count] = [time.perf_counter(), *(sample[name] for name in self.names)]
            self._count += 1
