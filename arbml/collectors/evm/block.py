"""Reads blocks whole: everything of one unit is asked for by the same block hash, and what does not fit together is refused.

Nothing here knows of a store, of what was read before or of what comes next, but for the states that a caller hands in.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from arbml.clock import Clock
from arbml.collectors.evm.arbitrage import Pricing, executions
from arbml.collectors.evm.errors import Pruned, UnknownBlock
from arbml.collectors.evm.evidence import Evidence, Gathering, held_together
from arbml.collectors.evm.gas import block_gas, gas_columns
from arbml.collectors.evm.header import Header, Moved, header
from arbml.collectors.evm.logs import NOTHING, Logs, Said
from arbml.collectors.evm.multicall import ADDRESS, Multicall, good
from arbml.collectors.evm.pools import EvmPool
from arbml.collectors.evm.rpc import Request, Rpc
from arbml.collectors.evm.states import after, read_states, state_calls
from arbml.collectors.evm.ticks import block_ticks, quoted
from arbml.collectors.evm.unit import BlockUnit, PoolState
from arbml.errors import TransientError

States = dict[str, PoolState]


@dataclass(frozen=True)
class Watching:
    """What is collected: pools by address, addresses whose reverted attempts count, symbols of the chain's own coin."""

    pools: Mapping[str, EvmPool]
    watch: frozenset[str] = frozenset()
    native: frozenset[str] = frozenset({"ETH", "WETH"})
    addresses: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "addresses", list(self.pools))


class BlockReader:
    """Reads the blocks of one chain.

    Args:
        rpc: the node. chain_id: of the chain. watching: what is wanted. clock: says when something was known.
    """

    def __init__(self, rpc: Rpc, chain_id: int, watching: Watching, clock: Clock) -> None:
        self._rpc, self.chain_id, self.watching, self._clock = rpc, chain_id, watching, clock
        self._logs = Logs()
        self._gathering = Gathering(rpc, watching.pools, all_receipts=bool(watching.watch))
        self._remembers = True  # the node, of states that are not the newest
        self._multicall: Multicall | None = None
        self._calls = state_calls(watching.pools.values())

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Return the headers of blocks by number, None where the chain has none."""
        found = self._rpc.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        return [None if good(block) is None else header(block) for block in found]

    def look(self, numbers: Sequence[int]) -> tuple[int, list[Header | None]]:
        """Return the number of the newest block and the headers of some, asked for together."""
        head, *found = self._rpc.batch([("eth_blockNumber", []), *(("eth_getBlockByNumber", [hex(n), False]) for n in numbers)])
        return int(good(head), 16), [None if good(block) is None else header(block) for block in found]

    def tip(self) -> int:
        """Return the number of the newest block."""
        return int(self._rpc.call("eth_blockNumber", []), 16)

    def states(self, block_hash: str) -> States:
        """Return the state of every pool after a block; a pool that was not there yet is absent.

        Raises:
            UnknownBlock: orphaned, or not at this node. RpcError: e.g. the node has no state so old.
        """
        multicall = self._calling()
        results = self._rpc.batch(multicall.requests(self._calls, block_hash))
        return self._answered(multicall, results)

    def read(self, head: Header, before: States | None, everything: bool = False) -> tuple[BlockUnit, States]:
        """Read one block and the state of every pool after it.

        Args:
            head: its header. before: the states after its parent, where they are known; the events must explain the change.
            everything: give the states of all pools, changed or not.

        Raises:
            UnknownBlock, Moved: the block was orphaned meanwhile, the node lacks it, or its answers do not fit together.
            TransientError: incomplete answers, or none.
        """
        multicall = self._calling()
        ours = multicall.requests(self._calls, head.hash)
        receipts_of = self._gathering.receipts
        logs_of: Request = ("eth_getLogs", [{"blockHash": head.hash, "address": self.watching.addresses}])
        asked = receipts_of.requests([head])
        logs, *rest = self._rpc.batch([logs_of, *asked, *ours])
        receipts = receipts_of.answers([head], rest[: len(asked)])[0]
        states = self._answered(multicall, rest[len(asked) :])
        said = self._logs.read(good(logs), {head.number: head}).get(head.number, NOTHING)
        held_together(head, said.events, receipts, self.watching.pools)
        _explained(head, states, said, before)
        evidence = Evidence(block_gas(head.base_fee_wei, receipts), receipts)
        return self._unit(head, said, evidence, states, set(states) if everything else _changed(said, before, states)), states

    def read_range(self, heads: Sequence[Header], before: States) -> tuple[list[BlockUnit], States]:
        """Read blocks that follow one another, with the states that their events say.

        Args:
            heads: linked headers, in order. before: the states after the parent of the first, as far as they are known.

        Raises:
            TooManyResults: ask for fewer. UnknownBlock, Moved: the chain changed meanwhile. TransientError: as in `read`.
        """
        bounds = {"fromBlock": hex(heads[0].number), "toBlock": hex(heads[-1].number)}
        logs = self._rpc.call("eth_getLogs", [{**bounds, "address": self.watching.addresses}])
        said = self._logs.read(logs, {head.number: head for head in heads})
        units, states = [], before
        for head, evidence in zip(heads, self._gathering.of(heads, said), strict=True):
            here, earlier = said.get(head.number, NOTHING), states
            states = after(states, here.events) if here.events else states
            if here.strange:
                states = self._asked(head, here.strange, states)
            units.append(self._unit(head, here, evidence, states, _changed(here, earlier, states)))
        return units, self._confirmed(heads[-1], states)

    def _asked(self, head: Header, pools: Collection[str], states: States) -> States:
        """Return states with those of some pools as the contracts say them; without these where the node does not know."""
        now = self._remembered(head) or {}
        kept = {pool: state for pool, state in states.items() if pool not in pools}
        return kept | {pool: now[pool] for pool in pools if pool in now}

    def _confirmed(self, head: Header, states: States) -> States:
        """Hold the states that the events of a range lead to against what the contracts say, where the node still knows it."""
        now = self._remembered(head)
        if now is None:
            return states
        wrong = next((pool for pool, state in states.items() if now.get(pool) != state), None)
        if wrong is not None:
            raise Moved(
                f"block {head.number}: the state of pool {wrong} is not what the events up to there lead to; logs are missing, or the "
                f"chain changed (is {_plain(now.get(wrong))}, expected {_plain(states[wrong])}); asked again, block by block"
            )
        return now

    def _remembered(self, head: Header) -> States | None:
        """Return the states after an old block; None where the node does not keep them, in whatever words it says so.

        Raises:
            UnknownBlock: the block was orphaned.
        """
        if not self._remembers:
            return None
        try:
            return self.states(head.hash)
        except (Pruned, UnknownBlock) as error:
            (there,) = self.headers([head.number])
            if isinstance(error, UnknownBlock) and (there is None or there.hash != head.hash):
                raise
            self._remembers = False
            return None

    def _calling(self) -> Multicall:
        if self._multicall is None:
            self._multicall = Multicall(self._rpc.call("eth_getCode", [ADDRESS, "latest"]) not in (None, "0x"))
        return self._multicall

    def _answered(self, multicall: Multicall, results: Sequence[Any]) -> States:
        try:
            return read_states(self.watching.pools.values(), multicall.answers(self._calls, results))
        except (ValueError, TypeError, IndexError) as error:
            raise TransientError(f"the node gave an incomplete answer to eth_call ({error}); asked again later") from error

    def _unit(self, head: Header, said: Said, evidence: Evidence, states: States, changed: Collection[str]) -> BlockUnit:
        events, (gas, receipts) = said.events, evidence
        given = [states[pool] for pool in self.watching.pools if pool in changed and pool in states]
        known = max(self._clock.now_ms(), head.ts_ms)  # a node's clock may be ahead of ours
        times = {"chain_id": self.chain_id, "ts_ms": head.ts_ms, "ts_known_ms": known}
        ticks = block_ticks(self.watching.pools, given, events, number=head.number, gas_price_gwei=gas.price_gwei, **times)
        done = executions(receipts, events, self.watching.pools, self._pricing(states), self.watching.watch, **times)
        return BlockUnit(
            self.chain_id, head.number, head.hash, head.parent_hash, head.ts_ms, known, head.base_fee_wei, head.gas_used,
            head.gas_limit, gas.percentiles, events, given, ticks,
            gas_columns(self.chain_id, head.number, head.ts_ms, known, gas), done,
        )  # fmt: skip

    def _pricing(self, states: States) -> Pricing:
        return Pricing(self.watching.native, _Prices(self.watching.pools, states))


class _Prices(Mapping[tuple[str, str], float]):
    """Prices by (base, quote) of the deepest pool of each pair, worked out only when asked: most blocks have no arbitrage."""

    def __init__(self, pools: Mapping[str, EvmPool], states: States) -> None:
        self._pools, self._states = pools, states
        self._found: dict[tuple[str, str], float] | None = None

    def _all(self) -> dict[tuple[str, str], float]:
        if self._found is None:
            deepest: dict[tuple[str, str], tuple[float, float]] = {}
            for state in self._states.values():
                pool = self._pools[state.pool]
                now = quoted(pool, state)
                if now is not None:
                    key = pool.base.symbol, pool.quote.symbol
                    deepest[key] = max(deepest.get(key, (-1.0, 0.0)), (now.reserve_quote, now.price))
            self._found = {key: price for key, (_, price) in deepest.items()}
        return self._found

    def __getitem__(self, key: tuple[str, str]) -> float:
        return self._all()[key]

    def __iter__(self) -> Any:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _changed(said: Said, before: States | None, states: States) -> set[str]:
    """Return the pools whose state a block changed, or may have."""
    strange = {pool for pool in said.strange if before is None or before.get(pool) != states.get(pool)}
    return {event.pool for event in said.events} | strange


def _plain(state: PoolState | None) -> str:
    return "unknown" if state is None else "/".join(str(value) for value in state[2:] if value is not None)


def _explained(head: Header, states: States, said: Said, before: States | None) -> None:
    """Refuse states that the events of the block do not lead to; of pools that said something unknown nothing is expected."""
    for pool, expected in after(before or {}, said.events).items():
        if pool not in said.strange and states.get(pool) != expected:
            raise Moved(
                f"block {head.number}: the state of pool {pool} is not what its events lead to; if this stays so, its contract changes "
                f"without a word: take it out of the pool file (is {_plain(states.get(pool))}, expected {_plain(expected)})"
            )
