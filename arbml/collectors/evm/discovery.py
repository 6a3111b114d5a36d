"""What pools and tokens say of themselves, asked once and remembered under the home."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from arbml.collectors.evm.multicall import answer, good
from arbml.collectors.evm.pools import EvmPool, PoolFacts, PoolFile, Token, complete, readable
from arbml.collectors.evm.rpc import Rpc
from arbml.collectors.evm.states import GET_RESERVES, LIQUIDITY, SLOT0
from arbml.errors import SourceError, TransientError

TOKEN0, TOKEN1, FEE, DECIMALS, SYMBOL = "0dfe1681", "d21220a7", "ddca3f43", "313ce567", "95d89b41"
_MOST_DECIMALS = 77  # beyond them one token is more than 256 bits
_AT_ONCE = 100


def discover(rpc: Rpc, file: PoolFile, home: Path) -> tuple[EvmPool, ...]:
    """Return the pools of the file, complete; what was asked before on this chain is read from `home`.

    Raises:
        SourceError: an address without code, or a contract that is no Uniswap v2 or v3 pool, or no token.
        ConfigError: what `complete` raises. TransientError: the node did not answer.
    """
    cache = _Cache(home / "evm" / f"{_chain_name(rpc)}.json")
    missing = [entry.address for entry in file.entries if entry.address not in cache.pools]
    if missing:
        found = _pools(rpc, missing)
        tokens = _tokens(rpc, sorted({token for _, _, *pair, _ in found for token in pair}))
        for address, kind, token0, token1, fee in found:
            cache.pools[address] = PoolFacts(address, kind, tokens[token0], tokens[token1], fee)
        cache.save()
    return complete(file, cache.pools)


def _chain_name(rpc: Rpc) -> str:
    """Chain id and the beginning of the genesis hash: every local chain has the same id."""
    chain_id, genesis = map(good, rpc.batch([("eth_chainId", []), ("eth_getBlockByNumber", ["0x0", False])]))
    if genesis is None:
        raise TransientError("the node does not show its first block; it may still be starting")
    return f"{int(chain_id, 16)}-{genesis['hash'][2:10]}"


def _pools(rpc: Rpc, addresses: Sequence[str]) -> list[tuple[str, Any, str, str, float | None]]:
    """Return address, kind, token0, token1 and fee of each pool."""
    wanted = (TOKEN0, TOKEN1, FEE, GET_RESERVES, SLOT0, LIQUIDITY)
    found = []
    for address in addresses:
        code, *answers = rpc.batch([("eth_getCode", [address, "latest"]), *(_call(address, data) for data in wanted)])
        if good(code) in (None, "0x"):
            raise SourceError(f"pool {address}: there is no contract at this address on this chain; check address and chain")
        token0, token1, fee, reserves, slot0, liquidity = map(answer, answers)
        v2, v3 = len(reserves) == 96, len(slot0) >= 64 and len(liquidity) == 32 and len(fee) == 32
        if len(token0) != 32 or len(token1) != 32 or v2 == v3:
            raise SourceError(f"pool {address}: this contract is no Uniswap v2 or v3 style pool; take it out of the pool file")
        fee_bps = int.from_bytes(fee, "big") / 100 if v3 else None
        found.append((address, "v3" if v3 else "v2", *("0x" + token[12:].hex() for token in (token0, token1)), fee_bps))
    return found  # type: ignore[return-value]  # two tokens are two texts


def _tokens(rpc: Rpc, addresses: Sequence[str]) -> dict[str, Token]:
    tokens = {}
    for start in range(0, len(addresses), _AT_ONCE):
        some = addresses[start : start + _AT_ONCE]
        answers = rpc.batch([_call(address, data) for address in some for data in (DECIMALS, SYMBOL)])
        for i, address in enumerate(some):
            decimals, symbol = answer(answers[2 * i]), answer(answers[2 * i + 1])
            places = int.from_bytes(decimals, "big") if len(decimals) == 32 else -1
            if not 0 <= places <= _MOST_DECIMALS:
                raise SourceError(f"token {address}: it does not say its decimals(), so its amounts mean nothing; leave its pools out")
            tokens[address] = Token(address, readable(symbol_text(symbol), address), places)
    return tokens


def symbol_text(answer: bytes) -> str:
    """Return the symbol in an ABI string, or in the 32 bytes of early tokens such as MKR; "" where it is neither.

    >>> symbol_text(b"MKR".ljust(32, bytes(1)))
    'MKR'
    """
    text = answer
    if len(answer) >= 64 and int.from_bytes(answer[:32], "big") == 32:
        text = answer[64 : 64 + int.from_bytes(answer[32:64], "big")]
    elif len(answer) != 32:
        return ""
    return text.rstrip(b"\0").decode("utf-8", errors="replace")


def _call(address: str, data: str) -> tuple[str, list[Any]]:
    return "eth_call", [{"to": address, "data": "0x" + data}, "latest"]


class _Cache:
    """Facts by address in one file; a file that cannot be read is asked for anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pools: dict[str, PoolFacts] = {}
        try:
            for row in orjson.loads(path.read_bytes()):
                row["token0"], row["token1"] = Token(**row["token0"]), Token(**row["token1"])
                self.pools[row["address"]] = PoolFacts(**row)
        except (OSError, ValueError, TypeError, KeyError):
            self.pools = {}

    def save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(f".{os.getpid()}")
        beside.write_bytes(orjson.dumps(list(self.pools.values()), option=orjson.OPT_INDENT_2))
        os.replace(beside, self._path)
