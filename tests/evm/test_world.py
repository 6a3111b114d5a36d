"""The local market itself: what the tests of the collector take for true must be so."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.evm.artifacts import COMPILED, compiled
from tests.evm.chain import NodeRefused
from tests.evm.fixtures import needs_chain

if TYPE_CHECKING:
    from tests.evm.world import World

HERE = Path(__file__).parent


@needs_chain
def test_prices_are_the_same_in_all_pools_and_decimals_differ(world: "World") -> None:
    assert {t.symbol: t.decimals for t in world.tokens.values()} == {"WETH": 18, "USDC": 6, "WBTC": 8, "DAI": 18}
    assert {p.venue for p in world.pools} == {"uniswap_v2", "sushi_v2", "uniswap_v3"}
    for pool in world.pools:
        usd = {"USDC": 1, "DAI": 1, "WETH": 2000, "WBTC": 40_000}
        if pool.kind == "v2":
            reserve0, reserve1 = world.reserves(pool)
            raw = reserve1 / reserve0
        else:
            raw = (world.slot0(pool)[0] / 2**96) ** 2
        price = raw * 10 ** (pool.token0.decimals - pool.token1.decimals)
        assert price == pytest.approx(usd[pool.token0.symbol] / usd[pool.token1.symbol], rel=1e-4)


@needs_chain
def test_acts_do_what_they_say(world: "World") -> None:
    usdc, weth = world.tokens["USDC"], world.tokens["WETH"]
    v2, sushi = (world.pool(venue, "USDC", "WETH") for venue in ("uniswap_v2", "sushi_v2"))
    v3 = world.pool("uniswap_v3", "USDC", "WETH", 500)
    before = world.reserves(v2)
    assert world.swap(v2, usdc, usdc.units(1000)).ok
    assert world.reserves(v2)[v2.token0 != usdc] == before[v2.token0 != usdc] + 10**9
    assert world.swap(v3, weth, weth.units(1)).ok
    assert world.add_v2(v2, v2.token0.units(10), v2.token1.units(10_000)).ok
    assert world.remove_v2(v2, 0.1).ok
    assert world.mint_v3(v3, 10**9, 10**9).ok
    position = world.positions()[-1]
    assert world.burn_v3(position, 0.5).ok
    assert world.positions()[-1].liquidity == position.liquidity - position.liquidity // 2
    for legs in ((v2, sushi), (v2, v3)):
        sent = world.arbitrage(*legs, usdc, usdc.units(1000))
        assert sent.ok
        assert any(log["address"] == world.made.executor.address.lower() for log in sent.receipt["logs"])
    attempt = world.arbitrage_that_reverts((v2, sushi), usdc, 10**6)
    assert (attempt.ok, attempt.receipt["logs"]) == (False, [])
    assert attempt.gas_used > 100_000
    assert world.flash_arbitrage().ok
    for bps in (-300, 300):
        for pool in (v2, v3):
            old = world.slot0(pool)[0] ** 2 if pool is v3 else world.reserves(pool)[1] / world.reserves(pool)[0]
            world.move(pool, bps).succeeded()
            new = world.slot0(pool)[0] ** 2 if pool is v3 else world.reserves(pool)[1] / world.reserves(pool)[0]
            assert new / old == pytest.approx(1 + bps / 1e4, abs=2e-4)


@needs_chain
def test_a_block_takes_many_acts_in_order_and_a_reorg_replaces_it(world: "World") -> None:
    usdc, pool = world.tokens["USDC"], world.pool("sushi_v2", "USDC", "DAI")
    first = world.tip + 1
    with world.one_block():
        hashes = [world.swap(pool, usdc, 10**6 + n).hash for n in range(20)]
    old = world.block(first)
    assert ([tx["hash"] for tx in old["transactions"]], world.tip) == (hashes, first)
    assert len(world.canonical_logs(first, first)) == 40  # Sync and Swap
    world.mine(2)
    assert world.reorg(3, keep=lambda n: n % 2 == 0)[0] == old["hash"]
    new = world.block(first)
    assert (new["hash"] != old["hash"], world.tip, len(new["transactions"])) == (True, first + 2, 10)
    with pytest.raises(NodeRefused, match="unknown block"):
        world.chain.ask("eth_getLogs", {"blockHash": old["hash"]})


@needs_chain
def test_a_test_leaves_no_traces(world: "World") -> None:
    mark, tip = world.snapshot(), world.tip
    added = world.more_pools(1, 1)
    assert [p.kind for p in added] == ["v2", "v3"]
    assert world.swap(added[1], added[1].token0, 10**15).ok
    world.restore(mark)
    assert world.tip == tip


@needs_chain
def test_it_mines_by_the_clock(world: "World") -> None:
    tip = world.tip
    world.every(0.05)
    sent = world.swap(world.pools[0], world.pools[0].token0, 10**15)
    assert sent.ok
    assert sent.block > tip


def test_our_contracts_are_what_their_sources_compile_to() -> None:
    assert COMPILED.read_text() == compiled(), "compile them anew: python -m tests.evm.artifacts"


def test_the_lock_pins_everything_and_names_no_host() -> None:
    text = (HERE / "package-lock.json").read_text()
    for name, one in json.loads(text)["packages"].items():
        assert "resolved" not in one
        assert name == "" or one["integrity"].startswith("sha512-")
    assert "http" not in text
