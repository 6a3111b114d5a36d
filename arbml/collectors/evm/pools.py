"""Which pools are watched, and what they are: a file names addresses and venues, the chain says the rest."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from arbml.errors import ConfigError

Kind = Literal["v2", "v3"]

# of two tokens the one that comes first here is the quote; dollars in any spelling come before all
_QUOTES = ("DAI", "FRAX", "LUSD", "WETH", "ETH", "WBNB", "WMATIC", "WAVAX", "WBTC")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_VENUE = re.compile(r"[^|>\x00-\x1f]+")
_FIELDS = {"address", "venue", "base", "quote", "fee_bps"}
# Uniswap v2 takes 0.3 %; the contract does not say so
_V2_FEE_BPS = 30.0


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """One pool as the file names it. `base` or `quote` is a symbol or an address; the chain's order decides without them."""

    address: str
    venue: str
    base: str | None = None
    quote: str | None = None
    fee_bps: float | None = None


@dataclass(frozen=True, slots=True)
class PoolFile:
    """The entries in order, and names for tokens whose own symbol is not wanted, by lower-case address."""

    path: Path
    entries: tuple[PoolEntry, ...]
    symbols: dict[str, str]


@dataclass(frozen=True, slots=True)
class Token:
    """An ERC-20 token: lower-case address, symbol fit for a pair, and by how many digits its integers are shifted."""

    address: str
    symbol: str
    decimals: int


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What a pool says of itself. `fee_bps` is None where it does not say (v2)."""

    address: str
    kind: Kind
    token0: Token
    token1: Token
    fee_bps: float | None


@dataclass(frozen=True, slots=True)
class EvmPool:
    """A watched pool, complete.

    Attributes:
        address: lower-case. base_is_0: whether token0 is the base of the pair.
    """

    address: str
    kind: Kind
    venue: str
    token0: Token
    token1: Token
    base_is_0: bool
    fee_bps: float

    @property
    def base(self) -> Token:
        """The token that is priced."""
        return self.token0 if self.base_is_0 else self.token1

    @property
    def quote(self) -> Token:
        """The token it is priced in."""
        return self.token1 if self.base_is_0 else self.token0

    @property
    def pair(self) -> str:
        """E.g. "WETH/USDC"."""
        return f"{self.base.symbol}/{self.quote.symbol}"


def read_pool_file(path: Path) -> PoolFile:
    """Read the pools to watch.

    Raises:
        ConfigError: naming the file, the entry and what is wrong with it.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; it lists the pools, [[pool]] address = \"0x...\" venue = \"uniswap_v2\" each") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}; it must be a readable TOML file") from error
    unknown = sorted(set(data) - {"pool", "symbols"})
    if unknown:
        raise ConfigError(f"{path}: '{unknown[0]}' is not known; the file has [[pool]] entries and a [symbols] table")
    pools, symbols = data.get("pool"), data.get("symbols", {})
    if not isinstance(pools, list) or not pools:
        raise ConfigError(f"{path}: no pools; write [[pool]] with address and venue for each")
    if not isinstance(symbols, dict) or not all(isinstance(v, str) and _ADDRESS.fullmatch(k) for k, v in symbols.items()):
        raise ConfigError(f"{path}: [symbols] gives names to token addresses, \"0x...\" = \"USDC.e\"")
    entries = tuple(_entry(path, number, one) for number, one in enumerate(pools, 1))
    seen: set[str] = set()
    for entry in entries:
        if entry.address in seen:
            raise ConfigError(f"{path}: pool {entry.address} stands there twice; keep one")
        seen.add(entry.address)
    return PoolFile(path, entries, {k.lower(): readable(v, k) for k, v in symbols.items()})


def _entry(path: Path, number: int, one: Any) -> PoolEntry:
    where = f"{path}: pool {number}"
    if not isinstance(one, dict):
        raise ConfigError(f"{where}: write it as a [[pool]] table")
    unknown = sorted(set(one) - _FIELDS)
    if unknown:
        raise ConfigError(f"{where}: '{unknown[0]}' is not known; a pool has {', '.join(sorted(_FIELDS))}")
    address, venue, fee = one.get("address"), one.get("venue"), one.get("fee_bps")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise ConfigError(f"{where}: address {address!r} is not 0x and 40 hexadecimal digits")
    if not isinstance(venue, str) or not _VENUE.fullmatch(venue):
        raise ConfigError(f"{where}: venue {venue!r} must be a name without '|' and '>', e.g. \"uniswap_v2\"")
    for name in ("base", "quote"):
        if not isinstance(one.get(name), str | None):
            raise ConfigError(f"{where}: {name} {one[name]!r} must be a symbol or an address")
    if fee is not None and (isinstance(fee, bool) or not isinstance(fee, int | float) or not 0 <= fee < 10_000):
        raise ConfigError(f"{where}: fee_bps {fee!r} must be a number from 0 to 10000; 0.3 % is 30")
    return PoolEntry(address.lower(), venue, one.get("base"), one.get("quote"), None if fee is None else float(fee))


def readable(symbol: str, address: str) -> str:
    """Return a symbol that pairs and routes can carry, or a short form of the address where nothing of it is left.

    >>> readable("USD/T ", "0xdac17f958d2ee523a2206206994597c13d831ec7"), readable("", "0xdac17f958d2ee523a2206206994597c13d831ec7")
    ('USD_T', '0xdac17f95')
    """
    cleaned = "".join(c if c.isprintable() and c not in "/|>" and not c.isspace() else "_" for c in symbol.strip().strip("\0"))
    return cleaned[:32] or address[:10].lower()


def complete(file: PoolFile, facts: dict[str, PoolFacts]) -> tuple[EvmPool, ...]:
    """Return the pools of the file with what the chain says of each.

    Raises:
        ConfigError: a base that is not a token of its pool, a fee for a pool that says its own, two tokens of one symbol, or
            two pools of one venue and pair.
    """
    pools = tuple(_completed(file, entry, facts[entry.address]) for entry in file.entries)
    tokens: dict[str, str] = {}
    streams: dict[tuple[str, str], str] = {}
    for pool in pools:
        for token in (pool.token0, pool.token1):
            if tokens.setdefault(token.symbol, token.address) != token.address:
                raise ConfigError(
                    f"{file.path}: {tokens[token.symbol]} and {token.address} both call themselves {token.symbol}; "
                    f"name one in [symbols], \"{token.address}\" = \"{token.symbol}.2\""
                )
        if streams.setdefault((pool.venue, pool.pair), pool.address) != pool.address:
            raise ConfigError(
                f"{file.path}: pools {streams[pool.venue, pool.pair]} and {pool.address} are both {pool.pair} at {pool.venue}; "
                f"give each a venue of its own, e.g. \"{pool.venue}_{pool.fee_bps:g}bps\""
            )
    return pools


def _completed(file: PoolFile, entry: PoolEntry, facts: PoolFacts) -> EvmPool:
    token0, token1 = (
        Token(token.address, file.symbols.get(token.address, token.symbol), token.decimals) for token in (facts.token0, facts.token1)
    )
    fee = facts.fee_bps
    if fee is None:
        fee = _V2_FEE_BPS if entry.fee_bps is None else entry.fee_bps
    elif entry.fee_bps not in (None, fee):
        raise ConfigError(f"{file.path}: pool {entry.address} says its fee is {fee:g} bps, not {entry.fee_bps:g}; leave fee_bps out")
    base_is_0 = _rank(token0.symbol) >= _rank(token1.symbol)
    for name, wanted in (("quote", entry.quote), ("base", entry.base)):
        if wanted is not None:
            is_0 = wanted.lower() in (token0.address, token0.symbol.lower())
            if not is_0 and wanted.lower() not in (token1.address, token1.symbol.lower()):
                raise ConfigError(
                    f"{file.path}: pool {entry.address} has the tokens {token0.symbol} and {token1.symbol}; {name} '{wanted}' is neither"
                )
            base_is_0 = is_0 if name == "base" else not is_0
    return EvmPool(entry.address, facts.kind, entry.venue, token0, token1, base_is_0, fee)


def _rank(symbol: str) -> int:
    upper = symbol.upper()
    if "USD" in upper:
        return 0
    return _QUOTES.index(upper) + 1 if upper in _QUOTES else len(_QUOTES) + 1


def read_watch(addresses: Sequence[str]) -> frozenset[str]:
    """Return watched addresses in lower case.

    Raises:
        ConfigError: one is no address.
    """
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise ConfigError(f"--watch {address!r} is not 0x and 40 hexadecimal digits")
    return frozenset(address.lower() for address in addresses)
