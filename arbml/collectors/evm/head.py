"""Follows the head of a chain: block after block, each held against its parent, and back where the chain turns away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arbml.checkpoint import Checkpoint
from arbml.clock import Clock
from arbml.collectors.evm.block import BlockReader, States
from arbml.collectors.evm.errors import Pruned, UnknownBlock
from arbml.collectors.evm.header import Header, Moved
from arbml.collectors.evm.reorg import ChainStore, common_ancestor
from arbml.collectors.evm.unit import BlockUnit
from arbml.errors import TransientError

MAX_REORG = 128
_TURNS = 8  # so often may the chain change under one poll; the next one goes on


@dataclass(frozen=True, slots=True)
class Reorg:
    """The chain turned away from `blocks` stored blocks above `ancestor`."""

    ancestor: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll brought: blocks that are stored now, reorganisations, and how many blocks are left to the head."""

    units: tuple[BlockUnit, ...]
    reorgs: tuple[Reorg, ...]
    left: int


class Follower:
    """Keeps a stored chain equal to that of a node.

    Args:
        reader: of the node. chain: where blocks are kept. clock: says when a reorganisation was found.
        confirmations: how many blocks must stand on one before it is stored.
        max_reorg: how many stored blocks the chain may turn away from.
        stored, turned: told of units after their commit, and of blocks that were taken out.
    """

    def __init__(
        self,
        reader: BlockReader,
        chain: ChainStore,
        clock: Clock,
        confirmations: int = 0,
        max_reorg: int = MAX_REORG,
        stored: Callable[[Sequence[BlockUnit]], object] | None = None,
        turned: Callable[[Reorg], object] | None = None,
    ) -> None:
        self._stored, self._turned = stored, turned
        self._reader, self._chain, self._clock = reader, chain, clock
        self._confirmations, self._max_reorg = confirmations, max_reorg
        self._tip = chain.tip(reader.chain_id)
        self._states: tuple[str, States] | None = None  # block hash, states after it
        self._next = None if self._tip is None else self._tip[0] + 1

    @property
    def tip(self) -> tuple[int, str] | None:
        """Number and hash of the last stored block."""
        return self._tip

    @property
    def resume_at(self) -> int | None:
        """The block that comes next; None where nothing was stored or looked at yet."""
        return self._next

    def poll(self, first: int | None = None, last: int | None = None, at_most: int = 64) -> Polled:
        """Look at the node and store what is new, at most `at_most` blocks.

        Args:
            first: where an empty chain begins; at the head without it. last: the last block that is wanted.

        Raises:
            TransientError: the node did not answer; what was stored before stays, and the next poll goes on there.
            SourceError: it will not. StoreError: the store refused.
        """
        units: list[BlockUnit] = []
        reorgs: list[Reorg] = []
        left = turns = 0
        failure: UnknownBlock | Moved | None = None
        self._next = first if self._next is None else self._next
        while len(units) < at_most and turns < _TURNS:
            head, stored, following = self._look()
            wanted = head - self._confirmations if last is None else min(head - self._confirmations, last)
            assert self._next is not None
            left = max(0, wanted + 1 - self._next)
            if self._tip is not None and (stored is None or stored.hash != self._tip[1]):
                if stored is None and self._behind(head):
                    break
                reorgs.append(self.turn_back())
                turns += 1
                continue
            if following is None and left and not units and not reorgs:
                raise TransientError(f"the node has no block {self._next}, though its head is block {head}; asked again later")
            if following is None or following.number > wanted:
                break
            try:
                if self._tip is not None and following.parent_hash != self._tip[1]:
                    raise Moved(f"block {following.number} is not a child of {self._tip[1][:10]}")
                units.append(self._take(following))
                left -= 1
                if not left:  # what came meanwhile, or turned, the next poll finds
                    break
            except (UnknownBlock, Moved) as error:
                turns, failure = turns + 1, error
        if turns == _TURNS and failure is not None and not units:
            raise failure
        return Polled(tuple(units), tuple(reorgs), left)

    def turn_back(self) -> Reorg:
        """Take out what the chain turned away from; nothing where it did not."""
        assert self._tip is not None
        ancestor = common_ancestor(self._reader, self._chain, self._tip[0], self._max_reorg)
        kept = self._chain.block(self._reader.chain_id, ancestor)
        now = self._clock.now_ms()
        blocks = 0
        if ancestor < self._tip[0]:
            checkpoint = Checkpoint(source_name(self._reader.chain_id), str(ancestor), now, now)
            blocks = self._chain.remove_above(self._reader.chain_id, ancestor, now, checkpoint)
        self._tip = None if kept is None else (ancestor, kept[0])
        self._next, self._states = ancestor + 1, None
        reorg = Reorg(ancestor, blocks)
        if self._turned:
            self._turned(reorg)
        return reorg

    def store(self, units: Sequence[BlockUnit], states: States) -> None:
        """Store linked units that follow the tip, in one transaction, and remember the states after them."""
        last = units[-1]
        checkpoint = Checkpoint(source_name(last.chain_id), str(last.number), last.ts_ms, last.ts_known_ms)
        self._chain.append_many(list(units), checkpoint)
        self._tip, self._next, self._states = (last.number, last.hash), last.number + 1, (last.hash, states)
        if self._stored:
            self._stored(units)

    def states(self) -> States | None:
        """Return the states after the tip: remembered, or asked; None without a tip or where the node does not know them."""
        if self._tip is None:
            return None
        if self._states is None or self._states[0] != self._tip[1]:
            try:
                self._states = self._tip[1], self._reader.states(self._tip[1])
            except (UnknownBlock, Pruned):
                return None
        return self._states[1]

    def _take(self, header: Header) -> BlockUnit:
        unit, states = self._reader.read(header, self.states(), everything=self._tip is None)
        self.store([unit], states)
        return unit

    def _look(self) -> tuple[int, Header | None, Header | None]:
        """Return the head's number, the node's block at the tip's height and the one after it."""
        if self._next is None:
            self._next = max(0, self._reader.tip() - self._confirmations)
        head, found = self._reader.look([self._next - 1, self._next] if self._tip else [self._next])
        return head, found[0] if self._tip else None, found[-1]

    def _behind(self, head: int) -> bool:
        """Whether the node only lacks the newest blocks: what it has at its head is what is stored there."""
        stored = self._chain.block(self._reader.chain_id, head)
        (theirs,) = self._reader.headers([head])
        return stored is not None and theirs is not None and theirs.hash == stored[0]


def source_name(chain_id: int) -> str:
    """Return the name under which a chain's checkpoint is kept."""
    return f"evm {chain_id}"
