"""How far the work is, told to whoever listens (the CLI draws bars; a scheduled run has no listener)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, float], None]
_listeners: list[Listener] = []


def report(stage: str, fraction: float) -> None:
    """Say that `stage` is done to `fraction` (0 to 1; 1 ends it)."""
    for listener in _listeners:
        listener(stage, min(max(fraction, 0.0), 1.0))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener(stage, fraction)` at each report until the block ends."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
