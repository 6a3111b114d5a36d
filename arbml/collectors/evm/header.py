"""The header of a block: what links it to its parent, when it was, and what its gas cost."""

from dataclasses import dataclass
from typing import Any

from arbml.errors import TransientError


class Moved(TransientError):
    """What was read does not belong together: the chain changed meanwhile, or the node mixed two blocks; ask again at once."""


@dataclass(frozen=True, slots=True)
class Header:
    """One block without its content.

    Attributes:
        ts_ms: UTC ms. base_fee_wei: None on chains without one. transactions: their hashes, in order.
    """

    number: int
    hash: str
    parent_hash: str
    ts_ms: int
    base_fee_wei: int | None
    gas_used: int
    gas_limit: int
    transactions: tuple[str, ...]


def header(block: Any) -> Header:
    """Return the header in the answer to eth_getBlockByNumber without full transactions.

    Raises:
        TransientError: the answer is incomplete.
    """
    try:
        base = block.get("baseFeePerGas")
        return Header(
            int(block["number"], 16), block["hash"], block["parentHash"], int(block["timestamp"], 16) * 1000,
            None if base is None else int(base, 16), int(block["gasUsed"], 16), int(block["gasLimit"], 16),
            tuple(block["transactions"]),
        )  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise TransientError(f"the node gave an incomplete block ({error!r}); asked again later") from error
