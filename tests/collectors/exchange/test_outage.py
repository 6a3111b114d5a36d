"""An exchange goes on while the database is gone."""

import os
import threading
import time
from pathlib import Path

import pytest

from arbml.collectors.collecting import CollectReport
from arbml.collectors.exchange import ExchangeCollector, ExchangeSettings
from arbml.collectors.live import collect_live
from arbml.config import CollectionConfig
from arbml.market import Tick
from arbml.store import Store
from tests.collectors.conftest import MortalPostgres
from tests.collectors.exchange.fake_binance import FakeBinance

pytestmark = pytest.mark.slow
OUTAGE_S = float(os.environ.get("ARBML_TEST_OUTAGE_S", "1"))  # the long one, by hand: 30
PER_SECOND = int(os.environ.get("ARBML_TEST_EVENTS_PER_S", "200"))


class Busy(threading.Thread):
    """Trades one ETH at a time, and moves the book at every fourth event."""

    def __init__(self, exchange: FakeBinance) -> None:
        super().__init__(daemon=True)
        self._exchange = exchange
        self._enough = threading.Event()
        self.traded = self.events = 0

    def run(self) -> None:
        began = time.perf_counter()
        while not self._enough.is_set():
            self.events += 1
            if self.events % 4:
                self._exchange.trade(amount="1.000")
                self.traded += 1
            else:
                self._exchange.nudge()
            time.sleep(max(0.0, began + self.events / PER_SECOND - time.perf_counter()))

    def end(self) -> None:
        self._enough.set()
        self.join(30)


@pytest.mark.timeout(300)
def test_postgresql_gone_while_an_exchange_streams(
    exchange: FakeBinance, mortal_postgres: MortalPostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Tick] = []
    reports: list[CollectReport] = []
    collector = ExchangeCollector(ExchangeSettings(("binance",), ("ETH/USDT",), "stream", url=exchange.url))
    with Store.open(mortal_postgres.database("streamed"), tmp_path) as store:
        settings = CollectionConfig(interval_ms=1000)
        live = threading.Thread(target=lambda: reports.append(collect_live(collector, store, settings, tell=told.append)))  # type: ignore[arg-type]
        live.start()
        until(lambda: told and exchange.sockets == 2)
        load = Busy(exchange)
        load.start()
        time.sleep(1)
        mortal_postgres.crash()
        before = len(told)
        time.sleep(OUTAGE_S)
        during = len(told) - before
        mortal_postgres.start()
        time.sleep(1)
        load.end()
        exchange.quote(2500)
        until(lambda: told[-1].price == 2500)
        collector._end()
        live.join(60)
        assert not live.is_alive()
        df = store.ticks.read()
    (report,) = reports
    assert report.new + report.known == len(df) == len(told) > 0
    assert df[["ts_ms", "log_index", "ts_known_ms", "price"]].to_numpy().tolist() == [
        [one.ts_ms, one.log_index, one.ts_known_ms, one.price] for one in told
    ]
    assert df["volume"].sum() == 2000.0 * load.traded, "every trade counts once"
    assert during > 0, "ticks came meanwhile"
    assert caplog.text.count("the store takes nothing, up to") == caplog.text.count("the store takes rows again") == 1
    print(f"{OUTAGE_S:g} s: {load.events} events, {len(told)} ticks, {during} of them while the database was gone; all stored once")


def until(true: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
