"""What a range needs beyond its headers and logs, and no more than that.

Receipts are wanted of transactions that may be an arbitrage, and of whole blocks where somebody's reverted attempts are
watched for (they leave no log) or the node does not say what gas cost.
"""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from arbml.collectors.evm.fees import FeeHistory
from arbml.collectors.evm.gas import BlockGas, block_gas
from arbml.collectors.evm.header import Header, Moved
from arbml.collectors.evm.logs import NOTHING, Said
from arbml.collectors.evm.receipts import Receipt, Receipts, watched
from arbml.collectors.evm.rpc import Rpc
from arbml.collectors.evm.unit import PoolEvent


class Evidence(NamedTuple):
    """What gas cost in a block, and receipts: of all its transactions, or of those that may be executions."""

    gas: BlockGas
    receipts: Sequence[Receipt]


class Gathering:
    """Asks for the evidence of blocks.

    Args:
        rpc: the node. pools: by address. all_receipts: whether those of whole blocks are wanted in any case.
    """

    def __init__(self, rpc: Rpc, pools: Container[str], all_receipts: bool) -> None:
        self._rpc, self._pools, self._all = rpc, pools, all_receipts
        self._fees = FeeHistory(rpc)
        self.receipts = Receipts(rpc)

    def of(self, heads: Sequence[Header], said: Mapping[int, Said]) -> list[Evidence]:
        """Return the evidence of each block.

        Args:
            heads: linked headers, in order. said: by block number.

        Raises:
            Moved: what came does not fit the logs. TransientError: it is incomplete, or none came. RpcError: the node refuses.
        """
        gas = {} if self._all else self._fees.gas(heads)
        whole = [head for head in heads if head.number not in gas]
        single = [(head, tx) for head in heads if head.number in gas for tx in several_swaps(said.get(head.number, NOTHING).events)]
        asked = self.receipts.requests(whole)
        results = self._rpc.batch([*asked, *(("eth_getTransactionReceipt", [tx]) for _, tx in single)]) if asked or single else []
        by_number: dict[int, list[Receipt]] = {head.number: [] for head in heads}
        for head, receipts in zip(whole, self.receipts.answers(whole, results[: len(asked)]), strict=True):
            held_together(head, said.get(head.number, NOTHING).events, receipts, self._pools)
            by_number[head.number] = receipts
            gas[head.number] = block_gas(head.base_fee_wei, receipts)
        for (head, tx), result in zip(single, results[len(asked) :], strict=True):
            receipt = self.receipts.one(head, tx, result)
            held_together(head, [event for event in said[head.number].events if event.tx_hash == tx], [receipt], self._pools)
            by_number[head.number].append(receipt)
        return [Evidence(gas[head.number], by_number[head.number]) for head in heads]


def several_swaps(events: Sequence[PoolEvent]) -> list[str]:
    """Return the transactions that swap in two pools or more, in order."""
    pools: dict[str, set[str]] = {}
    for event in events:
        if event.kind in ("swap", "swap3"):
            pools.setdefault(event.tx_hash, set()).add(event.pool)
    return [tx for tx, found in pools.items() if len(found) > 1]


def held_together(head: Header, events: Sequence[PoolEvent], receipts: Sequence[Receipt], pools: Container[str]) -> None:
    """Hold logs against receipts, which came in another answer.

    Raises:
        Moved: they differ.
    """
    there = [(int(log["logIndex"], 16), log["transactionHash"]) for receipt in receipts for log in watched(receipt, pools)]
    if there != [(event.log_index, event.tx_hash) for event in events]:
        raise Moved(f"block {head.number}: the node gave {len(events)} events as logs and {len(there)} in receipts; asked again later")
