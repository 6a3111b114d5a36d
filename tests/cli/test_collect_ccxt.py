"""`arbml collect ccxt` from outside, against an exchange of our own."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbml.config import StoreConfig
from arbml.store import Store
from tests.cli.interrupting import interrupted
from tests.cli.test_app import arbml, one_line
from tests.collectors.exchange.fake_binance import FakeBinance

pytestmark = pytest.mark.slow
BINANCE = ("collect", "ccxt", "--exchange", "binance", "--pair", "ETH/USDT")


@pytest.fixture
def exchange() -> Iterator[FakeBinance]:
    """An exchange on which something happens five times a second."""
    server, enough = FakeBinance().start(), threading.Event()

    def live() -> None:
        middle = 2000
        while not enough.wait(0.2):
            server.trade()
            middle += 1
            server.quote(middle)

    thread = threading.Thread(target=live)
    thread.start()
    yield server
    enough.set()
    thread.join(10)
    server.stop()


def stored(home: Path) -> int:
    if not (home / "arbml.db").exists():
        return 0
    with Store.open(StoreConfig(), home) as store:
        return store.ticks.stats().rows


@pytest.mark.usefixtures("given_prefect")
def test_polling_for_some_seconds_stores_ticks(exchange: FakeBinance, tmp_path: Path) -> None:
    done = arbml("--json", *BINANCE, "--for", "3", "--url", exchange.url, cwd=tmp_path, ML_DATA_INTERVAL="1000")
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)["collected"]
    assert report["new"] == stored(tmp_path / ".arbml") >= 2
    assert report["streams"] == ["binance|ETH/USDT"]


@pytest.mark.usefixtures("given_prefect")
def test_ctrl_c_ends_a_stream_and_keeps_what_has_come(exchange: FakeBinance, tmp_path: Path) -> None:
    arguments = ["--json", *BINANCE, "--stream", "--url", exchange.url]
    out, _ = interrupted(arguments, tmp_path, lambda: stored(tmp_path / ".arbml") >= 5, signal.SIGINT, 150)
    assert json.loads(out)["collected"][0]["new"] == stored(tmp_path / ".arbml") >= 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--exchange", "binanse", "--pair", "ETH/USDT"], "no exchange is called 'binanse'; did you mean 'binance'?"),
        (["--exchange", "binance", "--pair", "ETHUSDT"], "--pair 'ETHUSDT' is not BASE/QUOTE"),
        (["--exchange", ",", "--pair", "ETH/USDT"], "--exchange names nothing"),
        (["--exchange", "binance"], "--pair"),
        (["--exchange", "binance", "--pair", "ETH/USDT", "--url", "127.0.0.1:80"], "--url must start with http"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = arbml("collect", "ccxt", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []
