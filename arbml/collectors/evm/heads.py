"""New heads as a node announces them over a websocket, with a watchdog: a socket that says nothing is as good as closed.

Nothing depends on the announcements. Whoever follows a chain asks for its head now and then in any case, and `Heads.wait`
only makes it do so earlier.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from arbml.clock import stopwatch_s
from arbml.collectors.evm.errors import RpcError, Unreachable, Unsupported, WrongChain
from arbml.collectors.evm.masking import Endpoint
from arbml.collectors.evm.pace import Limits
from arbml.errors import ConfigError

_log = logging.getLogger(__name__)
_MAX_MESSAGE = 1024 * 1024  # a header is a kilobyte
_SUBSCRIBED_WITHIN_S = 10.0


def websocket_library() -> Any:
    """Return the client of the library `websockets`.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from websockets.sync import client
    except ImportError:
        raise ConfigError("new heads by websocket need a library that is not installed; pip install arbml[evm]") from None
    return client


class Heads:
    """Listens in a thread of its own, from `start` to `close`.

    Args:
        urls: ws or wss, the preferred one first; they may hold keys, which are never shown.
        chain_id: which chain it must be; any without it.
        silence_s: after so long without a new head the connection is given up; several times what a block takes.
        limits: `back_off_s` and `longest_s` are used between connections. rng: of the jitter.
        stopwatch: seconds that never jump.

    Attributes:
        live: True while a node announces. head: number and hash of the last block announced, None before the first.
        announced, connections: how many so far.

    Raises:
        ConfigError: no URL, one that is none, or `websockets` is not installed.
    """

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int | None = None,
        silence_s: float = 60.0,
        limits: Limits | None = None,
        rng: random.Random | None = None,
        stopwatch: Callable[[], float] = stopwatch_s,
    ) -> None:
        self._endpoints = [Endpoint(url) for url in urls]
        for one in self._endpoints:
            if one.scheme not in ("ws", "wss"):
                raise ConfigError(f"{one.masked}: new heads are announced over ws or wss only; give such a URL, or none to poll")
        if not urls:
            raise ConfigError("no websocket to listen to; give the URL of at least one, or poll")
        self._library = websocket_library()
        self._chain_id, self._silence_s, self._stopwatch = chain_id, silence_s, stopwatch
        self._limits, self._rng = limits or Limits(), rng or random.Random()
        self._news, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self.live = False
        self.head: tuple[int, str] | None = None
        self.announced = self.connections = 0

    def start(self) -> "Heads":
        """Begin to listen; return itself."""
        self._thread = threading.Thread(target=self._listen, name="arbml-evm-heads", daemon=True)
        self._thread.start()
        return self

    def wait(self, timeout_s: float) -> bool:
        """Return True as soon as a head was announced since the last call, False after `timeout_s`; ask the node then too."""
        news = self._news.wait(timeout_s)
        self._news.clear()
        return news

    def wake(self) -> None:
        """Make who waits return now."""
        self._news.set()

    def close(self) -> None:
        """Stop listening; returns within a second."""
        self._stop.set()
        self._news.set()
        if self._thread:
            self._thread.join(1.0)

    def __repr__(self) -> str:
        return f"Heads({', '.join(one.masked for one in self._endpoints)})"

    def _listen(self) -> None:
        turn = 0
        while not self._stop.is_set():
            endpoint = self._endpoints[turn % len(self._endpoints)]
            turn += 1
            error = self._follow(endpoint)
            self.live = False
            if self._stop.is_set():
                return
            self._failures += 1
            rest_s = self._limits.rest_s(self._failures, None, self._rng)
            level = logging.ERROR if isinstance(error, WrongChain) else logging.WARNING if self._failures == 1 else logging.DEBUG
            _log.log(level, "%s; polling meanwhile, next attempt in %.2g s", error, rest_s)
            self._stop.wait(rest_s)

    def _follow(self, endpoint: Endpoint) -> RpcError:
        """Listen to one node until it fails; return how."""
        try:
            with self._connected(endpoint) as connection:
                self.connections += 1
                subscription = self._subscribe(connection, endpoint)
                self.live = True
                self._news.set()  # blocks may have come while nobody listened
                self._heed(connection, subscription, endpoint)
        except RpcError as error:
            return error
        except TimeoutError:
            return Unreachable("eth_subscribe", endpoint.masked, f"no new head in {self._silence_s:g} s")
        except Exception as error:  # whatever the library raises: the thread must go on, and what it says may hold the URL
            return Unreachable("eth_subscribe", endpoint.masked, endpoint.scrub(str(error)) or type(error).__name__)
        return Unreachable("eth_subscribe", endpoint.masked, "it was closed")

    def _connected(self, endpoint: Endpoint) -> Any:
        silent = logging.Logger("websockets", logging.CRITICAL + 1)  # the library logs the path of the URL, where the key is
        return self._library.connect(
            endpoint.url, open_timeout=_SUBSCRIBED_WITHIN_S, close_timeout=0.5, max_size=_MAX_MESSAGE, logger=silent, proxy=None,
            compression=None,
        )  # fmt: skip

    def _subscribe(self, connection: Any, endpoint: Endpoint) -> str:
        """Check the chain and subscribe; return the id of the subscription.

        Raises:
            RpcError: the node refuses. TimeoutError: it says nothing.
        """
        for number, (method, params) in enumerate((("eth_chainId", []), ("eth_subscribe", ["newHeads"])), 1):
            connection.send(orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).decode())
        results: dict[int, Any] = {}
        while len(results) < 2:
            message = orjson.loads(connection.recv(timeout=_SUBSCRIBED_WITHIN_S))
            if message.get("error"):
                raise Unsupported("eth_subscribe", endpoint.masked, endpoint.scrub(str(message["error"])))
            if message.get("id") in (1, 2):
                results[message["id"]] = message["result"]
        if self._chain_id is not None and int(results[1], 16) != self._chain_id:
            said = f"it is of chain {int(results[1], 16)}, not of chain {self._chain_id}; mend the URL"
            raise WrongChain("eth_chainId", endpoint.masked, said)
        return str(results[2])

    def _heed(self, connection: Any, subscription: str, endpoint: Endpoint) -> None:
        """Take in announcements until the connection ends.

        Raises:
            TimeoutError: none came for too long, whatever else the node sends.
        """
        last_s = self._stopwatch()
        while not self._stop.is_set():
            left_s = last_s + self._silence_s - self._stopwatch()
            if left_s <= 0:
                raise TimeoutError
            try:
                message = orjson.loads(connection.recv(timeout=min(left_s, 0.25)))
            except TimeoutError:
                continue  # look whether to stop
            params = message.get("params") or {}
            if params.get("subscription") != subscription:
                continue
            head = params["result"]
            self.head = int(head["number"], 16), head["hash"]
            self.announced += 1
            self._failures = 0
            last_s = self._stopwatch()
            self._news.set()
