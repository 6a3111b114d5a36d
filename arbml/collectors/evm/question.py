"""A batch of requests on its way through several nodes: what is open, who was asked, what was heard."""

from collections.abc import Sequence
from typing import Any

from arbml.collectors.evm.errors import Pruned, RateLimited, Refused, RpcError, UnknownBlock, Unreachable, Unsupported
from arbml.collectors.evm.node import Node
from arbml.collectors.evm.rpc import Request, label, quantity

AGAIN = (Unreachable, RateLimited)  # the same node may answer later
_ELSEWHERE = (UnknownBlock, Pruned, Unsupported, Refused)  # another node may know better
_NEAR_HEAD = 128
_BLOCKS = ("eth_getBlockByNumber", "eth_getBlockByHash", "eth_getBlockReceipts")


class Question:
    """See the module.

    Attributes:
        open: places of the requests that are not settled, in order.
    """

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests
        self._needs = [needed(request) for request in requests]
        self._newest = max((number for number, _ in self._needs), default=-1)
        self._answers: dict[int, Any] = {}  # settled, or what was heard first
        self._asked: dict[int, set[Node]] = {}  # who did not know
        self.open = list(range(len(requests)))

    @property
    def name(self) -> str:
        """What an error calls what is open first."""
        return label([self._requests[n] for n in self.open])

    @property
    def heard(self) -> bool:
        """True where somebody was asked what is open first, and did not know."""
        return self.open[0] in self._answers

    def able(self, nodes: Sequence[Node]) -> list[Node]:
        """Return the nodes that were not yet asked what is open first; those that lack the method only where all do."""
        first = self.open[0]
        left = [node for node in nodes if node not in self._asked.get(first, ())]
        return [node for node in left if self._requests[first][0] not in node.unsupported] or ([] if self.heard else left)

    def beyond(self, node: Node, best: int, n: int | None = None) -> bool:
        """True where the node is known not to have the block that a request (the first open one) names, and another may.

        Args:
            best: the highest head of all nodes.
        """
        number, silent = self._needs[self.open[0] if n is None else n]
        return number > node.head and (silent or number <= best)

    def part(self, node: Node, best: int) -> list[int]:
        """Return what to ask a node: what is open first and what may be asked with it."""
        if not self._asked and self._newest <= node.head:
            return self.open
        asked = self._asked.get(self.open[0])
        return [n for n in self.open if self._asked.get(n) == asked and not self.beyond(node, best, n)]

    def ask(self, node: Node, part: Sequence[int], best: int) -> RpcError | None:
        """Ask a node and take in what it says; return an error after which the same may be asked again, where there is one.

        Raises:
            RpcError: there was no answer at all.
        """
        requests = [self._requests[n] for n in part]
        # behind one URL there may be several nodes: near the head, the one that gives logs first has to say how far it is itself
        near = self._newest > node.head - _NEAR_HEAD
        guarded = near and any(silent and number > node.head - _NEAR_HEAD for number, silent in (self._needs[n] for n in part))
        answers = node.ask([("eth_blockNumber", []), *requests] if guarded else requests)
        if guarded:
            head = answers.pop(0)
            for at, n in enumerate(part):
                if self._needs[n][1]:
                    answers[at] = self._not_cut(n, answers[at], head, node)
        return self._take(node, part, answers, max(best, node.head))

    def _not_cut(self, n: int, answer: Any, head: Any, node: Node) -> Any:
        """Return the logs, or an error where the node that gave them has not all the blocks."""
        number = self._needs[n][0]
        if isinstance(head, RpcError):
            return head
        if int(head, 16) >= number:
            return answer
        said = f"block {number} is beyond block {int(head, 16)}, the last that it has"
        return UnknownBlock(self._requests[n][0], node.name, said)

    def _take(self, node: Node, part: Sequence[int], answers: Sequence[Any], best: int) -> RpcError | None:
        again: RpcError | None = None
        settled = set()
        for n, answer in zip(part, answers, strict=True):
            if answer is not None and not isinstance(answer, RpcError):
                self._answers[n] = answer
                settled.add(n)
                continue
            method = self._requests[n][0]
            if isinstance(answer, AGAIN):
                again = answer
            elif isinstance(answer, _ELSEWHERE) or (answer is None and method in _BLOCKS):
                if isinstance(answer, Unsupported):
                    node.unsupported.add(method)
                self._asked[n] = self._asked.get(n, set()) | {node}
                if self._answers.get(n) is None:
                    self._answers[n] = self._meant(n, answer, node, best)
            else:
                self._answers[n] = answer
                settled.add(n)
        self.open = [n for n in self.open if n not in settled]
        return again

    def settle(self, best: int) -> None:
        """Take it that nobody knows more of what is open first than was heard."""
        n = self.open.pop(0)
        if n not in self._answers:
            said = f"no node has block {self._needs[n][0]}; the best head is {best}"
            self._answers[n] = UnknownBlock(self._requests[n][0], "all nodes", said)

    def results(self) -> list[Any]:
        """Return results and errors in the order of the requests."""
        return [self._answers[n] for n in range(len(self._requests))]

    def _meant(self, n: int, answer: Any, node: Node, best: int) -> Any:
        """Return what it means that a node does not know: a block below the head is there, wherever this node looks."""
        number = self._needs[n][0]
        if answer is None and 0 <= number <= best:
            said = f"no block {number} although the head is {best}; the node is behind"
            return UnknownBlock(self._requests[n][0], node.name, said)
        return answer


def needed(request: Request) -> tuple[int, bool]:
    """Return the highest block that a request names by number (-1 where none), and whether a node without it answers all the same.

    The logs of a range are silently cut at the head of the node that is asked.

    >>> needed(("eth_getLogs", [{"fromBlock": "0x1", "toBlock": "0x10"}])), needed(("eth_getBlockByNumber", ["latest", False]))
    ((16, True), (-1, False))
    """
    method, params = request
    if method == "eth_getLogs" and params and isinstance(params[0], dict):
        return max(_number(params[0].get("fromBlock")), _number(params[0].get("toBlock"))), True
    if method in _BLOCKS and params:
        return _number(params[0]), False
    return -1, False


def _number(found: Any) -> int:
    """Return a block number, -1 for a tag or a hash."""
    number = quantity(found)
    return -1 if number is None else number
