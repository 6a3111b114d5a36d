"""Flash arbitrage of Uniswap's own example contract, which pays its caller: the profit is what the caller's balance says."""

from pathlib import Path

import pytest

from arbml.clock import SystemClock
from arbml.collectors.evm.head import Follower
from arbml.config import StoreConfig
from arbml.store import Store
from tests.evm.collecting import reader
from tests.evm.fixtures import needs_chain
from tests.evm.world import World

pytestmark = needs_chain


def test_pair_flash(world: World, tmp_path: Path) -> None:
    usdc, weth = world.tokens["USDC"], world.tokens["WETH"]
    dear, cheap, lender = (world.pool("uniswap_v3", "USDC", "WETH", fee) for fee in (500, 3000, 10_000))
    world.swap(dear, usdc, usdc.units(60_000)).succeeded()
    with Store.open(StoreConfig(), tmp_path / "home") as store:
        follower = Follower(reader(world, tmp_path), store.chain, SystemClock())
        follower.poll()
        amounts = {usdc: usdc.units(3_000), weth: weth.units(1)}
        sent = [
            world.flash(lender, one, other, amounts[lender.token0] * share // 100, amounts[lender.token1])
            for one, other in ((dear, cheap), (cheap, dear)) for share in (100, 110, 120, 130)
        ]  # fmt: skip
        landed = {one.hash: one for one in sent if one.ok}
        reverted = {one.hash for one in sent if not one.ok}
        assert landed
        assert reverted
        follower.poll()
        found = store.executions.read().set_index("request_id")
    assert set(found.index[found["result"] == "reverted"]) == reverted
    assert set(found.index[found["result"] == "success"]) <= set(landed)
    assert len(found[found["result"] == "success"])
    for hash_, row in found[found["result"] == "success"].iterrows():
        assert row["profit_token"] in ("USDC", "WETH")
        assert row["profit"] == pytest.approx(_gained(world, landed[str(hash_)].receipt, row["profit_token"]), abs=5.0)


def _gained(world: World, receipt: dict, token: str) -> float:
    """What the sender's balances say, net of gas, at about 2000 USDC for one WETH."""
    number = int(receipt["blockNumber"], 16)
    worth = 0.0
    for symbol, usd in (("USDC", 1.0), ("WETH", 2_000.0)):
        one = world.tokens[symbol]
        data = "0x70a08231" + f"{int(receipt['from'], 16):064x}"
        after, before = (int(world.chain.ask("eth_call", {"to": one.address, "data": data}, hex(n)), 16) for n in (number, number - 1))
        worth += (after - before) / 10**one.decimals * usd
    worth -= int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16) / 1e18 * 2_000
    return worth if token == "USDC" else worth / 2_000
