"""Where a collection reads from, as plain parameters that a deployment can keep."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from arbml.collectors import Collector, FileCollector, Simulator, SimulatorConfig
from arbml.config import CollectionConfig


class SimulatorSource(BaseModel, frozen=True):
    """The market simulator."""

    kind: Literal["sim"] = "sim"
    seed: int = 1
    hours: float = 24.0


class FileSource(BaseModel, frozen=True):
    """A recorded tick file, and executions beside it.

    Attributes:
        path: Parquet or CSV.
        column_map: name of a shipped map, a TOML or JSON file, or inline text; found by the columns without it.
        executions: Parquet or CSV with what the bot did.
        sort, dedupe: put rows into order; keep the first of equal ones.
    """

    kind: Literal["file"] = "file"
    path: Path
    column_map: str | None = None
    executions: Path | None = None
    sort: bool = False
    dedupe: bool = False


Source = SimulatorSource | FileSource


def open_source(source: Source, collection: CollectionConfig) -> Collector:
    """Return the collector of a source. Raises ConfigError, SourceError or SchemaError for wrong input."""
    if isinstance(source, SimulatorSource):
        return Simulator(SimulatorConfig(seed=source.seed, hours=source.hours, interval_ms=collection.interval_ms))
    return FileCollector(
        source.path, column_map=source.column_map, executions=source.executions, sort=source.sort, dedupe=source.dedupe
    )
