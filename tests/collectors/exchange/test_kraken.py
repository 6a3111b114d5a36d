"""A second exchange, which differs from the first in names, times, clock and books; and both at once."""

import time
from collections.abc import Callable, Iterator

import pytest

from arbml.collectors.exchange import ExchangeCollector, ExchangeSettings
from arbml.collectors.exchange.opening import exchange_class
from arbml.errors import SourceError
from tests.collectors.exchange.conftest import Looking
from tests.collectors.exchange.fake_binance import FakeBinance
from tests.collectors.exchange.fake_kraken import FakeKraken

pytestmark = pytest.mark.slow  # importing ccxt takes a second or two
Look = Callable[[ExchangeCollector], Looking]


@pytest.fixture
def kraken() -> Iterator[FakeKraken]:
    exchange_class("kraken", stream=True)
    server = FakeKraken().start()
    for _ in range(20):
        server.trade()
    yield server
    server.stop()


def collector(exchange: FakeKraken, mode: str, **settings: object) -> ExchangeCollector:
    given = {"interval_ms": 1000, "silence_s": 30.0, "url": exchange.url, "pairs": ("ETH/USD",), **settings}
    return ExchangeCollector(ExchangeSettings(("kraken",), mode=mode, **given))  # type: ignore[arg-type]


def listening(exchange: FakeKraken) -> bool:
    return any(channels == {"book", "trade"} for channels in exchange._sockets.values())


@pytest.mark.parametrize("mode", ["poll", "stream"])
def test_quotes_depth_volume_fee_and_times(kraken: FakeKraken, look: Look, mode: str) -> None:
    looking = look(collector(kraken, mode))
    looking.until(lambda: len(looking.df) > 0 and (mode == "poll" or listening(kraken)))
    for i in range(10):
        kraken.trade(price=2000.0, amount=0.5)
        kraken.quote(2001 + i)
        time.sleep(0.05)
    looking.until(lambda: looking.volume() == 10_000 and looking.df["price"].iloc[-1] == 2010.0)
    df = looking.df
    assert set(zip(df["venue"], df["pair"], df["fee_bps"], strict=True)) == {("kraken", "ETH/USD", 26.0)}
    # within 50 bps of 2010, 10.05: asks of 1 ETH from 2011 to 2020, a quarter apart; more levels than are sent unasked
    assert df["liquidity"].iloc[-1] == sum(2010 + 0.25 * i for i in range(4, 41))
    assert (df["ts_known_ms"] >= df["ts_ms"]).all()
    assert (df["ts_known_ms"] - df["ts_ms"] < 3000).all()
    assert not df.duplicated(["ts_ms", "log_index"]).any()
    assert looking.collector.notes == ()


@pytest.mark.parametrize("ahead_ms", [0, 7_000, -7_000])
def test_a_clock_that_tells_whole_seconds(kraken: FakeKraken, look: Look, ahead_ms: int) -> None:
    kraken.ahead_ms = ahead_ms
    looking = look(collector(kraken, "stream"))
    looking.until(lambda: len(looking.df) > 0 and listening(kraken))
    offset_ms = looking.collector.watches[0]._exchange_clock.offset_ms
    assert offset_ms == 0 if ahead_ms == 0 else abs(offset_ms - ahead_ms) <= 1000
    kraken.quote(2002)
    looking.until(lambda: looking.df["price"].iloc[-1] == 2002)
    late_ms = looking.df["ts_known_ms"] - looking.df["ts_ms"]
    assert (late_ms >= 0).all()
    assert (late_ms < 3000).all()


def test_a_dropped_socket_is_opened_again_and_missed_trades_are_fetched(kraken: FakeKraken, look: Look) -> None:
    looking = look(collector(kraken, "stream"))
    looking.until(lambda: len(looking.df) > 0 and listening(kraken))
    kraken.trade(amount=1.0)
    kraken.quote(2002)
    looking.until(lambda: looking.volume() == 2000)
    kraken.drop_sockets()
    for _ in range(5):
        kraken.trade(amount=1.0)  # nobody listens
    looking.until(lambda: listening(kraken))
    kraken.quote(2003)
    looking.until(lambda: looking.volume() == 12_000 and looking.df["price"].iloc[-1] == 2003)
    assert looking.collector.watches[0].tape.missing() == 0


def test_faults_are_survived_without_losing_volume(kraken: FakeKraken, look: Look) -> None:
    looking = look(collector(kraken, "poll"))
    looking.rows(1)
    kraken.faults += [("Trades", "EAPI"), ("Depth", "500"), ("Depth", "half")]
    for _ in range(6):
        kraken.trade(price=2000.0, amount=0.5)
    looking.until(lambda: looking.volume() == 6000 and not kraken.faults)
    (note,) = looking.collector.notes
    assert note.startswith("kraken|ETH/USD: ")


def test_both_at_once_each_with_its_own_clock_and_gaps(look: Look) -> None:
    kraken = FakeKraken("ETH/USDT")
    binance = FakeBinance().beside(kraken).start()
    try:
        kraken.ahead_ms, kraken.mid = 60_000, 2100
        for exchange in (binance, kraken):
            exchange.trade()
        settings = ExchangeSettings(("binance", "kraken"), ("ETH/USDT",), "stream", silence_s=2.0, url=binance.url)
        looking = look(ExchangeCollector(settings))
        looking.until(lambda: listening(kraken) and binance.sockets == 2 and len(looking.df) > 0)
        kraken.mute(True)
        for i in range(20):
            binance.trade(amount="1.000")
            binance.quote(2001 + i)
            kraken.trade(amount=2.0)
            time.sleep(0.15)
        kraken.mute(False)
        looking.until(lambda: (kraken.quote(2100 + len(looking.df) % 7), time.sleep(0.2), "kraken" in str(looking.collector._gaps))[2])
        df = looking.df
        volume = df.groupby("venue")["volume"].sum()
        looking.until(lambda: looking.df.groupby("venue")["volume"].sum()["kraken"] == 80_000)
        assert volume["binance"] == 40_000
        assert set(df.loc[df["venue"] == "kraken", "price"].round(-2)) == {2100.0}
        assert {gap.subject for gap in looking.collector._gaps} == {"kraken|ETH/USDT"}, "the other was never silent"
        clocks = {watch.venue: watch._exchange_clock.offset_ms for watch in looking.collector.watches}
        assert clocks["binance"] == 0
        assert abs(clocks["kraken"] - 60_000) <= 1000
        assert (df["ts_known_ms"] - df["ts_ms"]).between(0, 3000).all()
    finally:
        for one in (looking,):
            one.end()
        binance.stop()


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("ETH/EUR", "kraken has no pair ETH/EUR; it has ETH/USD"),
        ("eth/usd", "kraken has no pair eth/usd; it has ETH/USD"),
        ("ETHH/USD", "kraken has no pair ETHH/USD; did you mean ETH/USD"),
        ("XYZ/QQQ", "kraken has no pair XYZ/QQQ; none of its 1 pairs is like it"),
    ],
)
def test_a_pair_that_is_not_there(kraken: FakeKraken, pair: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        list(collector(kraken, "poll", pairs=(pair,)).ticks())
