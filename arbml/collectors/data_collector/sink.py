"""What the data collector needs of a store; `arbml.store.Store` is one."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from arbml.collectors.collecting import Written
from arbml.collectors.data_collector.flusher import Stored
from arbml.collectors.data_collector.records import GasPrice, Record
from arbml.frames import ExecutionFrame, TickFrame, ticks_to_frame
from arbml.market import Execution, Tick


class Span(Protocol):
    """What is stored: how many ticks, and the first and last of them, UTC ms."""

    @property
    def rows(self) -> int: ...

    @property
    def oldest_ms(self) -> int | None: ...

    @property
    def newest_ms(self) -> int | None: ...


class TickTable(Protocol):
    """Keeps ticks. Appending the same ones again changes nothing."""

    def append(self, ticks: TickFrame) -> Written: ...

    def read(
        self, venues: Sequence[str] | None = None, pairs: Sequence[str] | None = None,
        start_ms: int | None = None, end_ms: int | None = None, as_of_ms: int | None = None,
    ) -> TickFrame: ...

    def stats(self) -> Span: ...


class ExecutionTable(Protocol):
    """Keeps executions. Appending the same ones again changes nothing."""

    def append(self, executions: Sequence[Execution]) -> Written: ...

    def read(self, start_ms: int | None = None, end_ms: int | None = None, as_of_ms: int | None = None) -> ExecutionFrame: ...


class GasTable(Protocol):
    """Keeps gas prices. Appending the same ones again changes nothing."""

    def append(self, gas_: pd.DataFrame) -> Written: ...

    def read(
        self, chain_ids: Sequence[int] | None = None,
        start_ms: int | None = None, end_ms: int | None = None, as_of_ms: int | None = None,
    ) -> pd.DataFrame: ...


class Tables(Protocol):
    """The store as the data collector sees it."""

    @property
    def ticks(self) -> TickTable: ...

    @property
    def executions(self) -> ExecutionTable: ...

    @property
    def gas(self) -> GasTable: ...

    def prune(self, before_ms: int) -> Mapping[str, int]:
        """Delete market data that happened before `before_ms`, UTC ms; return how many rows of each table."""


def write(store: Tables, records: Sequence[Record]) -> Stored:
    """Store records of any kind: ticks, executions and gas prices each in one transaction.

    Raises:
        StoreError: of the first kind that could not be stored; those before it are, and may be written again.
    """
    stored = Stored()
    ticks = [record for record in records if isinstance(record, Tick)]
    executions = [record for record in records if isinstance(record, Execution)]
    gas = [record for record in records if isinstance(record, GasPrice)]
    if ticks:
        stored += _sum(store.ticks.append(ticks_to_frame(ticks)))
    if executions:
        stored += _sum(store.executions.append(executions))
    if gas:
        columns = GasPrice.__slots__
        rows = [tuple(getattr(price, name) for name in columns) for price in gas]
        stored += _sum(store.gas.append(pd.DataFrame(rows, columns=list(columns))))
    return stored


def _sum(written: Written) -> Stored:
    return Stored(written.new, written.known, written.conflicting)
