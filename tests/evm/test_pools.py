"""Pool files and what the chain says of their pools."""

from dataclasses import replace
from pathlib import Path

import pytest

from arbml.collectors.evm.discovery import discover, symbol_text
from arbml.collectors.evm.pools import PoolFacts, Token, complete, read_pool_file, readable
from arbml.collectors.evm.transport import HttpRpc
from arbml.errors import ConfigError, SourceError
from tests.evm.collecting import pool_file
from tests.evm.fixtures import needs_chain
from tests.evm.proxy import proxied
from tests.evm.world import World

A, B, T, U = ("0x" + digit * 40 for digit in "abcd")


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no pools"),
        ("[[pool]]\n", "address None"),
        ('[[pool]]\naddress = "0x12"\nvenue = "v"', "40 hexadecimal digits"),
        (f'[[pool]]\naddress = "{A}"\nvenue = "a|b"', "venue"),
        (f'[[pool]]\naddress = "{A}"\nvenue = "v"\nfee = 3', "'fee' is not known"),
        (f'[[pool]]\naddress = "{A}"\nvenue = "v"\nfee_bps = 20000', "fee_bps"),
        (f'[[pool]]\naddress = "{A}"\nvenue = "v"\n' * 2, "twice"),
        ("[[pool]", "TOML"),
        (f'[pools]\naddress = "{A}"', "'pools' is not known"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path / "pools.toml", text)
    with pytest.raises(ConfigError, match=message) as raised:
        read_pool_file(path)
    assert str(path) in str(raised.value)


def facts(address: str, symbol0: str = "WETH", symbol1: str = "USDC", fee_bps: float | None = None) -> PoolFacts:
    return PoolFacts(address, "v2" if fee_bps is None else "v3", Token(T, symbol0, 18), Token(U, symbol1, 6), fee_bps)


def test_dollars_are_the_quote_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    text = f'[[pool]]\naddress = "{A}"\nvenue = "one"\n[[pool]]\naddress = "{B}"\nvenue = "two"\nquote = "WETH"\n'
    one, two = complete(read_pool_file(written(tmp_path / "p.toml", text)), {A: facts(A), B: facts(B, fee_bps=5.0)})
    assert (one.pair, one.fee_bps, two.pair, two.fee_bps) == ("WETH/USDC", 30.0, "USDC/WETH", 5.0)


def test_two_pools_of_one_series_and_two_tokens_of_one_name_are_refused(tmp_path: Path) -> None:
    text = f'[[pool]]\naddress = "{A}"\nvenue = "v"\n[[pool]]\naddress = "{B}"\nvenue = "v"\n'
    file = read_pool_file(written(tmp_path / "p.toml", text))
    with pytest.raises(ConfigError, match="venue of its own"):
        complete(file, {A: facts(A), B: facts(B)})
    with pytest.raises(ConfigError, match="both call themselves WETH"):
        complete(file, {A: facts(A), B: facts(B, symbol1="WETH")})
    named = replace(file, symbols={U: "FAKE"})
    with pytest.raises(ConfigError, match="venue of its own"):  # the name is mended, the venue is not
        complete(named, {A: facts(A), B: facts(B)})


def test_symbols() -> None:
    assert symbol_text(b"MKR".ljust(32, b"\0")) == "MKR"
    assert symbol_text((32).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"USDT".ljust(32, b"\0")) == "USDT"
    assert symbol_text(b"") == ""
    assert readable("a b|c>d/e", A) == "a_b_c_d_e"


@needs_chain
def test_the_chain_says_the_rest_and_is_asked_once(world: World, tmp_path: Path) -> None:
    file = read_pool_file(pool_file(world, tmp_path / "p.toml"))
    with proxied(world.url) as proxy:
        rpc = HttpRpc(proxy.url)
        pools = discover(rpc, file, tmp_path)
        asked = proxy.count("eth_call")
        assert discover(rpc, file, tmp_path) == pools
        assert proxy.count("eth_call") == asked > 0
    for ours, theirs in zip(pools, world.pools, strict=True):
        assert (ours.address, ours.kind, ours.fee_bps) == (theirs.address.lower(), theirs.kind, theirs.fee_ppm / 100)
        for token, true in ((ours.token0, theirs.token0), (ours.token1, theirs.token1)):
            assert (token.address, token.symbol, token.decimals) == (true.address.lower(), true.symbol, true.decimals)


@needs_chain
def test_what_is_no_pool_is_refused(world: World, tmp_path: Path) -> None:
    for address, message in ((A, "no contract at this address"), (world.tokens["WETH"].address, "no Uniswap v2 or v3")):
        file = read_pool_file(written(tmp_path / "p.toml", f'[[pool]]\naddress = "{address}"\nvenue = "v"\n'))
        with pytest.raises(SourceError, match=message):
            discover(HttpRpc(world.url), file, tmp_path)
