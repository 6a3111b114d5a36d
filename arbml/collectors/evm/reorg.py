"""Where the stored chain and the node's part: found by hash, never by what a node says was removed."""

from typing import Any, Protocol

from arbml.collectors.evm.block import BlockReader
from arbml.collectors.evm.unit import BlockUnit
from arbml.errors import SourceError


class ChainStore(Protocol):
    """What keeps blocks; `arbml.store.Store.chain` is one. Every call is one transaction."""

    def tip(self, chain_id: int) -> tuple[int, str] | None:
        """Return number and hash of the last stored block."""
        ...

    def block(self, chain_id: int, number: int) -> tuple[str, str] | None:
        """Return hash and parent hash of a stored block."""
        ...

    def append_many(self, units: "list[BlockUnit]", checkpoint: Any = None) -> Any:
        """Store blocks whole, with a checkpoint; the same ones again change nothing."""
        ...

    def remove_above(self, chain_id: int, number: int, orphaned_ms: int, checkpoint: Any = None) -> int:
        """Take out all blocks above `number` and return how many they were."""
        ...


def common_ancestor(reader: BlockReader, chain: ChainStore, above: int, max_depth: int) -> int:
    """Return the highest stored block that is on the node's chain; one below the first stored where none is.

    Args:
        above: the last stored block. max_depth: how many blocks may be orphaned at most.

    Raises:
        SourceError: none within `max_depth` is: it is another chain, or the node is wrong.
    """
    number, some = above, 4
    while above - number < max_depth:
        numbers = list(range(number, max(number - some, above - max_depth, -1), -1))
        stored = [chain.block(reader.chain_id, n) for n in numbers]
        for n, ours, theirs in zip(numbers, stored, reader.headers(numbers), strict=True):
            if ours is None or (theirs is not None and theirs.hash == ours[0]):
                return n
        number, some = numbers[-1] - 1, some * 2
        if number < 0:
            return -1
    raise SourceError(
        f"the last {max_depth} stored blocks of chain {reader.chain_id}, up to {above}, are not on the node's chain; "
        "use a node of the same chain, or another home"
    )
