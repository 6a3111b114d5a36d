"""A process that records numbered prices until it is killed, and says each one after it was taken in.

    python recorder.py HOME INTERVAL_MS PER_SECOND
"""

import sys
import time
from pathlib import Path

from arbml.collectors.data_collector import DataCollector
from arbml.config import CollectionConfig, StoreConfig
from arbml.store import Store


def main(home: Path, interval_ms: int, per_second: int) -> None:
    with Store.open(StoreConfig(), home) as store, DataCollector(store, CollectionConfig(interval_ms=interval_ms)) as collector:
        began = time.perf_counter()
        for number in range(1_000_000):
            collector.record_price("a", "X/Y", 1.0 + number)
            sys.stdout.write(f"{number} {time.perf_counter_ns()}\n")
            sys.stdout.flush()
            time.sleep(max(0.0, began + number / per_second - time.perf_counter()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
