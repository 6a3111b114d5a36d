"""Forgetting what is too old: ticks, gas prices and blocks. Executions stay: they are few, and what the scorer learns from."""

from collections.abc import Mapping
from dataclasses import dataclass

from arbml.collectors.data_collector.sink import Tables


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted: ticks and gas prices that happened before `before_ms` (UTC ms), and the rows of every table."""

    before_ms: int
    ticks: int
    gas_prices: int
    rows: Mapping[str, int]


def prune(store: Tables, before_ms: int) -> Pruned:
    """Delete what happened before `before_ms`, in small transactions so that no writer waits long.

    Raises:
        StoreError: if the database refuses; what was deleted before stays deleted.
    """
    rows = store.prune(before_ms)
    return Pruned(before_ms, rows["ticks"], rows["gas_prices"], rows)
