"""Where a collection reads from, as plain parameters that a deployment can keep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from arbml.collectors import Collector, ExecutionFileCollector, FileCollector, Simulator, SimulatorConfig, load_map
from arbml.config import CollectionConfig


class SimulatorSource(BaseModel, frozen=True):
    """The market simulator."""

    kind: Literal["sim"] = "sim"
    seed: int = 1
    hours: float = 24.0


class FileSource(BaseModel, frozen=True):
    """A recorded file of ticks, or of executions.

    Attributes:
        path: Parquet or CSV.
        holds: what its rows are.
        column_map: name of a shipped map, a TOML or JSON file, or inline text; found by the columns without it.
        sort, dedupe: put rows into order; keep the first of equal ones.
    """

    kind: Literal["file"] = "file"
    path: Path
    holds: Literal["ticks", "executions"] = "ticks"
    column_map: str | None = None
    sort: bool = False
    dedupe: bool = False


Source = SimulatorSource | FileSource


def open_sources(sources: Sequence[Source], collection: CollectionConfig, venues: Sequence[str]) -> list[Collector]:
    """Open every source and read the files whole, so that a wrong one is found before anything is stored.

    Args:
        venues: those that the store knows already; executions may name them and those of the tick files.

    Raises:
        ConfigError, SourceError, SchemaError: for wrong input.
    """
    known = set(venues)
    opened: list[Collector] = []
    for source in sorted(sources, key=lambda s: isinstance(s, FileSource) and s.holds == "executions"):
        if isinstance(source, SimulatorSource):
            opened.append(Simulator(SimulatorConfig(seed=source.seed, hours=source.hours, interval_ms=collection.interval_ms)))
            continue
        column_map = load_map(source.column_map) if source.column_map else None
        if source.holds == "executions":
            executions = ExecutionFileCollector(source.path, column_map, source.sort, source.dedupe, known_venues=known)
            next(executions.executions(), None)
            opened.append(executions)
        else:
            ticks = FileCollector(source.path, column_map, source.sort, source.dedupe)
            known |= set(ticks.venues)
            opened.append(ticks)
    return opened
