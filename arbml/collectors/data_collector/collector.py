"""The public face of collection: record, subscribe, read, export, forget."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import pandas as pd

from arbml.clock import Clock, SystemClock, stopwatch_s
from arbml.collectors.data_collector.buffer import BufferFull, RowBuffer
from arbml.collectors.data_collector.export import Exported, Format, Kind, export
from arbml.collectors.data_collector.flusher import Flusher
from arbml.collectors.data_collector.records import GasPrice, Places, R, Record, check
from arbml.collectors.data_collector.retention import Pruned, prune
from arbml.collectors.data_collector.sink import Tables, write
from arbml.collectors.data_collector.subscribers import Subscribers
from arbml.config import CollectionConfig
from arbml.errors import SchemaError, StoreError
from arbml.frames import ExecutionFrame, TickFrame
from arbml.market import Execution, Opportunity, Result, Tick

BLOCK_S = 5.0
STOP_S = 30.0


@dataclass(frozen=True, slots=True)
class CollectorStats:
    """What a data collector did since it was made.

    Attributes:
        recorded: rows taken in. stored, known, conflicting: rows that were new to the store, there before, there before with
            other values (those stayed). refused: rows that the store will never take, left out.
        waiting, capacity: rows that wait for the store, and how many can. oldest_waiting_s: age of the oldest of them.
        turned_away: calls that found no room and raised `BufferFull`. clamped: events later than our clock, put at our time.
        writes, failed_writes, outages: writes that went well, that did not, and times that the store was gone.
        running: between start and stop. problem: why the store takes nothing now; empty while it does.
        outage_s: for how long it has been gone now.
        subscribers, subscriber_errors, passed_over: how many, their exceptions, records that slow ones missed.
    """

    recorded: int
    stored: int
    known: int
    conflicting: int
    refused: int
    waiting: int
    capacity: int
    oldest_waiting_s: float
    turned_away: int
    clamped: int
    writes: int
    failed_writes: int
    outages: int
    running: bool
    problem: str
    outage_s: float
    subscribers: int
    subscriber_errors: int
    passed_over: int


class DataCollector:
    """Takes in ticks, executions and gas prices one by one and stores them in batches. Safe between threads.

    Rows wait in memory, at most `buffer_rows` of them, and are stored `batch_size` together or after `interval_ms`. While the
    store is gone they go on waiting, and are stored once it is back: none is lost, none is there twice. When no room is left,
    a call waits up to `block_s` and then raises `BufferFull`: that row was not taken, every row before it was. A process that
    is killed loses what waits: while the store is there, what came in the last `interval_ms`.

    Args:
        store: where to; `arbml.store.Store` is one.
        collection: batch size, interval, buffer and retention.
        clock: gives the time of knowing, and of events that come without one.
        block_s: longest wait for room, s; 0 never waits.
        stopwatch: for ages and outages.

    >>> from pathlib import Path; from tempfile import TemporaryDirectory
    >>> from arbml.config import StoreConfig; from arbml.store import Store
    >>> with TemporaryDirectory() as home, Store.open(StoreConfig(), Path(home)) as store:
    ...     with DataCollector(store) as collector:
    ...         tick = collector.record_price("uniswap", "WETH/USDC", 2000.5, volume=12.0)
    ...     len(collector.prices(pair="WETH/USDC"))
    1
    """

    def __init__(
        self, store: Tables, collection: CollectionConfig | None = None, clock: Clock | None = None, *,
        block_s: float = BLOCK_S, stopwatch: Callable[[], float] = stopwatch_s,
    ) -> None:
        self._store = store
        self._config = collection or CollectionConfig()
        self._clock = clock or SystemClock()
        self._block_s = block_s
        self._stopwatch = stopwatch
        self._rows = RowBuffer[Record](self._config.buffer_rows, stopwatch)
        self._flusher = Flusher[Record](
            self._rows, lambda records: write(store, records), self._config.batch_size, self._config.interval_ms / 1000, stopwatch
        )
        self._subscribers = Subscribers[Record]()
        self._places = Places()
        self._door = threading.Lock()
        self._turned_away = self._clamped = 0

    def start(self) -> Self:
        """Begin to store what is recorded; rows may be recorded before."""
        if not self._flusher.running:
            self._flusher.start()
        return self

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Take in nothing more and store what waits.

        Raises:
            StoreError: if rows are left after `timeout_s`; they are lost with this process, or stored by another `start`.
        """
        left = self._flusher.stop(timeout_s)
        if left:
            why = self._flusher.problem or f"the store was too slow for {timeout_s:g} s"
            raise StoreError(f"data collector: {left} rows could not be stored before stopping: {why}")
        self._subscribers.drain(1.0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def record_price(
        self, venue: str, pair: str, price: float, *, ts_ms: int | None = None, chain_id: int | None = None, pool: str | None = None,
        fee_bps: float | None = None, volume: float | None = None, liquidity: float | None = None, gas_price_gwei: float | None = None,
        reserve_base: float | None = None, reserve_quote: float | None = None, block_number: int | None = None,
        log_index: int | None = None,
    ) -> Tick:
        """Record one observation of a pair on a venue; the fields are those of `Tick`.

        Args:
            ts_ms: when it happened, UTC ms; now without it. An event later than our clock is put at our time.
            log_index: makes the row the same one when it is recorded again. Without it every call is an observation of its own.

        Returns:
            The tick as it is stored.

        Raises:
            SchemaError: if a value cannot be stored. BufferFull: if there is no room. CollectError: after `stop`.
        """
        happened_ms, known_ms = self._times(ts_ms)
        tick = Tick(
            happened_ms, venue, pair, price, known_ms, chain_id, pool, fee_bps, volume, liquidity, gas_price_gwei,
            reserve_base, reserve_quote, block_number, log_index or 0,
        )  # fmt: skip
        check(tick)
        if log_index is None:
            with self._door:
                tick = replace(tick, log_index=self._places.next(tick.stream, tick.ts_ms))
        return self._take(tick)

    def record_arbitrage_execution(
        self, result: Result | str, *, request_id: str | None = None, ts_ms: int | None = None, chain_id: int | None = None,
        route: str | None = None, profit: float | None = None, profit_token: str | None = None, gas_used: float | None = None,
        gas_price_gwei: float | None = None, latency_ms: float | None = None, opportunity: Opportunity | None = None,
    ) -> Execution:
        """Record what became of something that was sent; the fields are those of `Execution`.

        Args:
            result: success, failed or reverted.
            request_id: that of the prediction it acted on; a new one without it.
            ts_ms: when it was decided, UTC ms; `latency_ms` ago without it.

        Raises:
            SchemaError: if a value cannot be stored. BufferFull: if there is no room. CollectError: after `stop`.
        """
        if result not in list(Result):
            raise SchemaError(f"Execution: result {result!r} must be one of {', '.join(Result)}")
        happened_ms, known_ms = self._times(self._clock.now_ms() - round(latency_ms or 0) if ts_ms is None else ts_ms)
        return self.record(
            Execution(
                happened_ms, known_ms, request_id or uuid4().hex, Result(result), chain_id, route, profit, profit_token, gas_used,
                gas_price_gwei, latency_ms, opportunity,
            )
        )

    def record_gas_price(
        self, chain_id: int, gas_price_gwei: float, *, ts_ms: int | None = None, block_number: int | None = None
    ) -> GasPrice:
        """Record the gas price of a chain, gwei; one for each chain and millisecond, of two the first.

        Raises:
            SchemaError: if a value cannot be stored. BufferFull: if there is no room. CollectError: after `stop`.
        """
        happened_ms, known_ms = self._times(ts_ms)
        return self.record(GasPrice(happened_ms, known_ms, chain_id, gas_price_gwei, block_number))

    def record(self, record: R) -> R:
        """Record a tick, an execution or a gas price as it is, with its own times and key.

        Raises:
            SchemaError: if a value cannot be stored. BufferFull: if there is no room. CollectError: after `stop`.
        """
        check(record)
        return self._take(record)

    def subscribe(self, callback: Callable[[Record], object]) -> Callable[[], None]:
        """Call `callback` with each record from now on, as soon as it is taken in; return what ends that.

        Each subscriber has a thread of its own: one that is slow misses the oldest beyond 10 000 waiting records, one that
        raises is called on; both are counted, and neither holds up collection.
        """
        return self._subscribers.add(callback)

    def flush(self, timeout_s: float = STOP_S) -> None:
        """Wait until everything recorded before this call is stored.

        Raises:
            StoreError: if it is not in that time; it goes on waiting for the store.
        """
        if not self._rows.wait_done(self._rows.hurry(), timeout_s if self._flusher.running else 0.0):
            why = self._flusher.problem or ("the store is slow" if self._flusher.running else "the collector is not started")
            raise StoreError(f"data collector: {len(self._rows)} rows are not stored after {timeout_s:g} s: {why}")

    def prices(
        self, venue: str | None = None, pair: str | None = None, start_ms: int | None = None, end_ms: int | None = None
    ) -> TickFrame:
        """Return stored ticks of a time window (event time, UTC ms, end excluded) in the order of knowing; see `flush`."""
        return self._store.ticks.read(_listed(venue), _listed(pair), start_ms, end_ms)

    def executions(self, start_ms: int | None = None, end_ms: int | None = None) -> ExecutionFrame:
        """Return stored executions of a time window (event time, UTC ms, end excluded) in the order of knowing; see `flush`."""
        return self._store.executions.read(start_ms, end_ms)

    def gas_prices(self, chain_id: int | None = None, start_ms: int | None = None, end_ms: int | None = None) -> pd.DataFrame:
        """Return stored gas prices of a time window (event time, UTC ms, end excluded) in the order of knowing; see `flush`."""
        return self._store.gas.read(None if chain_id is None else [chain_id], start_ms, end_ms)

    def export(
        self, path: str | Path, format: Format | None = None, *, kind: Kind = "ticks", start_ms: int | None = None,
        end_ms: int | None = None, venues: Sequence[str] | None = None, pairs: Sequence[str] | None = None,
    ) -> Exported:
        """Write what is stored of a time window to a CSV, JSON or Parquet file; see `arbml.collectors.data_collector.export`."""
        return export(self._store, Path(path), kind, format, start_ms, end_ms, venues, pairs)

    def apply_retention(self, now_ms: int | None = None) -> Pruned:
        """Delete market data that happened more than `retention_days` before `now_ms` (UTC ms; our clock without it)."""
        now_ms = self._clock.now_ms() if now_ms is None else now_ms
        return prune(self._store, now_ms - self._config.retention_days * 86_400_000)

    def get_stats(self) -> CollectorStats:
        """Return what was done, what waits, and what is wrong."""
        flusher, since_s = self._flusher, self._flusher.lost_since_s
        return CollectorStats(
            recorded=self._rows.end,
            stored=flusher.stored.new, known=flusher.stored.known, conflicting=flusher.stored.conflicting, refused=flusher.refused,
            waiting=len(self._rows), capacity=self._rows.capacity, oldest_waiting_s=self._rows.oldest_age_s,
            turned_away=self._turned_away, clamped=self._clamped,
            writes=flusher.writes, failed_writes=flusher.failures, outages=flusher.outages,
            running=flusher.running, problem=flusher.problem, outage_s=0.0 if since_s is None else self._stopwatch() - since_s,
            subscribers=len(self._subscribers), subscriber_errors=self._subscribers.errors, passed_over=self._subscribers.passed_over,
        )  # fmt: skip

    def _times(self, ts_ms: int | None) -> tuple[int, int]:
        """Return when it happened and when we know it: nothing happens after it is known."""
        now_ms = self._clock.now_ms()
        if ts_ms is None or not isinstance(ts_ms, int) or ts_ms <= now_ms:
            return now_ms if ts_ms is None else ts_ms, now_ms
        with self._door:
            self._clamped += 1
        return now_ms, now_ms

    def _take(self, record: R) -> R:
        try:
            self._rows.put(record, self._block_s)
        except BufferFull:
            with self._door:
                self._turned_away += 1
            raise
        self._subscribers.tell(record)
        return record


def _listed(name: str | None) -> list[str] | None:
    return None if name is None else [name]
