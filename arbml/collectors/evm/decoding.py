"""Logs of Uniswap v2 and v3 pools into exact integers, by cutting the bytes into words.

An ABI library gives the same integers at a seventh of the speed. Not read, since they change neither price nor liquidity:
v2 Transfer and Approval of the pool's own shares; v3 Collect, CollectProtocol, Flash, SetFeeProtocol and
IncreaseObservationCardinalityNext.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
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


_number = lru_cache(1 << 14)(partial(int, base=16))  # of addresses in topics: few routers and traders are most of them
_lower = lru_cache(1 << 14)(str.lower)
_from_bytes, _from_hex, _new = int.from_bytes, bytes.fromhex, tuple.__new__


def _sync(words: Iterable[bytes], _: list[str]) -> Args:
    reserve0, reserve1 = map(_from_bytes, words)
    return {"reserve0": reserve0, "reserve1": reserve1}


def _swap(words: Iterable[bytes], t: list[str]) -> Args:
    in0, in1, out0, out1 = map(_from_bytes, words)
    return {"sender": _number(t[1]), "to": _number(t[2]), "amount0In": in0, "amount1In": in1, "amount0Out": out0, "amount1Out": out1}


def _mint(words: Iterable[bytes], t: list[str]) -> Args:
    amount0, amount1 = map(_from_bytes, words)
    return {"sender": _number(t[1]), "amount0": amount0, "amount1": amount1}


def _burn(words: Iterable[bytes], t: list[str]) -> Args:
    amount0, amount1 = map(_from_bytes, words)
    return {"sender": _number(t[1]), "to": _number(t[2]), "amount0": amount0, "amount1": amount1}


def _swap3(words: Iterable[bytes], t: list[str]) -> Args:
    amount0, amount1, root, liquidity, tick = map(_from_bytes, words)
    return {
        "sender": _number(t[1]), "recipient": _number(t[2]),
        "amount0": amount0 - _WHOLE if amount0 >= _HALF else amount0, "amount1": amount1 - _WHOLE if amount1 >= _HALF else amount1,
        "sqrtPriceX96": root, "liquidity": liquidity, "tick": tick - _WHOLE if tick >= _HALF else tick,
    }  # fmt: skip


def _swap3_fees(words: Iterable[bytes], t: list[str]) -> Args:
    *same, fees0, fees1 = words
    return {**_swap3(same, t), "protocolFeesToken0": _from_bytes(fees0), "protocolFeesToken1": _from_bytes(fees1)}


def _mint3(words: Iterable[bytes], t: list[str]) -> Args:
    sender, amount, amount0, amount1 = map(_from_bytes, words)
    return {
        "sender": sender, "owner": _number(t[1]), "tickLower": signed(t[2][2:]), "tickUpper": signed(t[3][2:]),
        "amount": amount, "amount0": amount0, "amount1": amount1,
    }  # fmt: skip


def _burn3(words: Iterable[bytes], t: list[str]) -> Args:
    amount, amount0, amount1 = map(_from_bytes, words)
    return {
        "owner": _number(t[1]), "tickLower": signed(t[2][2:]), "tickUpper": signed(t[3][2:]),
        "amount": amount, "amount0": amount0, "amount1": amount1,
    }  # fmt: skip


def _initialize(words: Iterable[bytes], _: list[str]) -> Args:
    root, tick = map(_from_bytes, words)
    return {"sqrtPriceX96": root, "tick": tick - _WHOLE if tick >= _HALF else tick}


def _reader(kind: str, topics: int, words: int, read: Callable[[Iterable[bytes], list[str]], Args]) -> "_Reader":
    return kind, topics, 2 + 64 * words, struct.Struct("32s" * words).unpack, read


# kind, number of topics, length of the data text, what cuts the data into words, reader
_Reader = tuple[str, int, int, Callable[[bytes], tuple[bytes, ...]], Callable[[Iterable[bytes], list[str]], Args]]
_READERS: dict[str, _Reader] = {
    SYNC: _reader("sync", 1, 2, _sync),
    SWAP: _reader("swap", 3, 4, _swap),
    MINT: _reader("mint", 2, 2, _mint),
    BURN: _reader("burn", 3, 2, _burn),
    SWAP3: _reader("swap3", 3, 5, _swap3),
    SWAP3_FEES: _reader("swap3", 3, 7, _swap3_fees),
    MINT3: _reader("mint3", 4, 4, _mint3),
    BURN3: _reader("burn3", 4, 3, _burn3),
    INITIALIZE: _reader("initialize", 1, 2, _initialize),
}
READ = frozenset(_READERS)


def fits(log: Mapping[str, Any]) -> bool:
    """Return whether `decode` reads this log: one of `SIGNATURES`, with as many topics and as much data as Uniswap's.

    Raises:
        KeyError, TypeError: it is no log.
    """
    return _fitting(log["topics"], log["data"]) is not None


def _fitting(topics: list[str], data: str) -> _Reader | None:
    known = _READERS.get(topics[0]) if topics else None
    return known if known is not None and len(topics) == known[1] and len(data) == known[2] else None


def decode(log: Mapping[str, Any]) -> PoolEvent:
    """Return a log of the node as an event.

    Raises:
        KeyError, ValueError, TypeError, IndexError: it is none of `SIGNATURES`, or cut short.
    """
    event = decode_known(log)
    if event is None:
        topics, data = log["topics"], log["data"]
        raise ValueError(f"a {_READERS[topics[0]][0]} log with {len(topics)} topics and {len(data)} characters of data")
    return event


def decode_known(log: Mapping[str, Any]) -> PoolEvent | None:
    """Return a log of the node as an event, None where it does not fit (see `fits`).

    Raises:
        KeyError, ValueError, TypeError: it is no log.
    """
    topics, data = log["topics"], log["data"]
    known = _fitting(topics, data)
    if known is None:
        return None
    kind, _, _, cut, read = known
    try:
        args = read(cut(_from_hex(data[2:])), topics)
    except struct.error:  # blanks among the digits
        raise ValueError(f"a {kind} log with data that is not hexadecimal") from None
    return _new(PoolEvent, (
        log["blockHash"], int(log["logIndex"], 16), log["transactionHash"], int(log["transactionIndex"], 16),
        _lower(log["address"]), kind, args,
    ))  # fmt: skip
