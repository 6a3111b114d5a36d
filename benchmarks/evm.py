"""The EVM collector: logs into integers beside an ABI library, and blocks of a local chain with 50 pools into SQLite."""

import random
from typing import Any

from eth_abi import abi

from arbml.collectors.evm.decoding import SWAP, SWAP3, SYNC
from arbml.collectors.evm.header import Header
from arbml.collectors.evm.logs import Logs
from benchmarks import following
from benchmarks.figures import Figure, median_seconds

LOGS = 20_000
_TYPES = {
    SYNC: ["uint112", "uint112"],
    SWAP: ["uint256"] * 4,
    SWAP3: ["int256", "int256", "uint160", "uint128", "int24"],
}


def run() -> list[Figure]:
    """Return the figures; those of blocks only where the local chain of the tests is installed."""
    return [decoding(), *following.run()]


def decoding() -> Figure:
    """Decode the logs of a busy range, already parsed from JSON."""
    logs = [_log(n, topic) for n, topic in enumerate(random.Random(1).choices([SYNC, SWAP, SWAP3], [4, 4, 2], k=LOGS))]
    heads = {n: Header(n, "0x" + "a" * 64, "", 0, None, 0, 0, ()) for n in range(LOGS // 100)}
    ours, theirs = median_seconds(9, lambda: Logs().read(logs, heads), lambda: [_by_library(log) for log in logs])
    note = f"{LOGS} Sync, Swap v2 and v3 logs in memory, without network; ours also addresses, places, hashes and blocks"
    return Figure("decoding of events", LOGS / ours, "events/s", "eth_abi.decode", LOGS / theirs, note)


def _log(n: int, topic: str) -> dict[str, Any]:
    values = [(pow(7, n, 2**100) + i) for i in range(len(_TYPES[topic]))]
    values[-1] %= 800_000
    address = "0x" + f"{n % 50:040x}"
    return {
        "address": address, "topics": [topic] if topic == SYNC else [topic, "0x" + "0" * 24 + address[2:], "0x" + "1" * 64],
        "data": "0x" + abi.encode(_TYPES[topic], values).hex(), "blockHash": "0x" + "a" * 64, "blockNumber": hex(n // 100),
        "transactionHash": f"0x{n:064x}", "transactionIndex": hex(n % 100), "logIndex": hex(n % 100),
    }  # fmt: skip


def _by_library(log: dict[str, Any]) -> tuple[Any, ...]:
    found: tuple[Any, ...] = abi.decode(_TYPES[log["topics"][0]], bytes.fromhex(log["data"][2:]))
    return found
