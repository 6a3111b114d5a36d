"""One chain into a store: what is missing in ranges, then block after block as they come, until it is told to stop."""

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from arbml.clock import Clock
from arbml.collectors.collecting import CollectReport
from arbml.collectors.evm.backfill import Backfill, Progress, block_at
from arbml.collectors.evm.block import BlockReader
from arbml.collectors.evm.errors import UnknownBlock
from arbml.collectors.evm.head import MAX_REORG, Follower, Polled, Reorg, source_name
from arbml.collectors.evm.header import Moved
from arbml.collectors.evm.pools import EvmPool
from arbml.collectors.evm.reorg import ChainStore
from arbml.collectors.evm.unit import BlockUnit
from arbml.errors import ConfigError, StoreUnavailable, TransientError
from arbml.frames import frame_to_ticks
from arbml.market import Tick

_log = logging.getLogger(__name__)

# blocks so near the head come one by one: there the chain may still turn
SETTLED = 32
_DAY_MS = 86_400_000
_LIVE_MS = 20 * 60_000  # what a service reads when it starts; older blocks are told to nobody
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0  # nodes rest longer by themselves; a database that is back should be met soon


@dataclass(frozen=True, slots=True)
class Plan:
    """From where, how far and how long a chain is collected.

    Attributes:
        from_block, days: where an empty store begins: a block, or that many days ago; at the head without either. A store
            that has blocks goes on after its last one.
        to_block: the last block wanted. for_s: how long to run. catch_up: end at the head. Without any of them it follows the
            chain until it is stopped.
        confirmations: how many blocks must stand on one before it is stored.
        max_reorg: how many stored blocks the chain may turn away from.
        poll_s: pause before the node is asked again, where nothing announces a block earlier.
        patience_s: how long node or store may fail in a row before collecting gives up.
    """

    from_block: int | None = None
    days: float | None = None
    to_block: int | None = None
    for_s: float | None = None
    catch_up: bool = False
    confirmations: int = 0
    max_reorg: int = MAX_REORG
    poll_s: float = 1.0
    patience_s: float = 300.0


@dataclass(frozen=True, slots=True)
class ChainReport(CollectReport):
    """What a collection of a chain did: also the blocks that were stored, those taken out again, and the last one."""

    blocks: int
    orphaned: int
    tip: int | None


@dataclass
class _Tally:
    """What was stored so far."""

    streams: set[str]
    blocks: int = 0
    orphaned: int = 0
    tip: int | None = None
    ticks: int = 0
    executions: int = 0
    start_ms: int | None = None
    end_ms: int | None = None

    def take(self, units: Sequence[BlockUnit]) -> None:
        for unit in units:
            self.blocks += 1
            self.ticks += len(unit.tick_columns["venue"])
            self.executions += len(unit.executions)
            self.start_ms = unit.ts_ms if self.start_ms is None else self.start_ms
            self.end_ms, self.tip = unit.ts_ms, unit.number
            self.streams.update(map("|".join, zip(unit.tick_columns["venue"], unit.tick_columns["pair"], strict=True)))


class EvmCollector:
    """Collects the pools of one chain.

    Args:
        reader: of the node. plan: from where and how long.
        clock: the time. stopwatch: seconds that only differ.
        wait: sleeps for at most that many seconds, less where a new block is announced; True to stop collecting.
        rng: spreads the pauses after failures.
        stop: makes `wait` say stop, also from a signal handler.
    """

    total = None

    def __init__(
        self,
        reader: BlockReader,
        plan: Plan,
        clock: Clock,
        stopwatch: Callable[[], float],
        wait: Callable[[float], bool],
        rng: random.Random,
        stop: Callable[[], object] = lambda: None,
    ) -> None:
        self._reader, self._plan, self._clock, self._stopwatch = reader, plan, clock, stopwatch
        self._wait, self._rng, self.stop = wait, rng, stop
        self._tell: Callable[[Tick], object] | None = None
        self._behind = True
        self._backfill = Backfill(reader, stopwatch)
        self._tally = _Tally(set())

    @property
    def name(self) -> str:
        """E.g. "evm 1": the chain."""
        return source_name(self._reader.chain_id)

    @property
    def chain_id(self) -> int:
        """Of the chain that it collects."""
        return self._reader.chain_id

    @property
    def pools(self) -> Mapping[str, EvmPool]:
        """What it collects, by address."""
        return self._reader.watching.pools

    def collect_into(
        self,
        chain: ChainStore,
        progress: Callable[[Progress | Polled], None] | None = None,
        tell: Callable[[Tick], object] | None = None,
    ) -> ChainReport:
        """Store block after block until the plan is done or `wait` says stop; each range or block in one transaction.

        A collection that was stopped or killed at any moment goes on after the last block it stored.

        Args:
            progress: called after every range of a backfill and every poll at the head.
            tell: called with each tick of the last 20 minutes after it was stored.

        Raises:
            TransientError, StoreUnavailable: node or store failed for longer than `patience_s`.
            StoreError: the store refuses.
            SourceError: the node refuses. ConfigError: the plan does not fit what is stored.
        """
        started = self._stopwatch()
        self._tell = tell
        show = progress or (lambda _: None)
        follower: Follower | None = None
        failing_since: float | None = None
        pause = _FIRST_PAUSE_S
        while not self._over(follower, started):
            try:
                follower = follower or self._follower(chain)
                left = self._advance(follower, show, started)
                if failing_since is not None:
                    _log.warning("%s: goes on after %.1f s", self.name, self._stopwatch() - failing_since)
                failing_since, pause = None, _FIRST_PAUSE_S
                if left == 0 and (self._plan.catch_up or self._rest(follower, started)):
                    break
            except (TransientError, StoreUnavailable) as error:
                follower, self._behind = None, True  # what it remembers may not be what was stored
                now = self._stopwatch()
                failing_since = failing_since if failing_since is not None else now
                if now - failing_since > self._plan.patience_s:
                    raise
                _log.warning("%s: %s; trying again", self.name, error)
                if self._wait(self._left_s(started, self._rng.uniform(pause / 2, pause))):
                    break
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        return self._report(self._stopwatch() - started)

    def _follower(self, chain: ChainStore) -> Follower:
        plan = self._plan
        return Follower(self._reader, chain, self._clock, plan.confirmations, plan.max_reorg, self._stored, self._turned)

    def _stored(self, units: Sequence[BlockUnit]) -> None:
        self._tally.take(units)
        for unit in units if self._tell else ():
            if self._clock.now_ms() - unit.ts_ms <= _LIVE_MS:
                for tick in frame_to_ticks(unit.ticks):
                    self._tell(tick)  # type: ignore[misc]  # looked at above

    def _turned(self, reorg: Reorg) -> None:
        self._tally.orphaned += reorg.blocks
        _log.info("%s: the chain turned away from %d blocks above %d", self.name, reorg.blocks, reorg.ancestor)

    def _rest(self, follower: Follower, started: float) -> bool:
        """Sleep until the next poll; return whether to end."""
        return not self._over(follower, started) and self._wait(self._left_s(started, self._plan.poll_s))

    def _advance(self, follower: Follower, show: Callable[[Progress | Polled], None], started: float) -> int:
        """Go on by a backfill where much is missing, then by a poll; return how many blocks are left to the head."""
        first: int | None = None
        if self._behind or follower.tip is None:  # who is at the head need not ask how far it is
            last = self._last(self._reader.tip() - self._plan.confirmations)
            first = self._first(follower, last)
        if first is not None and last - SETTLED >= first:

            def took(units: Sequence[BlockUnit], done: Progress) -> bool:
                show(done)
                return not self._over(follower, started) and not self._wait(0.0)

            try:
                if not self._backfill.run(follower, first, last - SETTLED, took):
                    return 0
            except (Moved, UnknownBlock) as error:
                _log.info("%s: %s", self.name, error)  # block by block it is found out what is the matter
        polled = follower.poll(first=first, last=self._plan.to_block)
        show(polled)
        self._behind = polled.left > 0
        return polled.left

    def _first(self, follower: Follower, last: int) -> int | None:
        """Return the first block that is missing; None to begin at the head."""
        plan, tip = self._plan, follower.tip
        wanted = plan.from_block
        if tip is not None:
            if wanted is not None and wanted > tip[0] + 1:
                raise ConfigError(
                    f"the store has chain {self._reader.chain_id} up to block {tip[0]}; --from-block {wanted} would leave a gap; "
                    "leave it out, or use another home"
                )
            return tip[0] + 1
        if follower.resume_at is not None:
            return follower.resume_at
        if wanted is None and plan.days is not None:
            wanted = block_at(self._reader, self._clock.now_ms() - int(plan.days * _DAY_MS), max(last, 0))
        return wanted

    def _last(self, head: int) -> int:
        return head if self._plan.to_block is None else min(head, self._plan.to_block)

    def _over(self, follower: Follower | None, started: float) -> bool:
        plan = self._plan
        if plan.to_block is not None and follower is not None and follower.tip is not None and follower.tip[0] >= plan.to_block:
            return True
        return plan.for_s is not None and self._stopwatch() - started >= plan.for_s

    def _left_s(self, started: float, pause: float) -> float:
        return pause if self._plan.for_s is None else max(0.0, min(pause, self._plan.for_s - (self._stopwatch() - started)))

    def _report(self, seconds: float) -> ChainReport:
        done = self._tally
        return ChainReport(
            self.name, tuple(sorted(done.streams)), done.start_ms, done.end_ms, done.ticks, 0, 0, done.executions, seconds,
            done.blocks, done.orphaned, done.tip,
        )  # fmt: skip
