"""Recording by calls: what a bot, an exchange collector or a notebook hands over, row by row, stored in batches."""

from arbml.collectors.data_collector.buffer import BufferFull
from arbml.collectors.data_collector.collector import CollectorStats, DataCollector
from arbml.collectors.data_collector.export import FORMATS, Exported, export
from arbml.collectors.data_collector.records import GasPrice, Record
from arbml.collectors.data_collector.retention import Pruned, prune

__all__ = ["FORMATS", "BufferFull", "CollectorStats", "DataCollector", "Exported", "GasPrice", "Pruned", "Record", "export", "prune"]
