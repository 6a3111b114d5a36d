"""The state of pools at the end of a block: asked of the contracts, or followed from event to event."""

from collections.abc import Iterable, Mapping, Sequence

from arbml.collectors.evm.multicall import Call
from arbml.collectors.evm.pools import EvmPool
from arbml.collectors.evm.unit import PoolEvent, PoolState

GET_RESERVES, SLOT0, LIQUIDITY = "0902f1ac", "3850c7bd", "1a686502"
_CALLS = {"v2": (GET_RESERVES,), "v3": (SLOT0, LIQUIDITY)}


def state_calls(pools: Iterable[EvmPool]) -> list[Call]:
    """Return the calls that read the state of each pool, in order."""
    return [(pool.address, data) for pool in pools for data in _CALLS[pool.kind]]


def read_states(pools: Iterable[EvmPool], answers: Sequence[bytes | None]) -> dict[str, PoolState]:
    """Return the states by pool that `state_calls` asked for; a pool that did not exist at that block is absent."""
    states: dict[str, PoolState] = {}
    at = 0
    for pool in pools:
        n = len(_CALLS[pool.kind])
        found = answers[at : at + n]
        at += n
        first = found[0]
        if first is None:
            continue
        if pool.kind == "v2":
            states[pool.address] = PoolState(pool.address, "v2", _uint(first, 0), _uint(first, 1))
        elif found[1] is not None:
            tick = int.from_bytes(first[32:64], "big", signed=True)
            states[pool.address] = PoolState(
                pool.address, "v3", sqrt_price_x96=_uint(first, 0), liquidity=_uint(found[1], 0), tick=tick
            )
    return states


def after(states: Mapping[str, PoolState], events: Iterable[PoolEvent]) -> dict[str, PoolState]:
    """Return the states after the events of a block, given those before it.

    A v2 pool says its reserves with each change, a v3 pool price and liquidity with each swap. Only a mint or burn of a v3
    pool says no more than a change; a pool whose state before that is not known stays unknown, and is absent.
    """
    new = dict(states)
    for event in events:
        state = _after(new.get(event.pool), event)
        if state is None:
            new.pop(event.pool, None)
        else:
            new[event.pool] = state
    return new


def _after(state: PoolState | None, event: PoolEvent) -> PoolState | None:
    args, pool = event.args, event.pool
    match event.kind:
        case "sync":
            return PoolState(pool, "v2", args["reserve0"], args["reserve1"])
        case "swap3":
            return PoolState(pool, "v3", sqrt_price_x96=args["sqrtPriceX96"], liquidity=args["liquidity"], tick=args["tick"])
        case "initialize":
            return PoolState(pool, "v3", sqrt_price_x96=args["sqrtPriceX96"], liquidity=0, tick=args["tick"])
        case "mint3" | "burn3":
            if state is None or state.tick is None or state.liquidity is None:
                return None
            inside = args["tickLower"] <= state.tick < args["tickUpper"]
            change = args["amount"] if event.kind == "mint3" else -args["amount"]
            return state._replace(liquidity=state.liquidity + change) if inside else state
        case _:
            return state


def _uint(data: bytes, word: int) -> int:
    return int.from_bytes(data[32 * word : 32 * word + 32], "big")
