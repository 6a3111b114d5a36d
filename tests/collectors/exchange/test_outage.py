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
from tests.collectors.exchange.fake_binance import FakeBinance
from tests.collectors.steady import Steady
from tests.mortal_postgres import MortalPostgres
from tests.waiting import until

pytestmark = pytest.mark.slow
OUTAGE_S = float(os.environ.get("ARBML_TEST_OUTAGE_S", "1"))  # the long one, by hand: 30
PER_SECOND = int(os.environ.get("ARBML_TEST_EVENTS_PER_S", "200"))


def busy(exchange: FakeBinance) -> Steady:
    """Trade one ETH at a time, and move the book at every fourth event."""
    return Steady(PER_SECOND, lambda n: exchange.trade(amount="1.000") if (n + 1) % 4 else exchange.nudge())


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
        until(lambda: told and exchange.sockets == 2, 60)
        load = busy(exchange)
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
        until(lambda: told[-1].price == 2500, 60)
        collector._end()
        live.join(60)
        assert not live.is_alive()
        df = store.ticks.read()
    (report,) = reports
    assert report.new + report.known == len(df) == len(told) > 0
    assert df[["ts_ms", "log_index", "ts_known_ms", "price"]].to_numpy().tolist() == [
        [one.ts_ms, one.log_index, one.ts_known_ms, one.price] for one in told
    ]
    assert df["volume"].sum() == 2000.0 * (load.count - load.count // 4), "every trade counts once"
    assert during > 0, "ticks came meanwhile"
    assert caplog.text.count("the store takes nothing, up to") == caplog.text.count("the store takes rows again") == 1
    print(f"{OUTAGE_S:g} s: {load.count} events, {len(told)} ticks, {during} of them while the database was gone; all stored once")
