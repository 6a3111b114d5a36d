"""What a source of ticks and executions looks like, whatever it reads from."""

from collections.abc import Iterator
from typing import Protocol

from arbml.frames import ExecutionFrame, TickFrame

# live sources hand on 100 rows at a time; a recording is all there, and one transaction for each 100 rows would take minutes
RECORDED_BATCH = 20_000


class Collector(Protocol):
    """A source of ticks and executions.

    Attributes:
        name: what reports and checkpoints call the source; the same source has the same name next time.
        total: how many ticks it will give, None where that is unknown (a live source).
    """

    @property
    def name(self) -> str: ...

    @property
    def total(self) -> int | None: ...

    def ticks(self) -> Iterator[TickFrame]:
        """Yield checked tick frames, in the order of knowing within and between frames.

        Raises:
            TransientError: the source may answer later. SourceError, SchemaError: it will not.
        """
        ...

    def executions(self) -> Iterator[ExecutionFrame]:
        """Yield checked execution frames in the order of knowing; nothing where the source has none."""
        ...
