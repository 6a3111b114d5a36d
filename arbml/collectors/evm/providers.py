"""Several nodes behind one face: the first that works is asked, the others stand in for it.

What one node says is not the truth where it may know no better: that there is no such block, that it has no state that old,
that it does not know a method. Then the others are asked, and only what nobody has is reported so. A node that is behind is
not asked for blocks that another is known to have.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from arbml.clock import stopwatch_s
from arbml.collectors.evm.errors import RpcError, Unreachable, WrongChain
from arbml.collectors.evm.node import Connection, Node
from arbml.collectors.evm.pace import Limits
from arbml.collectors.evm.question import AGAIN, Question
from arbml.collectors.evm.rpc import Request
from arbml.collectors.evm.transport import HttpRpc
from arbml.errors import ConfigError

_WORTH_WAITING_S = 2.0  # for a second opinion, when one node said that it does not know


class Providers:
    """An `Rpc` over one or several nodes of the same chain. Safe to share between threads.

    Args:
        urls: http or https, the preferred one first; they may hold keys, which are never shown.
        chain_id: which chain it must be, others are not asked; without it all nodes have to be of the same.
        limits: how fast and how patiently they are asked.
        rng: of the jitter. stopwatch: seconds that never jump. sleep: waits for that many seconds; what is
            true ends the question with the last error, as `wait` of an event that tells to stop does.
        connect: makes a connection from a URL.

    Raises:
        ConfigError: no URL, or one that is none.
    """

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int | None = None,
        limits: Limits | None = None,
        rng: random.Random | None = None,
        stopwatch: Callable[[], float] = stopwatch_s,
        sleep: Callable[[float], object] = time.sleep,
        connect: Callable[[str], Connection] = HttpRpc,
    ) -> None:
        if not urls:
            raise ConfigError("no node to ask; give the URL of at least one")
        self._limits = limits or Limits()
        self._stopwatch, self._sleep = stopwatch, sleep
        self._chain_id, self._chain_was_told = chain_id, chain_id is not None
        rng = rng or random.Random()
        self.nodes = tuple(Node(connect(url), self._limits, rng, stopwatch, sleep) for url in urls)

    def call(self, method: str, params: Sequence[Any]) -> Any:
        """As `Rpc.call`."""
        result = self.batch([(method, list(params))])[0]
        if isinstance(result, RpcError):
            raise result
        return result

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """As `Rpc.batch`; in parts where a node does not take that many at once, and over several nodes where one fails.

        Of what stands in the place of a result, `UnknownBlock` is the only one worth asking again.

        Raises:
            Unreachable, RateLimited, Refused: no node answered, however often asked.
            WrongChain: the nodes are not of the chain that they should be.
        """
        question = Question(requests)
        trouble = _Trouble(self._limits, len(self.nodes), self._stopwatch)
        if any(method == "eth_blockNumber" for method, _ in requests):
            self._compare()
        while question.open:
            node = self._choose(question, trouble)
            if node is None:
                question.settle(self._best_head())
                continue
            part = question.part(node, self._best_head())
            try:
                self._check_chain(node)
                again = question.ask(node, part, self._best_head())
            except WrongChain as error:
                self._refuse(node, error)
                trouble.last = error
            except RpcError as error:
                node.fail(error)
                trouble.add(node, error)
            else:
                if again is None:
                    node.recover()
                else:
                    node.fail(again)
                    trouble.add(node, again)
        return question.results()

    def close(self) -> None:
        """Hang up everywhere."""
        for node in self.nodes:
            node.close()

    def __repr__(self) -> str:
        return f"Providers({', '.join(node.name for node in self.nodes)})"

    def _choose(self, question: Question, trouble: "_Trouble") -> Node | None:
        """Return whom to ask what is open first, after a wait where all rest; None where nobody is left who may know.

        Raises:
            RpcError: the last error, when no node is left or patience ends before one may be asked again.
        """
        while True:
            left = [node for node in self.nodes if not node.banned]
            if not left:
                raise trouble.last or WrongChain(question.name, self.nodes[0].name, "no node of the right chain is left")
            able = question.able(left)
            ready = self._ready(question, able)
            if not ready:
                for node in able:
                    if node.rests_s == 0:
                        self._look_at(node)  # it may have caught up
                ready = self._ready(question, able)
            if ready:
                best = self._best_head()
                return min(ready, key=lambda node: node.head < best - self._limits.max_lag)  # in the order given, but for laggards
            rest_s = min((node.rests_s for node in able if node.rests_s > 0), default=math.inf)
            if rest_s > (_WORTH_WAITING_S if question.heard else 1e9):
                return None
            trouble.wait(rest_s, self._sleep)

    def _ready(self, question: Question, able: Sequence[Node]) -> list[Node]:
        """Return the nodes that may be asked now and are not known to lack the block."""
        best = self._best_head()
        return [node for node in able if not node.banned and node.rests_s == 0 and not question.beyond(node, best)]

    def _check_chain(self, node: Node) -> None:
        """Refuse a node of another chain than wanted, and nodes that do not agree.

        Raises:
            WrongChain: it is. RpcError: it does not say of which it is.
        """
        found = node.chain_id()
        if self._chain_id is None:
            self._chain_id = found
        if found != self._chain_id:
            than = "asked for" if self._chain_was_told else "the other nodes are of"
            raise WrongChain("eth_chainId", node.name, f"it is of chain {found}, not of chain {self._chain_id} that {than}; mend the URL")

    def _refuse(self, node: Node, error: WrongChain) -> None:
        """Leave a node of another chain out; where nobody told which chain it is to be, there is no saying which node is wrong."""
        if not self._chain_was_told:
            raise error
        node.ban(error)

    def _compare(self) -> None:
        """Ask all nodes that may be asked for their heads, now and then, so that one that is stuck is noticed."""
        for node in self.nodes if len(self.nodes) > 1 else ():
            if node.banned or node.rests_s > 0 or self._stopwatch() - node.head_at_s <= self._limits.compare_s:
                continue
            self._look_at(node)

    def _look_at(self, node: Node) -> None:
        """Ask a node for its head."""
        try:
            self._check_chain(node)
        except WrongChain as error:
            self._refuse(node, error)
        except RpcError as error:
            node.fail(error)
        else:
            node.refresh()

    def _best_head(self) -> int:
        return max((node.head for node in self.nodes if not node.banned), default=-1)


class _Trouble:
    """What went wrong with one question so far, and when it is enough."""

    def __init__(self, limits: Limits, nodes: int, stopwatch: Callable[[], float]) -> None:
        self._limits, self._nodes, self._stopwatch = limits, nodes, stopwatch
        self._started_s, self._failures = stopwatch(), 0
        self._refused_by: set[Node] = set()
        self.last: RpcError | None = None

    def add(self, node: Node, error: RpcError) -> None:
        """Count a failure.

        Raises:
            RpcError: this one, when it is enough: too many, or every node refuses.
        """
        self.last = error
        self._failures += 1
        if not isinstance(error, AGAIN):
            self._refused_by.add(node)
        if self._failures >= max(self._limits.tries, 2 * self._nodes) or len(self._refused_by) == self._nodes:
            raise error

    def wait(self, seconds: float, sleep: Callable[[float], object]) -> None:
        """Wait until a node may be asked again.

        Raises:
            RpcError: the last one, when that is longer than patience lasts, or it is time to stop.
        """
        if self._stopwatch() - self._started_s + seconds > self._limits.patience_s or sleep(seconds):
            raise self.last or Unreachable("a request", "all nodes", f"they rest for another {seconds:.2g} s after failures")
