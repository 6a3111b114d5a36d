"""Logs of Uniswap v2 and v3 pools into exact integers, by slicing the hexadecimal text.

An ABI library gives the same integers at a seventh of the speed. Not read, since they change neither price nor liquidity:
v2 Transfer and Approval of the pool's own shares; v3 Collect, CollectProtocol, Flash, SetFeeProtocol and
IncreaseObservationCardinalityNext.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from arbml.collectors.evm.unit import PoolEvent

# keccak-256 of the signatures; a test computes them anew
SYNC = "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"
SWAP = "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822"
MINT = "0x4c209b5fc8ad50758f13e2e1088ba56a560dff690a1c6fef26394f4c03821c4f"
BURN = "0xdccd412f0b1252819cb1fd330b93224ca42612892bb3f4f789976e6d81936496"
SWAP3 = "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"
SWAP3_FEES = "0x19b47279256b2a23a1665c810c8d55a1758940ee09377d4f8d26497a3577dc83"  # PancakeSwap v3 says its own share, too
MINT3 = "0x7a53080ba414158be7ec69b987b5fb7d07dee101fe85488f0853ae16239d0bde"
BURN3 = "0x0c396cd989a39f4459b5fa1aed6a9a8dcdbc45908acfd67e028cd568da98982c"
INITIALIZE = "0x98636036cb66a9c19a37435efc1e90142190214e8abeb821bdba3f2990dd4c95"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"

SIGNATURES = {
    SYNC: "Sync(uint112,uint112)",
    SWAP: "Swap(address,uint256,uint256,uint256,uint256,address)",
    MINT: "Mint(address,uint256,uint256)",
    BURN: "Burn(address,uint256,uint256,address)",
    SWAP3: "Swap(address,address,int256,int256,uint160,uint128,int24)",
    SWAP3_FEES: "Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)",
    MINT3: "Mint(address,address,int24,int24,uint128,uint256,uint256)",
    BURN3: "Burn(address,int24,int24,uint128,uint256,uint256)",
    INITIALIZE: "Initialize(uint160,int24)",
}
TOPICS = tuple(SIGNATURES)

_HALF, _WHOLE = 1 << 255, 1 << 256
Args = dict[str, int]


def signed(word: str) -> int:
    """Return the two's complement of 64 hexadecimal digits; int24 is sign-extended to that width.

    >>> signed("f" * 64), signed("0" * 63 + "7")
    (-1, 7)
    """
    value = int(word, 16)
    return value - _WHOLE if value >= _HALF else value


def _sync(d: str, _: list[str]) -> Args:
    return {"reserve0": int(d[2:66], 16), "reserve1": int(d[66:130], 16)}


def _swap(d: str, t: list[str]) -> Args:
    return {
        "sender": int(t[1], 16), "to": int(t[2], 16),
        "amount0In": int(d[2:66], 16), "amount1In": int(d[66:130], 16),
        "amount0Out": int(d[130:194], 16), "amount1Out": int(d[194:258], 16),
    }  # fmt: skip


def _mint(d: str, t: list[str]) -> Args:
    return {"sender": int(t[1], 16), "amount0": int(d[2:66], 16), "amount1": int(d[66:130], 16)}


def _burn(d: str, t: list[str]) -> Args:
    return {"sender": int(t[1], 16), "to": int(t[2], 16), "amount0": int(d[2:66], 16), "amount1": int(d[66:130], 16)}


def _swap3(d: str, t: list[str]) -> Args:
    return {
        "sender": int(t[1], 16), "recipient": int(t[2], 16),
        "amount0": signed(d[2:66]), "amount1": signed(d[66:130]),
        "sqrtPriceX96": int(d[130:194], 16), "liquidity": int(d[194:258], 16), "tick": signed(d[258:322]),
    }  # fmt: skip


def _swap3_fees(d: str, t: list[str]) -> Args:
    return {**_swap3(d, t), "protocolFeesToken0": int(d[322:386], 16), "protocolFeesToken1": int(d[386:450], 16)}


def _mint3(d: str, t: list[str]) -> Args:
    return {
        "sender": int(d[2:66], 16), "owner": int(t[1], 16), "tickLower": signed(t[2][2:]), "tickUpper": signed(t[3][2:]),
        "amount": int(d[66:130], 16), "amount0": int(d[130:194], 16), "amount1": int(d[194:258], 16),
    }  # fmt: skip


def _burn3(d: str, t: list[str]) -> Args:
    return {
        "owner": int(t[1], 16), "tickLower": signed(t[2][2:]), "tickUpper": signed(t[3][2:]),
        "amount": int(d[2:66], 16), "amount0": int(d[66:130], 16), "amount1": int(d[130:194], 16),
    }  # fmt: skip


def _initialize(d: str, _: list[str]) -> Args:
    return {"sqrtPriceX96": int(d[2:66], 16), "tick": signed(d[66:130])}


# topic: kind, number of topics, length of the data text, reader
_READERS: dict[str, tuple[str, int, int, Callable[[str, list[str]], Args]]] = {
    SYNC: ("sync", 1, 2 + 2 * 64, _sync),
    SWAP: ("swap", 3, 2 + 4 * 64, _swap),
    MINT: ("mint", 2, 2 + 2 * 64, _mint),
    BURN: ("burn", 3, 2 + 2 * 64, _burn),
    SWAP3: ("swap3", 3, 2 + 5 * 64, _swap3),
    SWAP3_FEES: ("swap3", 3, 2 + 7 * 64, _swap3_fees),
    MINT3: ("mint3", 4, 2 + 4 * 64, _mint3),
    BURN3: ("burn3", 4, 2 + 3 * 64, _burn3),
    INITIALIZE: ("initialize", 1, 2 + 2 * 64, _initialize),
}


READ = frozenset(_READERS)


def fits(log: Mapping[str, Any]) -> bool:
    """Return whether `decode` reads this log: one of `SIGNATURES`, with as many topics and as much data as Uniswap's.

    Raises:
        KeyError, TypeError: it is no log.
    """
    topics = log["topics"]
    known = _READERS.get(topics[0]) if topics else None
    return known is not None and len(topics) == known[1] and len(log["data"]) == known[2]


def decode(log: Mapping[str, Any]) -> PoolEvent:
    """Return a log of the node as an event.

    Raises:
        KeyError, ValueError, TypeError, IndexError: it is none of `SIGNATURES`, or cut short.
    """
    topics, data = log["topics"], log["data"]
    kind, n_topics, length, read = _READERS[topics[0]]
    if len(topics) != n_topics or len(data) != length:
        raise ValueError(f"a {kind} log with {len(topics)} topics and {len(data)} characters of data")
    return PoolEvent(
        log["blockHash"], int(log["logIndex"], 16), log["transactionHash"], int(log["transactionIndex"], 16),
        log["address"].lower(), kind, read(data, topics),
    )  # fmt: skip


def decode_all(logs: Iterable[Mapping[str, Any]]) -> list[PoolEvent]:
    """Return logs as events, in the given order; raises what `decode` does."""
    return [decode(log) for log in logs]
