"""Sources of ticks and executions behind one protocol, and the function that collects from them."""

from arbml.collectors.base import Collector
from arbml.collectors.collecting import CollectReport, collect
from arbml.collectors.files import ExecutionFileCollector, FileCollector, read_executions
from arbml.collectors.maps import ColumnMap, load_map, shipped_maps
from arbml.collectors.simulator import Simulator, SimulatorConfig

__all__ = [
    "CollectReport",
    "Collector",
    "ColumnMap",
    "ExecutionFileCollector",
    "FileCollector",
    "Simulator",
    "SimulatorConfig",
    "collect",
    "load_map",
    "read_executions",
    "shipped_maps",
]
