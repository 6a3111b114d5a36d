"""Receipts of whole blocks: in one request for each block, or for each transaction where the node does not know that."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from arbml.collectors.evm.decoding import fits
from arbml.collectors.evm.errors import Unsupported
from arbml.collectors.evm.header import Header, Moved
from arbml.collectors.evm.multicall import good
from arbml.collectors.evm.rpc import Request, Rpc
from arbml.errors import TransientError

Receipt = Mapping[str, Any]


class Receipts:
    """Asks for receipts in the way that the node understands."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._by_block = True

    def requests(self, heads: Sequence[Header]) -> list[Request]:
        """Return what to ask for the receipts of these blocks; empty blocks have none."""
        if self._by_block:
            return [("eth_getBlockReceipts", [head.hash]) for head in heads if head.transactions]
        return [("eth_getTransactionReceipt", [tx]) for head in heads for tx in head.transactions]

    def answers(self, heads: Sequence[Header], results: Sequence[Any]) -> list[list[Receipt]]:
        """Return the receipts of each block, complete and in order.

        Raises:
            Moved: the block was orphaned. TransientError: some are missing.
        """
        if self._by_block and any(isinstance(found, Unsupported) for found in results):
            self._by_block = False
            asked = self.requests(heads)
            return self.answers(heads, self._rpc.batch(asked) if asked else [])
        left = iter(results)
        return [self._checked(head, self._of(head, left)) for head in heads]

    def one(self, head: Header, tx: str, result: Any) -> Receipt:
        """Return the receipt of one transaction of a block.

        Raises:
            Moved: it is of another block, or there is none. TransientError: it is incomplete.
        """
        receipt = good(result)
        try:
            if receipt is None or receipt["blockHash"] != head.hash or receipt["transactionHash"] != tx:
                raise Moved(f"block {head.number}: the receipt of {tx[:10]} is not of this block; the chain changed meanwhile")
        except (KeyError, TypeError) as error:
            raise TransientError(f"block {head.number}: the node gave an incomplete receipt ({error!r}); asked again later") from error
        found: Receipt = receipt
        return found

    def _of(self, head: Header, results: Iterator[Any]) -> list[Any]:
        if not head.transactions:
            return []
        if self._by_block:
            found = good(next(results))
            if found is None:
                raise Moved(f"block {head.number} {head.hash[:10]} has no receipts at this node; it may have been orphaned")
            return list(found)
        return [good(next(results)) for _ in head.transactions]

    def _checked(self, head: Header, found: list[Any]) -> list[Receipt]:
        try:
            if any(receipt is None or receipt["blockHash"] != head.hash for receipt in found):
                raise Moved(f"block {head.number}: a receipt is of another block; the chain changed meanwhile")
            if tuple(receipt["transactionHash"] for receipt in found) != head.transactions:
                raise TransientError(
                    f"block {head.number}: {len(found)} receipts for {len(head.transactions)} transactions; asked again later"
                )
        except (KeyError, TypeError) as error:
            raise TransientError(f"block {head.number}: the node gave an incomplete receipt ({error!r}); asked again later") from error
        return found


def watched(receipt: Receipt, pools: Container[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the logs of a receipt that are events of the pools."""
    for log in receipt["logs"]:
        if log["address"].lower() in pools and fits(log):
            yield log

