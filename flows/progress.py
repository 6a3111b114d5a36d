"""How far the work is, told to whoever listens (the CLI draws bars; a scheduled run has no listener)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, float, str], None]
_listeners: list[Listener] = []


def report(stage: str, fraction: float, detail: str = "") -> None:
    """Say that `stage` is done to `fraction` (0 to 1; 1 ends it), and what is to be said of work without a known end."""
    for listener in _listeners:
        listener(stage, min(max(fraction, 0.0), 1.0), detail)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener(stage, fraction, detail)` at each report until the block ends."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
