"""Decoding beside an ABI library, for any integers that the types hold; what is cut short is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.collectors.evm.decoding import (
    BURN,
    BURN3,
    INITIALIZE,
    MINT,
    MINT3,
    SIGNATURES,
    SWAP,
    SWAP3,
    SWAP3_FEES,
    SYNC,
    TRANSFER,
    decode,
    signed,
)  # fmt: skip

eth_abi = pytest.importorskip("eth_abi")
keccak = pytest.importorskip("eth_utils").keccak

# per event: kind, then (name, type, indexed) in the order of the contract
EVENTS = {
    SYNC: ("sync", [("reserve0", "uint112", False), ("reserve1", "uint112", False)]),
    SWAP: (
        "swap",
        [("sender", "address", True), ("amount0In", "uint256", False), ("amount1In", "uint256", False),
         ("amount0Out", "uint256", False), ("amount1Out", "uint256", False), ("to", "address", True)],
    ),
    MINT: ("mint", [("sender", "address", True), ("amount0", "uint256", False), ("amount1", "uint256", False)]),
    BURN: ("burn", [("sender", "address", True), ("amount0", "uint256", False), ("amount1", "uint256", False), ("to", "address", True)]),
    SWAP3: (
        "swap3",
        [("sender", "address", True), ("recipient", "address", True), ("amount0", "int256", False), ("amount1", "int256", False),
         ("sqrtPriceX96", "uint160", False), ("liquidity", "uint128", False), ("tick", "int24", False)],
    ),
    SWAP3_FEES: (
        "swap3",
        [("sender", "address", True), ("recipient", "address", True), ("amount0", "int256", False), ("amount1", "int256", False),
         ("sqrtPriceX96", "uint160", False), ("liquidity", "uint128", False), ("tick", "int24", False),
         ("protocolFeesToken0", "uint128", False), ("protocolFeesToken1", "uint128", False)],
    ),
    MINT3: (
        "mint3",
        [("sender", "address", False), ("owner", "address", True), ("tickLower", "int24", True), ("tickUpper", "int24", True),
         ("amount", "uint128", False), ("amount0", "uint256", False), ("amount1", "uint256", False)],
    ),
    BURN3: (
        "burn3",
        [("owner", "address", True), ("tickLower", "int24", True), ("tickUpper", "int24", True), ("amount", "uint128", False),
         ("amount0", "uint256", False), ("amount1", "uint256", False)],
    ),
    INITIALIZE: ("initialize", [("sqrtPriceX96", "uint160", False), ("tick", "int24", False)]),
}  # fmt: skip


def _values(kind: str) -> st.SearchStrategy[int]:
    if kind == "address":
        return st.integers(0, 2**160 - 1)
    bits = int(kind.removeprefix("u").removeprefix("int"))
    low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return st.one_of(st.sampled_from([low, high, 0]), st.integers(low, high))


def _encoded(kind: str, value: int) -> bytes:
    return eth_abi.encode([kind], [value.to_bytes(20, "big") if kind == "address" else value])


@st.composite
def logs(draw: st.DrawFn) -> tuple[dict, str, dict[str, int]]:
    """A log as a node gives it, with what it must be decoded to."""
    topic = draw(st.sampled_from(sorted(EVENTS)))
    kind, fields = EVENTS[topic]
    args = {name: draw(_values(of)) for name, of, _ in fields}
    topics = [topic, *("0x" + _encoded(of, args[name]).hex() for name, of, indexed in fields if indexed)]
    data = b"".join(_encoded(of, args[name]) for name, of, indexed in fields if not indexed)
    log = {
        "address": "0xAbCdef" + "0" * 34, "topics": topics, "data": "0x" + data.hex(), "blockNumber": "0x7", "blockHash": "0x" + "1" * 64,
        "transactionHash": "0x" + "2" * 64, "transactionIndex": "0x3", "logIndex": hex(draw(st.integers(0, 10_000))), "removed": False,
    }  # fmt: skip
    return log, kind, args


@given(logs())
def test_every_event_is_what_the_abi_says(given_: tuple[dict, str, dict[str, int]]) -> None:
    log, kind, args = given_
    event = decode(log)
    assert (event.kind, event.args) == (kind, args)
    assert (event.block_hash, event.tx_hash, event.tx_index) == (log["blockHash"], log["transactionHash"], 3)
    assert event.log_index == int(log["logIndex"], 16)
    assert event.pool == log["address"].lower()


@given(logs(), st.integers(1, 200))
def test_a_log_that_is_cut_short_is_refused(given_: tuple[dict, str, dict[str, int]], cut: int) -> None:
    log = given_[0]
    with pytest.raises(ValueError):
        decode({**log, "data": log["data"][:-cut]})
    with pytest.raises((ValueError, IndexError)):
        decode({**log, "topics": log["topics"][:-1]})


@given(logs(), st.integers(2, 60), st.sampled_from([" ", "_", "g", "\u0660"]))
def test_data_that_is_not_hexadecimal_is_refused(given_: tuple[dict, str, dict[str, int]], at: int, char: str) -> None:
    log = given_[0]
    data = log["data"][: 2 * (at // 2)] + 2 * char + log["data"][2 * (at // 2) + 2 :]
    with pytest.raises(ValueError):
        decode({**log, "data": data})


@given(st.integers(-(2**255), 2**255 - 1))
def test_twos_complement(value: int) -> None:
    assert signed(eth_abi.encode(["int256"], [value]).hex()) == value


def test_topics_are_the_hashes_of_the_signatures() -> None:
    assert {topic: "0x" + keccak(text=text).hex() for topic, text in SIGNATURES.items()} == {topic: topic for topic in SIGNATURES}
    assert "0x" + keccak(text="Transfer(address,address,uint256)").hex() == TRANSFER
    assert set(EVENTS) == set(SIGNATURES)


def test_an_event_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(KeyError):
        decode({"topics": [TRANSFER], "data": "0x"})
