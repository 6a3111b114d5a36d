"""New heads over a websocket: of a real node, and of nodes that fall silent, refuse, or are of another chain."""

import contextlib
import json
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from arbml.collectors.evm.heads import Heads
from arbml.collectors.evm.pace import Limits
from arbml.errors import ConfigError
from tests.evm.fixtures import needs_chain

if TYPE_CHECKING:
    from tests.evm.world import World

QUICK = Limits(back_off_s=0.02, longest_s=0.1)


class Announcer:
    """A node that takes subscriptions; `then` says what it does afterwards, `answers` what it says before."""

    def __init__(self, then: Callable[[ServerConnection, "Announcer"], None], chain_id: int = 7, refuses: bool = False) -> None:
        self.then, self.chain_id, self.refuses = then, chain_id, refuses
        self.connections = 0
        self.paths: list[str] = []
        self._server: Server = serve(self._serve, "127.0.0.1", 0, logger=logging.Logger("quiet", 99))
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def announce(self, connection: ServerConnection, number: int) -> None:
        head = {"number": hex(number), "hash": f"0x{number:064x}"}
        connection.send(json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0xab", "result": head}}))

    def close(self) -> None:
        self._server.shutdown()

    def _serve(self, connection: ServerConnection) -> None:
        self.connections += 1
        assert connection.request is not None
        self.paths.append(connection.request.path)
        with contextlib.suppress(ConnectionClosed):
            for result in (hex(self.chain_id), "0xab"):
                asked = json.loads(connection.recv())
                answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
                if self.refuses and asked["method"] == "eth_subscribe":
                    answer = {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no subscriptions for 0123456789"}}
                connection.send(json.dumps(answer))
            self.then(connection, self)


@pytest.fixture
def announcer() -> Iterator[Callable[..., Announcer]]:
    with contextlib.ExitStack() as stack:

        def make(then: Callable[[ServerConnection, Announcer], None], **more: Any) -> Announcer:
            made = Announcer(then, **more)
            stack.callback(made.close)
            return made

        yield make


@contextlib.contextmanager
def listening(*urls: str, **more: Any) -> Iterator[Heads]:
    heads = Heads(urls, limits=QUICK, rng=random.Random(1), **more).start()
    try:
        yield heads
    finally:
        started = time.monotonic()
        heads.close()
        assert time.monotonic() - started < 0.9


def until(condition: Callable[[], bool], within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def silence(connection: ServerConnection, _: Announcer) -> None:
    connection.recv()


def three(connection: ServerConnection, node: Announcer) -> None:
    for number in (5, 6, 7):
        node.announce(connection, number)
    connection.recv()


def hang_up(_: ServerConnection, __: Announcer) -> None:
    return


@needs_chain
def test_a_block_wakes_who_waits_at_once(world: "World") -> None:
    with listening(world.ws_url, chain_id=31_337) as heads:
        assert until(lambda: heads.live)
        heads.wait(0)
        assert heads.wait(0.05) is False
        for _ in range(5):
            threading.Timer(0.02, world.mine).start()
            started = time.monotonic()
            assert heads.wait(5) is True
            assert time.monotonic() - started < 1.0
        block = world.block(world.tip)
        assert until(lambda: heads.head == (world.tip, block["hash"]))
        assert heads.announced == 5


@needs_chain
def test_blocks_of_a_reorg_are_announced_too(world: "World") -> None:
    world.mine(3)
    with listening(world.ws_url) as heads:
        assert until(lambda: heads.live)
        world.reorg(2)
        assert until(lambda: heads.announced >= 2)
        assert until(lambda: heads.head == (world.tip, world.block(world.tip)["hash"]))


def test_a_socket_that_falls_silent_is_given_up_for_the_next(announcer: Callable[..., Announcer]) -> None:
    silent, good = announcer(silence), announcer(three)
    with listening(silent.url, good.url, silence_s=0.3) as heads:
        assert until(lambda: heads.head is not None)
        assert (heads.head, silent.connections, good.connections) == ((7, f"0x{7:064x}"), 1, 1)
        assert until(lambda: silent.connections == 2), "and that one for the first, when it falls silent as well"


def test_a_node_that_only_pings_counts_as_silent(announcer: Callable[..., Announcer]) -> None:
    def ping(connection: ServerConnection, _: Announcer) -> None:
        while True:
            other = {"subscription": "0xother", "result": {}}
            connection.send(json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": other}))
            connection.ping()
            time.sleep(0.02)

    node = announcer(ping)
    with listening(node.url, silence_s=0.2) as heads:
        assert until(lambda: node.connections >= 2)
        assert heads.announced == 0


def test_a_closed_connection_is_opened_again(announcer: Callable[..., Announcer]) -> None:
    node = announcer(hang_up)
    with listening(node.url) as heads:
        assert until(lambda: node.connections >= 4)
        assert until(lambda: not heads.live)
        node.then = three
        assert until(lambda: heads.live and heads.head is not None)


def test_without_a_node_it_is_not_live_and_waiting_ends_all_the_same() -> None:
    with listening("ws://127.0.0.1:9/") as heads:
        started = time.monotonic()
        assert heads.wait(0.1) is False
        assert 0.09 < time.monotonic() - started < 0.5
        assert not heads.live


@pytest.mark.parametrize(
    ("more", "said"),
    [({"chain_id": 8}, "it is of chain 8, not of chain 7; mend the URL"), ({"refuses": True}, "no subscriptions for ***")],
)  # fmt: skip
def test_who_cannot_be_listened_to_is_told_of_without_the_key(
    announcer: Callable[..., Announcer], caplog: pytest.LogCaptureFixture, more: dict[str, Any], said: str
) -> None:
    caplog.set_level(logging.DEBUG)
    node = announcer(three, **more)
    url = node.url.replace("ws://", "ws://user77:pass77@") + "/v3/0123456789?k=abcdefgh"
    with listening(url, chain_id=7) as heads:
        assert until(lambda: said in caplog.text)
        assert heads.announced == 0
        assert f"{node.url}: eth_" in caplog.text
    assert node.paths[0] == "/v3/0123456789?k=abcdefgh"
    assert not [secret for secret in ("0123456789", "abcdefgh", "user77", "pass77") if secret in caplog.text + repr(heads)]


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^https://h\.io: new heads are announced over ws or wss only"):
        Heads(["https://h.io/0123456789"])
    with pytest.raises(ConfigError, match="no websocket to listen to"):
        Heads([])


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.sync", None)
    with pytest.raises(ConfigError, match=r"pip install arbml\[evm\]"):
        Heads(["ws://h.io"])
