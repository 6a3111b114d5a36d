"""What stands on the chain before a test acts: tokens, two v2 factories, v3, the executor, Multicall3, pools and funded actors."""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from web3 import HTTPProvider, Web3

from tests.evm.artifacts import Artifact, ours, uniswap
from tests.evm.chain import Chain
from tests.evm.sending import DEADLINE, MAX, Contract, deploy

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
SPACING = {500: 10, 3000: 60, 10_000: 200}
_MAX_TICK = 887_272


@dataclass(frozen=True, slots=True)
class Token:
    """An ERC-20 token; `address` has a checksum."""

    address: str
    symbol: str
    decimals: int

    def units(self, amount: float | str) -> int:
        """Return an amount in the token's smallest unit: exactly `amount * 10**decimals`."""
        return int(Decimal(str(amount)).scaleb(self.decimals))


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool; `fee_ppm` is in millionths (3000 for v2), `venue` is uniswap_v2, sushi_v2 or uniswap_v3."""

    address: str
    kind: Literal["v2", "v3"]
    venue: str
    token0: Token
    token1: Token
    fee_ppm: int

    def other(self, token: Token) -> Token:
        """Return the token that one gets for `token`."""
        return self.token1 if token == self.token0 else self.token0


@dataclass
class Deployment:
    """Addresses and contracts; `actors` own tokens and have approved every router."""

    chain: Chain
    w3: Web3
    actors: dict[str, str]
    tokens: dict[str, Token]
    factories: dict[str, Contract]
    routers: dict[str, Contract]
    positions: Contract
    flash: Contract
    executor: Contract
    pools: list[Pool] = field(default_factory=list)

    def pool(self, venue: str, one: str, other: str, fee_ppm: int = 3000) -> Pool:
        """Return the pool of two symbols."""
        return next(p for p in self.pools if (p.venue, p.fee_ppm, {p.token0.symbol, p.token1.symbol}) == (venue, fee_ppm, {one, other}))


ACTORS = ("deployer", "provider", "trader", "noise", "arbitrageur", "rival")
# what a whole token is worth in USD, so that all pools start at the same prices
USD = {"USDC": 1, "DAI": 1, "WETH": 2_000, "WBTC": 40_000}
V2_POOLS = (
    ("uniswap_v2", "USDC", "WETH"), ("uniswap_v2", "DAI", "WETH"), ("uniswap_v2", "WBTC", "WETH"), ("sushi_v2", "USDC", "WETH"),
    ("sushi_v2", "DAI", "WETH"), ("sushi_v2", "USDC", "DAI"),
)  # fmt: skip
V3_POOLS = (
    ("USDC", "WETH", 500), ("USDC", "WETH", 3000), ("USDC", "WETH", 10_000), ("WBTC", "WETH", 3000), ("USDC", "DAI", 500),
)  # fmt: skip
_V2_DEPTH_USD, _V3_DEPTH_USD = 1_000_000, 400_000


def deploy_world(chain: Chain) -> Deployment:
    """Deploy everything; about a second."""
    w3 = Web3(HTTPProvider(chain.url, cache_allowed_requests=True, cacheable_requests={"eth_chainId"}))  # else asked twice a call
    actors = dict(zip(ACTORS, map(Web3.to_checksum_address, chain.ask("eth_accounts")), strict=False))
    me = actors["deployer"]

    def put(artifact: Artifact, *args: Any, sender: str = me) -> Contract:
        return deploy(chain, w3, sender, artifact, *args)

    weth = put(uniswap("WETH9"))
    factories = {venue: put(uniswap("UniswapV2Factory"), me) for venue in ("uniswap_v2", "sushi_v2")}
    routers = {venue: put(uniswap("UniswapV2Router02"), one.address, weth.address) for venue, one in factories.items()}
    factories["uniswap_v3"] = v3 = put(uniswap("UniswapV3Factory"))
    routers["uniswap_v3"] = put(uniswap("SwapRouter"), v3.address, weth.address)
    positions = put(uniswap("NonfungiblePositionManager"), v3.address, weth.address, me)
    flash = put(uniswap("PairFlash"), routers["uniswap_v3"].address, v3.address, weth.address)
    executor = put(ours("executor"), sender=actors["arbitrageur"])
    chain.ask("anvil_setCode", MULTICALL3, ours("multicall").runtime)
    made = Deployment(chain, w3, actors, {"WETH": Token(weth.address, "WETH", 18)}, factories, routers, positions, flash, executor)
    for symbol, decimals in (("USDC", 6), ("WBTC", 8), ("DAI", 18)):
        new_token(made, symbol, decimals)
    _fund(made, made.tokens["WETH"], 0)
    for venue, one, other in V2_POOLS:
        new_v2_pool(made, venue, made.tokens[one], made.tokens[other], USD[one], USD[other])
    for one, other, fee_ppm in V3_POOLS:
        new_v3_pool(made, made.tokens[one], made.tokens[other], fee_ppm, USD[one], USD[other])
    return made


def new_token(made: Deployment, symbol: str, decimals: int) -> Token:
    """Deploy a token, give every actor and the executor a fortune of it and approve all routers."""
    contract = deploy(made.chain, made.w3, made.actors["deployer"], ours("token"), symbol, symbol, decimals)
    token = Token(contract.address, symbol, decimals)
    made.tokens[symbol] = token
    _fund(made, token, token.units(10**9))
    return token


def _fund(made: Deployment, token: Token, each: int) -> None:
    """Mint (or, for WETH, wrap) for all actors and approve, in as few blocks as fit."""
    chain, sent = made.chain, []
    contract = Contract(chain, made.w3, uniswap("WETH9").abi if token.symbol == "WETH" else ours("token").abi, token.address)
    spenders = [*made.routers.values(), made.positions]
    chain.ask("evm_setAutomine", False)
    for actor in made.actors.values():
        if token.symbol == "WETH":
            chain.ask("anvil_setBalance", actor, hex(10**7 * 10**18))
            sent.append(contract.send(actor, "deposit", value=10**6 * 10**18))
        else:
            sent.append(contract.send(actor, "mint", actor, each))
        sent += [contract.send(actor, "approve", spender.address, MAX, gas=60_000) for spender in spenders]
    owner = made.actors["arbitrageur"]
    sent.append(
        contract.send(owner, "transfer", made.executor.address, 10**5 * 10**18)
        if token.symbol == "WETH" else contract.send(owner, "mint", made.executor.address, each)
    )  # fmt: skip
    chain.ask("evm_mine")
    chain.ask("evm_setAutomine", True)
    for one in sent:
        one.succeeded()


def new_v2_pool(made: Deployment, venue: str, one: Token, other: Token, usd_one: float, usd_other: float) -> Pool:
    """Create a pair whose sides are worth the same, owned by the provider."""
    provider, router = made.actors["provider"], made.routers[venue]
    amounts = one.units(_V2_DEPTH_USD / usd_one), other.units(_V2_DEPTH_USD / usd_other)
    router.send(
        provider, "addLiquidity", one.address, other.address, *amounts, 0, 0, provider, DEADLINE, gas=5_000_000
    ).succeeded()  # fmt: skip
    address = made.factories[venue].view("getPair", one.address, other.address)
    pair = Contract(made.chain, made.w3, uniswap("UniswapV2Pair").abi, address)
    for actor in made.actors.values():
        pair.send(actor, "approve", router.address, MAX, gas=60_000)
    return _known(made, Pool(address, "v2", venue, *ordered(one, other), 3000))


def new_v3_pool(made: Deployment, one: Token, other: Token, fee_ppm: int, usd_one: float, usd_other: float) -> Pool:
    """Create a pool with one position over the whole range, owned by the provider."""
    provider, worth = made.actors["provider"], {one: usd_one, other: usd_other}
    token0, token1 = ordered(one, other)
    amounts = [token.units(_V3_DEPTH_USD / worth[token]) for token in (token0, token1)]
    price_x192 = (amounts[1] << 192) // amounts[0]
    made.positions.send(
        provider, "createAndInitializePoolIfNecessary", token0.address, token1.address, fee_ppm, math.isqrt(price_x192), gas=8_000_000
    ).succeeded()
    edge = _MAX_TICK // SPACING[fee_ppm] * SPACING[fee_ppm]
    whole = (token0.address, token1.address, fee_ppm, -edge, edge, *amounts, 0, 0, provider, DEADLINE)
    made.positions.send(provider, "mint", whole).succeeded()
    address = made.factories["uniswap_v3"].view("getPool", token0.address, token1.address, fee_ppm)
    return _known(made, Pool(address, "v3", "uniswap_v3", token0, token1, fee_ppm))


def ordered(one: Token, other: Token) -> tuple[Token, Token]:
    """Return two tokens as a pool names them: the lower address first."""
    return (one, other) if int(one.address, 16) < int(other.address, 16) else (other, one)


def _known(made: Deployment, pool: Pool) -> Pool:
    made.pools.append(pool)
    return pool
