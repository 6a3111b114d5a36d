"""What is kept, and where: SQLite under the home by default, PostgreSQL by connection string, one schema for both.

Only this package knows the database, and in it only `engine` knows which one it is.
"""

from arbml.checkpoint import Checkpoint
from arbml.store.alerts import Alert
from arbml.store.bars import BARS
from arbml.store.batch import Appended
from arbml.store.executions import executions_to_frame, frame_to_executions
from arbml.store.gas import GAS_PRICES, GasFrame
from arbml.store.patterns import StoredPattern
from arbml.store.store import Store, StoreStats
from arbml.store.ticks import StreamStats, TickStats

__all__ = [
    "BARS",
    "GAS_PRICES",
    "Alert",
    "Appended",
    "Checkpoint",
    "GasFrame",
    "Store",
    "StoreStats",
    "StoredPattern",
    "StreamStats",
    "TickStats",
    "executions_to_frame",
    "frame_to_executions",
]
