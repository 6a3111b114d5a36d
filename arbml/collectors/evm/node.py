"""One node among several: what is known of it, how it did of late, and how it is asked."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from arbml.collectors.evm.errors import BatchTooLarge, RateLimited, RpcError, WrongChain
from arbml.collectors.evm.masking import Endpoint
from arbml.collectors.evm.pace import Limits, Pace
from arbml.collectors.evm.rpc import Request, Rpc, quantity

_log = logging.getLogger(__name__)
UNKNOWN = -1
_TELL_THE_HEAD = ("eth_blockNumber", "eth_getBlockByNumber")
_WARN_EVERY_S = 60.0  # a node that is down for an hour fails a hundred times


class Connection(Rpc, Protocol):
    """An `Rpc` of one node; `HttpRpc` is one."""

    @property
    def endpoint(self) -> Endpoint: ...

    def close(self) -> None:
        """Hang up."""
        ...


class Node:
    """See the module. Safe to share between threads.

    Args:
        rpc: its connection. limits, rng, stopwatch, sleep: as for `Providers`.

    Attributes:
        name: scheme and host. head: number of its last block as far as known, -1 before it was asked.
        head_at_s: when it said so. asked, failed: exchanges so far. banned: never to be asked again.
        unsupported: methods that it does not know.
    """

    def __init__(
        self, rpc: Connection, limits: Limits, rng: random.Random, stopwatch: Callable[[], float], sleep: Callable[[float], object]
    ) -> None:
        self.name = rpc.endpoint.masked
        self.head, self.head_at_s = UNKNOWN, float("-inf")
        self.asked = self.failed = 0
        self.banned = False
        self.unsupported: set[str] = set()
        self._rpc, self._limits, self._rng, self._stopwatch, self._sleep = rpc, limits, rng, stopwatch, sleep
        self._pace = Pace(limits, stopwatch, rpc.endpoint.local)
        self._slots = threading.BoundedSemaphore(limits.concurrency)
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._warned_at_s = float("-inf")
        self._rests_until_s = float("-inf")
        self._chain_id: int | None = None
        self._batch_size = limits.batch

    @property
    def rests_s(self) -> float:
        """How long it is still left alone; 0 where it may be asked."""
        return max(0.0, self._rests_until_s - self._stopwatch())

    def ask(self, requests: Sequence[Request]) -> list[Any]:
        """Return results and errors in place, after the waits that its pace wants; notes what is learnt about its head.

        More than it takes at once is asked in parts; where a part is not answered at all, that error stands in its places.

        Raises:
            RpcError: there was no answer at all.
        """
        answers: list[Any] = []
        while len(answers) < len(requests):
            part = requests[len(answers) : len(answers) + self._batch_size]
            try:
                answers += self._exchange(part)
            except BatchTooLarge as error:
                if len(part) == 1:
                    raise
                self._shrink(error, len(part))
            except RpcError as error:
                if not answers:
                    raise
                answers += [error] * (len(requests) - len(answers))
        return answers

    def _exchange(self, requests: Sequence[Request]) -> list[Any]:
        wait_s = self._pace.book(len(requests))
        if wait_s > 0:
            self._sleep(wait_s)
        with self._slots:
            self.asked += 1
            answers = self._rpc.batch(requests)
        for (method, params), answer in zip(requests, answers, strict=True):
            if method in _TELL_THE_HEAD:
                self._learn(method, params, answer)
        return answers

    def chain_id(self) -> int:
        """Return its chain, asked once.

        Raises:
            RpcError: it does not say.
        """
        if self._chain_id is None:
            found, head = self.ask([("eth_chainId", []), ("eth_blockNumber", [])])
            for one in (found, head):
                if isinstance(one, RpcError):
                    raise one
            self._chain_id = int(found, 16)
        return self._chain_id

    def refresh(self) -> int:
        """Ask for its head and return it; what it was known to be where it does not answer."""
        try:
            answer = self.ask([("eth_blockNumber", [])])[0]
            if isinstance(answer, RpcError):
                raise answer
        except RpcError as error:
            self.fail(error)
        return self.head

    def fail(self, error: RpcError) -> None:
        """Leave it alone for a while, longer with each failure in a row."""
        wanted_s = error.retry_after_s if isinstance(error, RateLimited) else None
        with self._lock:
            self.failed += 1
            self._in_a_row += 1
            now = self._stopwatch()
            quiet = now - self._warned_at_s < _WARN_EVERY_S
            self._warned_at_s = self._warned_at_s if quiet else now
            rest_s = self._limits.rest_s(self._in_a_row, wanted_s, self._rng)
            self._rests_until_s = max(self._rests_until_s, now + rest_s)
        _log.log(logging.DEBUG if quiet else logging.WARNING, "%s; left alone for %.2g s", error, rest_s)

    def recover(self) -> None:
        """Take it that it works again."""
        if self._in_a_row:
            with self._lock:
                was, self._in_a_row = self._in_a_row, 0
            _log.log(logging.INFO if was > 2 else logging.DEBUG, "%s answers again after %d failures", self.name, was)

    def _shrink(self, error: BatchTooLarge, size: int) -> None:
        """Ask less at once from now on, after a batch of `size` was refused."""
        self._batch_size = max(1, min(self._batch_size, size) // 2)
        _log.info("%s; asking %d at once from now on", error, self._batch_size)

    def ban(self, error: WrongChain) -> None:
        """Never ask it again."""
        self.banned = True
        _log.error("%s; it is not asked again", error)

    def close(self) -> None:
        """Hang up."""
        self._rpc.close()

    def __repr__(self) -> str:
        return f"Node({self.name}, head={self.head})"

    def _learn(self, method: str, params: Sequence[Any], answer: Any) -> None:
        """Note the head where the answer tells it: as it is, so that a node that fell back counts as what it is now."""
        number = None
        if method == "eth_blockNumber":
            number = quantity(answer)
        elif method == "eth_getBlockByNumber" and isinstance(answer, dict):
            found = quantity(answer.get("number"))
            number = found if found is not None and (params[0] == "latest" or found > self.head) else None
        if number is not None:
            self.head, self.head_at_s = number, self._stopwatch()
