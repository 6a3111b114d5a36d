"""A running exchange of our own, and what happens on it while a collector looks."""

import threading
import time
from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from arbml.collectors.exchange import ExchangeCollector
from arbml.collectors.exchange.opening import exchange_class
from tests.collectors.exchange.fake_binance import FakeBinance


@pytest.fixture
def exchange() -> Iterator[FakeBinance]:
    """An exchange with 20 trades of long ago."""
    exchange_class("binance", stream=True)  # importing ccxt where no bytecode may be written takes many seconds
    server = FakeBinance().start()
    for _ in range(20):
        server.trade()
    yield server
    server.stop()


class Looking:
    """A collector in a thread, and what it has given."""

    def __init__(self, collector: ExchangeCollector) -> None:
        self.collector = collector
        self.frames: list[pd.DataFrame] = []
        self.error: Exception | None = None
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        ticks = self.collector.ticks()
        try:
            for df in ticks:
                self.frames.append(df)
                if self._enough.is_set():
                    break
        except Exception as error:
            self.error = error

    @property
    def df(self) -> pd.DataFrame:
        return pd.concat(list(self.frames), ignore_index=True) if self.frames else pd.DataFrame()

    def until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert self.error is None, self.error
            assert time.monotonic() < deadline, (len(self.df), self.collector.notes)
            time.sleep(0.02)

    def rows(self, n: int, seconds: float = 30) -> None:
        """Wait for `n` ticks more than there are."""
        want = len(self.df) + n
        self.until(lambda: len(self.df) >= want, seconds)

    def volume(self) -> float:
        return float(self.df["volume"].sum())

    def end(self) -> None:
        self._enough.set()
        self.collector._end()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def look() -> Iterator[Callable[[ExchangeCollector], Looking]]:
    """Return what sets a collector to work; it is stopped at the end."""
    all_: list[Looking] = []

    def begin(collector: ExchangeCollector) -> Looking:
        all_.append(Looking(collector))
        return all_[-1]

    yield begin
    for one in all_:
        one.end()
