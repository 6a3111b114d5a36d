"""Forgetting what is too old: ticks and gas prices. Executions stay: they are few, and what the scorer learns from."""

from dataclasses import dataclass

from arbml.collectors.data_collector.sink import Tables

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted: ticks and gas prices that happened before `before_ms`, UTC ms."""

    before_ms: int
    ticks: int
    gas_prices: int


def prune(store: Tables, before_ms: int) -> Pruned:
    """Delete ticks and gas prices that happened before `before_ms`, a day at a time so that no writer waits long.

    Raises:
        StoreError: if the database refuses; what was deleted before stays deleted.
    """
    ticks = 0
    oldest_ms = store.ticks.stats().oldest_ms
    if oldest_ms is not None:
        for until_ms in range(oldest_ms + _DAY_MS, before_ms, _DAY_MS):
            ticks += store.ticks.delete_before(until_ms)
        ticks += store.ticks.delete_before(before_ms)
    return Pruned(before_ms, ticks, store.gas.delete_before(before_ms))
