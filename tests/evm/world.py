"""A market on a local chain that a test moves: swaps, liquidity, arbitrage that pays and that reverts, blocks, reorgs.

Amounts are exact integers in the token's smallest unit. Every act is one transaction; it is mined at once unless it stands
in `with world.one_block():`. Acts return `Sent`, whose `ok`, `block`, `gas_used` and `receipt` wait for the block.
"""

import contextlib
import math
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.evm import deployment
from tests.evm.artifacts import uniswap
from tests.evm.chain import Chain
from tests.evm.deployment import SPACING, Deployment, Pool, Token
from tests.evm.sending import DEADLINE, MAX, Contract, Sent

_LOWEST, _HIGHEST = 4_295_128_740, 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_341
_ABI = {"v2": "UniswapV2Pair", "v3": "UniswapV3Pool"}


@dataclass(frozen=True, slots=True)
class Position:
    """A v3 position: the id of its NFT, its pool and its liquidity."""

    id: int
    pool: Pool
    liquidity: int


class World:
    """See the module; `made` has the addresses, `pools`, `tokens` and `actors` are short for what is asked most."""

    def __init__(self, made: Deployment) -> None:
        self.made, self.chain = made, made.chain
        self.url, self.ws_url = made.chain.url, made.chain.ws_url
        self._contracts: dict[str, Contract] = {}
        self._stop_mining = threading.Event()
        self._miner: threading.Thread | None = None

    @property
    def pools(self) -> list[Pool]:
        """All pools, v2 first."""
        return self.made.pools

    @property
    def tokens(self) -> dict[str, Token]:
        """By symbol."""
        return self.made.tokens

    @property
    def actors(self) -> dict[str, str]:
        """Addresses by name; "arbitrageur" owns the executor."""
        return self.made.actors

    def pool(self, venue: str, one: str, other: str, fee_ppm: int = 3000) -> Pool:
        """Return the pool of two symbols at uniswap_v2, sushi_v2 or uniswap_v3."""
        return self.made.pool(venue, one, other, fee_ppm)

    def more_pools(self, v2: int, v3: int) -> list[Pool]:
        """Deploy further pools, each of a new token against WETH."""
        weth, made = self.tokens["WETH"], []
        for n in range(v2 + v3):
            token = deployment.new_token(self.made, f"T{len(self.tokens)}", (6, 8, 18)[n % 3])
            if n < v2:
                made.append(deployment.new_v2_pool(self.made, ("uniswap_v2", "sushi_v2")[n % 2], token, weth, 1, 2_000))
            else:
                made.append(deployment.new_v3_pool(self.made, token, weth, 3000, 1, 2_000))
        return made

    # acts

    def swap(self, pool: Pool, token_in: Token, amount: int, actor: str = "trader", limit: int = 0, **more: Any) -> Sent:
        """Sell `amount` of `token_in` to a pool of either kind; `limit` is the sqrtPriceX96 at which a v3 pool stops."""
        out, who = pool.other(token_in), self.actors[actor]
        router = self.made.routers[pool.venue]
        if pool.kind == "v2":
            path = [token_in.address, out.address]
            return router.send(who, "swapExactTokensForTokens", amount, 0, path, who, DEADLINE, **more)
        return router.send(
            who, "exactInputSingle", (token_in.address, out.address, pool.fee_ppm, who, DEADLINE, amount, 0, limit), **more
        )  # fmt: skip

    def move(self, pool: Pool, bps: float, actor: str = "trader") -> Sent:
        """Make token0 dearer (cheaper where negative) by about `bps`, fees aside, with one swap."""
        ratio = math.sqrt(1 + bps / 1e4)
        token_in = pool.token1 if bps > 0 else pool.token0
        if pool.kind == "v3":
            limit = min(max(int(self.slot0(pool)[0] * ratio), _LOWEST), _HIGHEST)
            return self.swap(pool, token_in, token_in.units(10**8 if token_in.symbol != "WETH" else 10**5), actor, limit)
        reserve = self.reserves(pool)[1 if bps > 0 else 0]
        return self.swap(pool, token_in, int(reserve * ((ratio if bps > 0 else 1 / ratio) - 1) / 0.997) + 1, actor)

    def add_v2(self, pool: Pool, amount0: int, amount1: int, actor: str = "provider") -> Sent:
        """Add liquidity: at most these amounts, in the pool's ratio."""
        who = self.actors[actor]
        return self.made.routers[pool.venue].send(
            who, "addLiquidity", pool.token0.address, pool.token1.address, amount0, amount1, 0, 0, who, DEADLINE
        )  # fmt: skip

    def remove_v2(self, pool: Pool, share: float, actor: str = "provider") -> Sent:
        """Take out a share of what the actor has in the pool."""
        who = self.actors[actor]
        amount = int(self._at(pool).view("balanceOf", who) * share)
        return self.made.routers[pool.venue].send(
            who, "removeLiquidity", pool.token0.address, pool.token1.address, amount, 0, 0, who, DEADLINE
        )  # fmt: skip

    def mint_v3(self, pool: Pool, amount0: int, amount1: int, spacings: int = 10, actor: str = "provider") -> Sent:
        """Open a position of at most these amounts, `spacings` tick spacings to either side of the price."""
        step, who = SPACING[pool.fee_ppm], self.actors[actor]
        middle = self.slot0(pool)[1] // step * step
        edges = middle - spacings * step, middle + spacings * step
        return self.made.positions.send(
            who, "mint", (pool.token0.address, pool.token1.address, pool.fee_ppm, *edges, amount0, amount1, 0, 0, who, DEADLINE)
        )  # fmt: skip

    def positions(self, actor: str = "provider") -> list[Position]:
        """Return the v3 positions the actor owns now, whatever was reorganised away, oldest first."""
        ask, who = self.made.positions.view, self.actors[actor]
        ids = [ask("tokenOfOwnerByIndex", who, n) for n in range(ask("balanceOf", who))]
        by_pair = {(p.token0.address, p.token1.address, p.fee_ppm): p for p in self.pools if p.kind == "v3"}
        found = [(n, ask("positions", n)) for n in sorted(ids)]
        return [Position(n, by_pair[one[2], one[3], one[4]], one[7]) for n, one in found]

    def burn_v3(self, position: Position, share: float, actor: str = "provider") -> Sent:
        """Take a share of a position out and collect it, in one transaction."""
        contract, who = self.made.positions, self.actors[actor]
        less = contract.data("decreaseLiquidity", (position.id, int(position.liquidity * share), 0, 0, DEADLINE))
        collect = contract.data("collect", (position.id, who, 2**128 - 1, 2**128 - 1))
        return contract.send(who, "multicall", [less, collect])

    def execute(self, token: Token, amount: int, legs: Sequence[Pool], min_profit: int = 0, **more: Any) -> Sent:
        """Let the executor swap along `legs` with `amount` of its `token`; it reverts where it earns less than `min_profit`."""
        route = [(leg.address, int(leg.kind[1])) for leg in legs]
        return self.made.executor.send(self.actors["arbitrageur"], "execute", token.address, amount, min_profit, route, **more)

    def profit(self, token: Token, amount: int, legs: Sequence[Pool]) -> int | None:
        """Return what `execute` would earn now; None where it would revert."""
        route = [(leg.address, int(leg.kind[1])) for leg in legs]
        with contextlib.suppress(Exception):
            return int(self.made.executor.view("execute", token.address, amount, 0, route, sender=self.actors["arbitrageur"]))
        return None

    def arbitrage(self, one: Pool, other: Pool, token: Token, amount: int) -> Sent:
        """Arbitrage that pays, between two pools of the same tokens: moves a price first (one more transaction) if none does."""
        for bps in (0, 300, 600, 1200):
            if bps:
                self.move(one, bps if token == one.token1 else -bps).succeeded()
            for legs in ((one, other), (other, one)):
                if (self.profit(token, amount, legs) or 0) > 0:
                    return self.execute(token, amount, legs, min_profit=1)
        raise AssertionError(f"no profit between {one} and {other} for {amount} {token.symbol}")

    def arbitrage_that_reverts(self, legs: Sequence[Pool], token: Token, amount: int) -> Sent:
        """An attempt that is mined with status 0 and costs gas."""
        return self.execute(token, amount, legs, min_profit=MAX // 2)

    def flash(self, lender: Pool, dear: Pool, cheap: Pool, amount0: int, amount1: int) -> Sent:
        """PairFlash: borrow both amounts from `lender`, sell token0 to `dear` and token1 to `cheap`, pay back, keep the rest.

        Three v3 pools of the same tokens and different fees; both amounts must be above zero. May revert.
        """
        asked = (lender.token0.address, lender.token1.address, lender.fee_ppm, amount0, amount1, cheap.fee_ppm, dear.fee_ppm)
        return self.made.flash.send(self.actors["arbitrageur"], "initFlash", asked)

    def flash_arbitrage(self, one: str = "USDC", other: str = "WETH") -> Sent:
        """Flash arbitrage that pays: first moves a price (one more transaction) to 6 % above that of another pool."""
        lender, dear, cheap = (self.pool("uniswap_v3", one, other, fee) for fee in (10_000, 500, 3000))
        wanted, found = (self.slot0(pool)[0] ** 2 for pool in (cheap, dear))
        self.move(dear, (wanted * 1.06 / found - 1) * 1e4).succeeded()
        token0 = lender.token0
        amount0 = token0.units("0.2" if token0.symbol == "WETH" else 500)
        # the loan costs 1 % of both amounts; between 1.013 and 1.049 times the price of the cheap pool both sales pay it back
        return self.flash(lender, dear, cheap, amount0, (amount0 * wanted >> 192) * 103 // 100)

    # blocks

    @property
    def tip(self) -> int:
        """The number of the last block."""
        return int(self.chain.ask("eth_blockNumber"), 16)

    def block(self, number: int) -> dict[str, Any]:
        """Return a block of the canonical chain with its transactions, as the node gives it."""
        found: dict[str, Any] = self.chain.ask("eth_getBlockByNumber", hex(number), True)
        return found

    def mine(self, blocks: int = 1) -> None:
        """Add blocks (with what waits to be mined)."""
        self.chain.ask("anvil_mine", hex(blocks))

    @contextlib.contextmanager
    def one_block(self) -> Iterator[None]:
        """Put all acts within into one block, in the order in which they were sent."""
        self.chain.ask("evm_setAutomine", False)
        try:
            yield
        finally:
            self.chain.ask("evm_mine")
            self.chain.ask("evm_setAutomine", True)

    def every(self, seconds: float) -> None:
        """Mine by the clock from now on, in any fraction of a second, instead of with each transaction; 0 goes back to that."""
        self._stop_mining.set()
        if self._miner:
            self._miner.join()
            self._miner = None
        self.chain.ask("evm_setAutomine", seconds == 0)
        if seconds:
            self._stop_mining = stop = threading.Event()

            def mine() -> None:
                while not stop.wait(seconds):
                    self.chain.ask("evm_mine")

            self._miner = threading.Thread(target=mine, daemon=True)
            self._miner.start()

    def reorg(self, depth: int, keep: Callable[[int], bool] = lambda n: False) -> list[str]:
        """Replace the last `depth` blocks by as many others.

        Args:
            depth: how many.
            keep: which of their transactions (counted from 0) happen all the same: all in the first new block.

        Returns:
            The hashes of the orphaned blocks, lowest first.
        """
        gone = [self.block(n) for n in range(self.tip - depth + 1, self.tip + 1)]
        old = [tx for block in gone for tx in block["transactions"]]
        again = [
            {"from": tx["from"], "to": tx["to"], "data": tx["input"], "value": tx["value"], "gas": tx["gas"],
             "maxFeePerGas": tx["maxFeePerGas"], "maxPriorityFeePerGas": tx["maxPriorityFeePerGas"]}
            for n, tx in enumerate(old) if keep(n)
        ]  # fmt: skip
        self.chain.ask("anvil_reorg", depth, [[tx, 0] for tx in again])
        return [block["hash"] for block in gone]

    def base_fee(self, wei: int) -> None:
        """Set the base fee of the next block; it decays to 7 wei on a quiet chain."""
        self.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(wei))

    def snapshot(self) -> str:
        """Return a mark to which `restore` goes back."""
        mark: str = self.chain.ask("evm_snapshot")
        return mark

    def restore(self, mark: str) -> None:
        """Go back to a mark; it can be used once."""
        assert self.chain.ask("evm_revert", mark)

    # what is true

    def canonical_logs(self, first: int, last: int, pools: Sequence[Pool] | None = None) -> list[dict[str, Any]]:
        """Return the logs of pools (all where None) in a range of blocks, as the node gives them."""
        addresses = [pool.address for pool in (self.pools if pools is None else pools)]
        found: list[dict[str, Any]] = self.chain.ask(
            "eth_getLogs", {"fromBlock": hex(first), "toBlock": hex(last), "address": addresses}
        )  # fmt: skip
        return found

    def reserves(self, pool: Pool, block: int | str = "latest") -> tuple[int, int]:
        """Return (reserve0, reserve1) of a v2 pool."""
        reserve0, reserve1, _ = self._at(pool).view("getReserves", block=block)
        return reserve0, reserve1

    def slot0(self, pool: Pool, block: int | str = "latest") -> tuple[int, int]:
        """Return (sqrtPriceX96, tick) of a v3 pool."""
        price, tick, *_ = self._at(pool).view("slot0", block=block)
        return price, tick

    def liquidity(self, pool: Pool, block: int | str = "latest") -> int:
        """Return the liquidity of a v3 pool at its price."""
        return int(self._at(pool).view("liquidity", block=block))

    def ticks(self, pool: Pool, tick: int, block: int | str = "latest") -> tuple[int, int]:
        """Return (liquidityGross, liquidityNet) of a tick of a v3 pool."""
        gross, net, *_ = self._at(pool).view("ticks", tick, block=block)
        return gross, net

    def _at(self, pool: Pool) -> Contract:
        if pool.address not in self._contracts:
            abi = uniswap(_ABI[pool.kind]).abi
            self._contracts[pool.address] = Contract(self.chain, self.made.w3, abi, pool.address)
        return self._contracts[pool.address]


@contextlib.contextmanager
def started_world(block_time_s: float | None = None) -> Iterator[World]:
    """Start a chain with everything on it; for benchmarks and for tests that need a chain of their own."""
    with tempfile.TemporaryDirectory(prefix="arbml-evm-") as folder:
        chain = Chain(Path(folder))
        try:
            world = World(deployment.deploy_world(chain))
            if block_time_s:
                world.every(block_time_s)
            yield world
            world.every(0)
        finally:
            chain.stop()
