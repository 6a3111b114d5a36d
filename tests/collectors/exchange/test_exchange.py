"""Unmodified ccxt against an exchange of our own: what it gives, and what becomes of every fault."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from arbml.clock import FixedClock
from arbml.collectors.exchange import ExchangeCollector, ExchangeSettings, Gap
from arbml.collectors.exchange.opening import exchange_class
from arbml.collectors.exchange.quotes import ExchangeClock
from arbml.collectors.exchange.watch import SETTLE_MS, PairWatch
from arbml.collectors.live import collect_live
from arbml.config import CollectionConfig, StoreConfig
from arbml.errors import ConfigError, SourceError, TransientError
from arbml.market import Tick
from arbml.store import Store
from tests.collectors.exchange.conftest import Looking
from tests.collectors.exchange.fake_binance import FakeBinance

pytestmark = pytest.mark.slow  # importing ccxt takes a second or two
Look = Callable[[ExchangeCollector], Looking]


def collector(exchange: FakeBinance, mode: str, **settings: object) -> ExchangeCollector:
    given = {"interval_ms": 200, "silence_s": 30.0, "url": exchange.url, "pairs": ("ETH/USDT",), **settings}
    return ExchangeCollector(ExchangeSettings(("binance",), mode=mode, **given))  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["poll", "stream"])
def test_quotes_depth_volume_and_fee(exchange: FakeBinance, look: Look, mode: str) -> None:
    looking = look(collector(exchange, mode))
    looking.until(lambda: exchange.sockets == 2 if mode == "stream" else len(looking.df) > 0)
    time.sleep(0.3)
    for i in range(10):
        exchange.trade(price="2000.00", amount="0.500")
        exchange.quote(2001 + i)
        time.sleep(0.05)
    looking.until(lambda: looking.volume() == 10_000 and looking.df["price"].iloc[-1] == 2010.0)
    df = looking.df
    assert set(zip(df["venue"], df["pair"], df["fee_bps"], strict=True)) == {("binance", "ETH/USDT", 10.0)}
    assert df["volume"].isna().tolist() == [True, *[False] * (len(df) - 1)], "what was traded before the first tick is not known"
    # within 50 bps of 2010: ten asks of 1 ETH from 2011 to 2020; the bids hold twice as much
    assert df["liquidity"].iloc[-1] == sum(range(2011, 2021))
    assert (df["ts_known_ms"] >= df["ts_ms"]).all()
    assert (df["ts_known_ms"].diff().dropna() >= 0).all()
    assert not df.duplicated(["ts_ms", "log_index"]).any()
    assert abs(df["ts_ms"].iloc[-1] - time.time() * 1000) < 60_000


def test_an_unchanged_stream_gives_no_ticks(exchange: FakeBinance, look: Look) -> None:
    looking = look(collector(exchange, "stream"))
    looking.until(lambda: exchange.sockets == 2)
    time.sleep(0.3)
    exchange.quote(2005)
    looking.until(lambda: len(looking.df) > 0 and looking.df["price"].iloc[-1] == 2005)
    before = len(looking.df)
    for _ in range(5):
        exchange.quote(2005)
    exchange.quote(2006)
    looking.rows(1)
    assert len(looking.df) == before + 1


@pytest.mark.parametrize("fault", ["429", "500", "garbage", "drop", "half", "wrong"])
def test_polling_goes_on_after_a_fault_and_loses_no_volume(exchange: FakeBinance, look: Look, fault: str) -> None:
    looking = look(collector(exchange, "poll"))
    looking.rows(2)
    path = "aggTrades" if fault == "429" else "depth"
    exchange.faults += [(path, fault)] * 2
    for _ in range(6):
        exchange.trade(price="2000.00", amount="0.500")
    looking.until(lambda: not exchange.faults)
    began = time.monotonic()
    looking.rows(3)
    assert looking.volume() == 6000
    (note,) = looking.collector.notes
    assert {"429": "DDoSProtection|RateLimitExceeded", "wrong": "unusable order book|Error"}.get(fault, "binance").split("|")[0] in note
    if fault == "429":
        assert time.monotonic() - began < 25


def test_a_dropped_socket_is_opened_again_and_missed_trades_are_fetched(exchange: FakeBinance, look: Look) -> None:
    looking = look(collector(exchange, "stream"))
    looking.until(lambda: exchange.sockets == 2 and len(looking.df) > 0)
    exchange.trade(amount="1.000")
    exchange.quote(2002)
    looking.until(lambda: looking.volume() == 2000)
    exchange.drop_sockets()
    for _ in range(5):
        exchange.trade(amount="1.000")  # nobody listens
    looking.until(lambda: exchange.sockets == 2)
    time.sleep(0.3)
    exchange.quote(2003)
    looking.until(lambda: looking.volume() == 12_000 and looking.df["price"].iloc[-1] == 2003)
    assert looking.collector.watches[0].tape.missing() == 0
    assert looking.collector.notes[0].startswith("binance|ETH/USDT: 1 x ")


def test_a_silent_socket_is_a_gap_and_is_opened_again(exchange: FakeBinance, look: Look) -> None:
    looking = look(collector(exchange, "stream", silence_s=1.0))
    looking.until(lambda: exchange.sockets == 2 and len(looking.df) > 0)
    exchange.mute(True)
    asked = exchange.asked["ws"]
    looking.until(lambda: exchange.asked["ws"] >= asked + 2)
    exchange.mute(False)
    looking.until(lambda: (exchange.quote(2000 + len(looking.df) % 7), time.sleep(0.2), len(looking.collector._gaps))[2] > 0)
    (gap, *_) = looking.collector.gaps()
    assert (gap.kind, gap.subject, gap.threshold) == ("quotes_missing", "binance|ETH/USDT", 1.0)
    assert 1.0 < gap.value < 60
    assert gap.ts_ms + round(gap.value * 1000) == gap.ts_known_ms == gap.resolved_ms


def test_garbage_on_the_socket_is_survived(exchange: FakeBinance, look: Look) -> None:
    looking = look(collector(exchange, "stream"))
    looking.until(lambda: exchange.sockets == 2 and len(looking.df) > 0)
    exchange.say_garbage()
    exchange.say_trade({"a": None, "p": "x", "q": "1", "T": 5, "m": True})
    time.sleep(0.3)
    looking.until(lambda: exchange.sockets >= 2)
    looking.until(lambda: (exchange.quote(2050), time.sleep(0.2), looking.df["price"].iloc[-1] == 2050)[2])


@pytest.mark.parametrize("ahead_ms", [7_000, -7_000])
@pytest.mark.parametrize("mode", ["poll", "stream"])
def test_another_clock_is_turned_into_ours(exchange: FakeBinance, look: Look, mode: str, ahead_ms: int) -> None:
    exchange.ahead_ms = ahead_ms
    looking = look(collector(exchange, mode))
    looking.until(lambda: len(looking.df) > 0 and (mode == "poll" or exchange.sockets == 2))
    time.sleep(0.3)
    exchange.quote(2002)
    looking.until(lambda: looking.df["price"].iloc[-1] == 2002)
    late_ms = looking.df["ts_known_ms"] - looking.df["ts_ms"]
    assert (late_ms >= 0).all()
    assert (late_ms < 3000).all()


def test_events_from_the_future_are_put_at_our_time_and_counted(exchange: FakeBinance, look: Look) -> None:
    looking = look(collector(exchange, "stream"))
    looking.until(lambda: exchange.sockets == 2 and len(looking.df) > 0)
    time.sleep(0.3)
    exchange.quote(2002, ts_ms=exchange.now_ms() + 60_000)
    looking.until(lambda: looking.df["price"].iloc[-1] == 2002)
    assert looking.df["ts_ms"].iloc[-1] == looking.df["ts_known_ms"].iloc[-1]
    assert looking.collector.watches[0]._exchange_clock.clamped == 1


def test_trades_that_come_twice_and_out_of_order_count_once(exchange: FakeBinance, look: Look) -> None:
    looking = look(collector(exchange, "stream"))
    looking.until(lambda: exchange.sockets == 2 and len(looking.df) > 0)
    for _ in range(4):
        exchange.trade(amount="1.000")
    for one in reversed(exchange.trades[-4:]):
        exchange.say_trade(one)
    time.sleep(0.3)
    exchange.quote(2002)
    looking.until(lambda: looking.df["price"].iloc[-1] == 2002)
    assert looking.volume() == 8000


def test_a_missing_trade_number_becomes_a_gap_once_it_has_not_come() -> None:
    clock = FixedClock(1_704_412_800_000)
    watch = PairWatch("x", "A/B", 10.0, 60_000, clock, ExchangeClock())
    book = {"bids": [[99.0, 1.0]], "asks": [[101.0, 1.0]], "timestamp": None}
    trades = [{"id": str(i), "timestamp": 1000 + i, "price": 1.0, "amount": 1.0} for i in range(30)]
    watch.tape.begin(trades[:20])
    watch.tape.add([trades[20], trades[22], trades[25]])
    noticed: list[Tick | Gap] = []
    for _ in range(4):
        noticed += watch.quoted(book)
        clock.advance(SETTLE_MS // 2)
        if len(noticed) == 1:
            watch.tape.add([trades[21]])  # late, but it came
    gaps = [one for one in noticed if isinstance(one, Gap)]
    assert [(gap.kind, gap.value, gap.subject) for gap in gaps] == [("trades_missing", 2.0, "x|A/B")]
    assert "2 trades before" in gaps[0].message


def test_many_trades_are_fetched_page_by_page(exchange: FakeBinance, look: Look) -> None:
    exchange.page = 60
    looking = look(collector(exchange, "poll"))
    looking.rows(1)
    for i in range(250):
        exchange.trade(amount="0.500")
        if i % 20 == 0:
            time.sleep(0.005)  # not all in the same millisecond
    looking.until(lambda: looking.volume() == 250_000)


def test_wrong_names_are_found_before_anything_is_asked() -> None:
    for name, mode, message in (("binanse", "poll", "did you mean 'binance'"), ("qqq", "poll", "ccxt lists them")):
        with pytest.raises(ConfigError, match=message):
            ExchangeCollector(ExchangeSettings((name,), ("A/B",), mode=mode))  # type: ignore[arg-type]
    import ccxt

    without = next(name for name in ccxt.exchanges if name not in ccxt.pro.exchanges)
    with pytest.raises(ConfigError, match=f"no websocket for '{without}'; say --poll"):
        exchange_class(without, stream=True)
    assert exchange_class(without, stream=False).__name__ == without


def test_a_pair_that_is_not_there_and_an_exchange_that_is_gone(exchange: FakeBinance) -> None:
    with pytest.raises(SourceError, match="binance has no pair ETH/EUR; it has ETH/USDT"):
        list(collector(exchange, "poll", pairs=("ETH/EUR",)).ticks())
    gone = ExchangeCollector(ExchangeSettings(("binance",), ("ETH/USDT",), url="http://127.0.0.1:9"))
    with pytest.raises(TransientError, match="binance does not answer") as caught:
        list(gone.ticks())
    assert "127.0.0.1" not in str(caught.value)


def test_what_is_collected_live_is_stored_with_its_gaps(exchange: FakeBinance, tmp_path: Path) -> None:
    with Store.open(StoreConfig(), tmp_path) as store:
        source = collector(exchange, "poll", for_s=2.0)
        source._gaps.append(Gap("quotes_missing", "binance|ETH/USDT", 5, 9, "no quotes", 4.0, 1.0, 9))
        report = collect_live(source, store, CollectionConfig(interval_ms=1000))
        assert report.new == len(store.ticks.read()) >= 3
        assert report.streams == ("binance|ETH/USDT",)
        assert [(alert.kind, alert.resolved_ms) for alert in store.alerts.read()] == [("quotes_missing", 9)]
        assert store.alerts.active() == []


def test_a_token_in_the_url_is_in_no_message(exchange: FakeBinance, look: Look, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="arbml")
    source = collector(exchange, "poll", url=exchange.url.replace("http://", "http://user:hunter2@") + "/hunter2")
    assert "hunter2" not in repr(source._settings)
    with pytest.raises(TransientError, match="does not answer") as caught:
        list(source.ticks())
    looking = look(collector(exchange, "poll", url=exchange.url.replace("http://", "http://user:hunter2@")))
    looking.rows(1)
    exchange.faults += [("depth", "500"), ("depth", "drop")]
    looking.rows(2)
    assert "hunter2" not in caplog.text + str(caught.value) + str(looking.collector.notes) + looking.collector.name
    assert "asking again" in caplog.text


def test_trades_that_the_socket_left_out_are_asked_for(exchange: FakeBinance, look: Look) -> None:
    exchange.page = 60
    looking = look(collector(exchange, "stream"))
    looking.until(lambda: exchange.sockets == 2 and len(looking.df) > 0)
    exchange.trade(amount="1.000")
    exchange.mute(True)
    for i in range(150):
        exchange.trade(amount="1.000")
        if i % 20 == 0:
            time.sleep(0.005)
    exchange.mute(False)
    exchange.trade(amount="1.000")
    looking.until(lambda: (exchange.quote(2001 + len(looking.df) % 7), time.sleep(0.2), looking.volume() == 304_000)[2])
    assert looking.collector.watches[0].tape.missing() == 0
    assert looking.collector.gaps() == []


def test_a_burst_of_trades_in_one_read_of_the_socket_is_counted_whole(exchange: FakeBinance, look: Look) -> None:
    looking = look(collector(exchange, "stream"))
    looking.until(lambda: exchange.sockets == 2 and len(looking.df) > 0)
    asked = exchange.asked["aggTrades"]
    exchange.burst(2_000)
    exchange.quote(2002)
    looking.until(lambda: (exchange.quote(2001 + len(looking.df) % 7), time.sleep(0.1), looking.volume() == 2_000_000)[2])
    assert exchange.asked["aggTrades"] == asked, "no help was needed"
