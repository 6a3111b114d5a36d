"""Priority fees of many blocks in one request, for backfills: receipts of whole blocks are most of what a busy chain would send.

The node works them out by the rule of `gas.block_gas`. Numbers name its blocks, so each is held against a header that is
linked by hash, and what does not fit is left to the receipts.
"""

import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from arbml.collectors.evm.errors import Pruned, Refused, TooManyResults, Unsupported
from arbml.collectors.evm.gas import BlockGas, priced
from arbml.collectors.evm.header import Header
from arbml.collectors.evm.rpc import Rpc
from arbml.collectors.evm.unit import PERCENTILES

_log = logging.getLogger(__name__)

MOST_BLOCKS = 1024  # what go-ethereum gives at once


class FeeHistory:
    """Asks for what gas cost in a range of blocks, until the node turns out not to know."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._known = True

    def gas(self, heads: Sequence[Header]) -> dict[int, BlockGas]:
        """Return what gas cost by block number; blocks of which the node does not say it are absent.

        Args:
            heads: linked headers, in order.

        Raises:
            TransientError: the node does not answer.
        """
        found: dict[int, BlockGas] = {}
        for start in range(0, len(heads) if self._known else 0, MOST_BLOCKS):
            some = heads[start : start + MOST_BLOCKS]
            try:
                answer = self._rpc.call("eth_feeHistory", [hex(len(some)), hex(some[-1].number), list(PERCENTILES)])
            except (Unsupported, Refused, Pruned, TooManyResults) as error:
                _log.info("%s; the receipts of every block are read instead", error)
                self._known = False
                break
            found.update(read_fees(some, answer))
        return found


def read_fees(heads: Sequence[Header], answer: Any) -> dict[int, BlockGas]:
    """Return what the answer to eth_feeHistory says of these blocks, as far as it fits their headers."""
    try:
        if int(answer["oldestBlock"], 16) != heads[0].number or len(answer["reward"]) != len(heads):
            return {}
        rows = zip(heads, answer["baseFeePerGas"], answer["gasUsedRatio"], answer["reward"], strict=False)
        read = {head.number: _of(head, base, ratio, reward) for head, base, ratio, reward in rows}
    except (KeyError, ValueError, TypeError):
        return {}
    return {number: gas for number, gas in read.items() if gas is not None}


def _of(head: Header, base: str, ratio: float, reward: Sequence[str]) -> BlockGas | None:
    full = head.gas_used / head.gas_limit if head.gas_limit else 0.0
    if int(base, 16) != (head.base_fee_wei or 0) or abs(ratio - full) > 1e-6:
        return None
    if not head.transactions:
        return priced(head.base_fee_wei, ())
    fees = tuple(int(fee, 16) for fee in reward)
    if len(fees) != len(PERCENTILES) or any(low > high for low, high in pairwise(fees)):
        return None
    return priced(head.base_fee_wei, fees)
