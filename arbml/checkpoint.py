"""Where a collection goes on after a stop."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a source has been collected; written in one transaction with the rows.

    Attributes:
        source: name of the collector's source.
        position: what the collector needs to go on there, in its own words: a block number, a number of ticks, "done".
        ts_ms: event time up to which it has everything, UTC ms.
        ts_known_ms: when that was known, UTC ms.
    """

    source: str
    position: str
    ts_ms: int
    ts_known_ms: int
