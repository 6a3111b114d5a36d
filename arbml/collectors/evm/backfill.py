"""Old blocks in ranges: as many at a time as the node gives, linked, each with its own header, logs and receipts.

States come from the events; the contracts are asked once, for the block before the first. Without an archive node that
question has no answer: a v2 pool then has a state from its first event on, a v3 pool from its first swap on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from arbml.collectors.evm.block import BlockReader, States
from arbml.collectors.evm.errors import Pruned, TooManyResults, UnknownBlock
from arbml.collectors.evm.head import Follower
from arbml.collectors.evm.header import Header, Moved
from arbml.collectors.evm.unit import BlockUnit
from arbml.errors import TransientError

MOST_BLOCKS = 500
MOST_TRANSACTIONS = 5_000  # receipts of so many are some ten megabytes
_FIRST_BLOCKS = 100
_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is: blocks done and in all, blocks in a second, seconds left (None before the first range)."""

    done: int
    total: int
    blocks_per_s: float
    left_s: float | None


class Backfill:
    """Reads ranges of old blocks into the chain that a follower keeps; it remembers which ranges the node gives.

    Args:
        reader: of the node.
        stopwatch: seconds that only differ. span: blocks in the first range; it then finds its own size.
    """

    def __init__(self, reader: BlockReader, stopwatch: Callable[[], float], span: int = _FIRST_BLOCKS) -> None:
        self._reader, self._stopwatch = reader, stopwatch
        self._span = float(span)
        self._allowed = MOST_BLOCKS

    @property
    def span(self) -> int:
        """How many blocks it asks for next."""
        return max(1, min(int(self._span), self._allowed))

    def run(self, follower: Follower, first: int, last: int, took: Callable[[list[BlockUnit], Progress], bool]) -> bool:
        """Store the blocks from `first` to `last`, included; `first` follows the stored tip where there is one.

        Args:
            follower: stores, and knows where the chain stands.
            took: called after each range that is stored; False ends it there.

        Returns:
            Whether it came to its end.

        Raises:
            Moved, UnknownBlock: the chain turned away; `Follower.poll` mends it, then go on after its tip.
            TransientError: the node did not answer; go on after the tip. SourceError: it will not.
        """
        started, at = self._stopwatch(), first
        states = self._before(follower, first)
        while at <= last:
            units, states = self._range(follower, at, min(last, at + self.span - 1), states)
            follower.store(units, states)
            at += len(units)
            seconds = max(self._stopwatch() - started, 1e-9)
            speed = (at - first) / seconds
            if not took(units, Progress(at - first, last - first + 1, speed, (last + 1 - at) / speed)):
                return False
        return True

    def _range(self, follower: Follower, first: int, last: int, states: States) -> tuple[list[BlockUnit], States]:
        heads = self._linked(follower.tip, first, last)
        while True:
            try:
                found = self._reader.read_range(heads, states)
            except TooManyResults as error:
                if len(heads) == 1:
                    return self._single(heads[0], states, error)
                heads = heads[: self._fewer(error, heads)]
            else:
                self._span = min(self._span * _GROWTH + 1, MOST_BLOCKS)
                return found

    def _single(self, head: Header, states: States, error: TooManyResults) -> tuple[list[BlockUnit], States]:
        """A block too full for the node's limit: by its hash many nodes have none."""
        try:
            unit, after = self._reader.read(head, states)
        except TooManyResults:
            raise error from None
        return [unit], after

    def _fewer(self, error: TooManyResults, heads: list[Header]) -> int:
        """Return how many blocks to ask for instead, by the node's advice where it gave some."""
        if error.max_blocks:
            self._allowed = max(1, min(self._allowed, error.max_blocks))
        wanted = len(heads) // 2
        if error.suggested_range and error.suggested_range[0] == heads[0].number:
            wanted = error.suggested_range[1] - heads[0].number + 1
        if error.max_blocks:
            wanted = max(wanted, error.max_blocks)
        fewer = max(1, min(wanted, len(heads) - 1))
        self._span = float(fewer)
        return fewer

    def _linked(self, tip: tuple[int, str] | None, first: int, last: int) -> list[Header]:
        """Return the headers, each the child of the one before it; fewer where they hold too many transactions."""
        parent = tip[1] if tip is not None and tip[0] == first - 1 else None
        heads: list[Header] = []
        transactions = 0
        for number, head in zip(range(first, last + 1), self._reader.headers(range(first, last + 1)), strict=True):
            if head is None:
                raise TransientError(f"the node has no block {number}, which lies before its head; asked again later")
            if head.number != number or (parent is not None and head.parent_hash != parent):
                raise Moved(f"block {number} is not a child of the block before it; the chain changed meanwhile")
            transactions += len(head.transactions)
            if heads and transactions > MOST_TRANSACTIONS:
                break
            heads.append(head)
            parent = head.hash
        return heads

    def _before(self, follower: Follower, first: int) -> States:
        """Return the states after the block before `first`, as far as the node knows them."""
        if follower.tip is not None and follower.tip[0] == first - 1:
            return follower.states() or {}
        (head,) = self._reader.headers([first - 1]) if first > 0 else (None,)
        if head is None:
            return {}
        try:
            return self._reader.states(head.hash)
        except (Pruned, UnknownBlock):
            return {}


def block_at(reader: BlockReader, ts_ms: int, last: int) -> int:
    """Return the first block at or after a time (UTC ms), by bisection; the last one where all are before it.

    Raises:
        TransientError: the node does not show a block before its head.
    """
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        (head,) = reader.headers([middle])
        if head is None:
            raise TransientError(f"the node has no block {middle}, which lies before its head; asked again later")
        low, high = (middle + 1, high) if head.ts_ms < ts_ms else (low, middle)
    return low
