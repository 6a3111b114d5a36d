"""Logs of watched pools as the node gives them, sorted into events that are read and those that are not known.

Pools of forks look like Uniswap's and may say things of their own. What they say is counted and shown once, and their state
is asked of the contract, since their events alone no longer tell it.
"""

import contextlib
import gc
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from arbml.collectors.evm.decoding import READ, TRANSFER, decode_known
from arbml.collectors.evm.header import Header, Moved
from arbml.collectors.evm.unit import PoolEvent
from arbml.errors import TransientError

_log = logging.getLogger(__name__)

# of Uniswap's pools, and of no influence on price or liquidity
HARMLESS = {
    TRANSFER: "Transfer(address,address,uint256)",
    "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925": "Approval(address,address,uint256)",
    "0x70935338e69775456a85ddef226c395fb668b63fa0115f5f20610b388e6ca9c0": "Collect(address,address,int24,int24,uint128,uint128)",
    "0x596b573906218d3411850b26a6b437d6c4522fdb43d2d2386263f86d50b8b151": "CollectProtocol(address,address,uint128,uint128)",
    "0xbdbdb71d7860376ba52b25a5028beea23581364a40522f6bcfb86bb1f2dca633": "Flash(address,address,uint256,uint256,uint256,uint256)",
    "0x973d8d92bb299f4af6ce49b52a8adb85ae46b9f214c4c4fc06ac77401237b133": "SetFeeProtocol(uint8,uint8,uint8,uint8)",
    "0xb3159fed3ddfba67bae294599eafe2d0ec98c08bb38e0e5fb87d33154b6e05aa": "SetFeeProtocol(uint32,uint32,uint32,uint32)",
    "0xac49e518f90a358f652e4400164f05a5d8f7e35e7747279bc3a93dbf584e125a": "IncreaseObservationCardinalityNext(uint16,uint16)",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What pools said in a block: events in the order of the chain, and the pools that said what is not known."""

    events: list[PoolEvent]
    strange: frozenset[str]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing that is made here is cyclic, but the garbage collector would walk all of it again and again: a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_LOG_INDEX = attrgetter("log_index")
NOTHING = Said([], frozenset())


class Logs:
    """Reads logs, and keeps count of those that it cannot read.

    Attributes:
        strange: how many by pool and topic; a block that is read twice counts twice.
    """

    def __init__(self) -> None:
        self.strange: Counter[tuple[str, str]] = Counter()

    def read(self, logs: Any, heads: Mapping[int, Header]) -> dict[int, Said]:
        """Return what was said, by block number; blocks without a word are absent.

        Args:
            logs: the answer to eth_getLogs. heads: the blocks that were asked for.

        Raises:
            Moved: a log is of another block of that number. TransientError: a log is incomplete.
        """
        events: dict[int, list[PoolEvent]] = {}
        strange: dict[int, set[str]] = {}
        try:
            with _uncollected():
                self._sort(logs, heads, events, strange)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise TransientError(f"the node gave an incomplete log ({error!r}); asked again later") from error
        for found in events.values():
            found.sort(key=_LOG_INDEX)
        said = {number: Said(found, frozenset(strange.get(number, ()))) for number, found in events.items()}
        return {number: one for number, one in said.items() if one.events or one.strange}

    def _sort(self, logs: Any, heads: Mapping[int, Header], events: dict[int, list[PoolEvent]], strange: dict[int, set[str]]) -> None:
        at: tuple[str, str] | None = None
        for log in logs:
            if (log["blockNumber"], log["blockHash"]) != at:
                at = log["blockNumber"], log["blockHash"]
                number = int(at[0], 16)
                if at[1] != heads[number].hash:
                    raise Moved(f"the logs of block {number} are of another block of that number; the chain changed meanwhile")
                here = events.setdefault(number, [])
            event = decode_known(log)
            if event is not None:
                here.append(event)
            elif (pool := self._unknown(log)) is not None:
                strange.setdefault(number, set()).add(pool)

    def _unknown(self, log: Mapping[str, Any]) -> str | None:
        """Count a log that is none of Uniswap's events; return its pool, None where it does not matter.

        Raises:
            ValueError: it is one of them, cut short.
        """
        topics, data = log["topics"], log["data"]
        topic = topics[0] if topics else ""
        if topic in HARMLESS:
            return None
        if topic in READ and (len(data) - 2) % 64:
            raise ValueError(f"a log with {len(data)} characters of data")
        pool: str = log["address"].lower()
        self.strange[pool, topic] += 1
        if self.strange[pool, topic] == 1:
            _log.warning(
                "pool %s: an event with topic %s that is not known, in block %d; it is left out, the pool's state is asked of its contract",
                pool, topic[:18] or "none", int(log["blockNumber"], 16),
            )  # fmt: skip
        return pool
