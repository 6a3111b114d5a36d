"""Everything the grown-up market can be told. Defaults give ten pools of four tokens on two chains."""

from typing import Literal

from pydantic import Field, model_validator

from arbml.collectors.simulator.config import START_2024_MS, VenueName
from arbml.config import Section

USD = "USDC"
"""The token that everything is valued in; its price is 1."""


class TokenSettings(Section):
    """One token; its efficient price, in USDC, is shown by no venue."""

    name: str = Field(min_length=1, pattern=r"^[^\s/|>]+$", description="as in the pairs")
    start_usd: float = Field(gt=0, description="price at the start, USDC")
    volatility_annual: float = Field(ge=0, description="volatility at its usual level, per square root of a year; the mean is higher")
    market_share: float = Field(ge=0, le=1, description="correlation of its returns with those of the market")


class ChainSettings(Section):
    """One chain. Its base fee follows EIP-1559: elasticity 2, change denominator 8."""

    chain_id: int = Field(ge=0, description="EIP-155 id")
    block_s: int = Field(ge=1, description="time between two blocks, s")
    base_fee_gwei: float = Field(gt=0, description="base fee at the start, at which demand fills half of a block, gwei")
    tip_gwei: float = Field(gt=0, description="usual priority fee, gwei")
    miss_share: float = Field(ge=0, lt=1, description="part of private transactions that the proposer of their block does not take")
    margin_usd: float = Field(gt=0, description="profit after gas below which the rivals do not bother, USDC")


class PoolSettings(Section):
    """One pool: v2 is a constant product, v3 concentrated liquidity of several providers. The first provider covers all prices."""

    venue: VenueName = Field(min_length=1, description="venue, without '|' or '>'")
    chain_id: int = Field(ge=0, description="its chain")
    pair: str = Field(pattern=r"^[^\s/|>]+/[^\s/|>]+$", description="BASE/QUOTE")
    kind: Literal["v2", "v3"] = Field(description="v2: the fee stays in the pool; v3: it does not")
    fee_bps: float = Field(ge=0, lt=1000, description="swap fee, bps")
    value_usd: float = Field(gt=0, description="value of all liquidity at the start, both tokens, USDC")
    trades_per_minute: float = Field(ge=0, description="trades of people who need to swap, at usual activity")
    trade_usd: float = Field(gt=0, description="median size of such a trade, USDC")
    informed_s: float = Field(gt=0, description="mean time until somebody who knows the efficient price looks at the pool, s")
    latency_ms: float = Field(gt=0, description="median time from a tick to its being known, ms")
    spacing_bps: float = Field(60.0, gt=0, description="v3: width of a tick range, bps of the price")
    range_bps: float = Field(600.0, gt=0, description="v3: how far a provider's position usually reaches on each side, bps")


class WorldPriceSettings(Section):
    """Efficient prices: a market factor and a part of each token's own, under one volatility with a fast and a slow part."""

    tail_degrees: float = Field(4.0, gt=2, description="degrees of freedom of the Student-t shocks of a second; fewer are wilder")
    fast_half_life_s: float = Field(1200, gt=0, description="time in which half of a fast deviation of the volatility is gone, s")
    slow_half_life_s: float = Field(36_000, gt=0, description="the same of a slow one, s")
    fast_spread: float = Field(0.4, ge=0, description="standard deviation of the fast part of the log volatility")
    slow_spread: float = Field(0.5, ge=0, description="standard deviation of the slow part")
    day_swing: float = Field(0.25, ge=0, lt=1, description="part by which the volatility rises at 15:00 UTC and falls at 03:00")
    jumps_per_day: float = Field(10.0, ge=0, description="of the market, at usual volatility; each leaves it nervous")
    jump_bps: float = Field(25.0, ge=0, description="standard deviation of a jump, bps")


class DemandSettings(Section):
    """Who wants into the blocks beside our pools' traders."""

    half_life_s: float = Field(600, gt=0, description="time in which half of a deviation of the demand is gone, s")
    spread: float = Field(0.35, ge=0, description="standard deviation of the logarithm of the demand")
    elasticity: float = Field(1.2, gt=0, description="by how much its logarithm falls with that of the base fee")
    volatility_link: float = Field(0.4, ge=0, description="by how much it rises with that of the volatility")
    block_noise: float = Field(0.4, ge=0, description="standard deviation of the logarithm of the demand of one block by itself")
    rushes_per_day: float = Field(12.0, ge=0, description="sudden rushes into the blocks")
    rush_log: float = Field(1.0, ge=0, description="mean size of a rush, logarithm of the demand")
    rush_half_life_s: float = Field(90, gt=0, description="time in which half of a rush is gone, s")


class ProviderSettings(Section):
    """Liquidity providers: they add, withdraw and move their ranges."""

    positions: int = Field(10, ge=2, le=64, description="positions in a v3 pool, the one over all prices included")
    full_range_share: float = Field(0.1, gt=0, lt=1, description="part of a v3 pool's value that covers all prices")
    changes_per_hour: float = Field(3.0, ge=0, description="changes in each pool")
    spread: float = Field(0.3, ge=0, description="standard deviation of the logarithm of a provider's value, and of its range")
    withdrawn_share: float = Field(0.1, ge=0, lt=1, description="part of the changes that withdraw a v3 position for the time being")


class RivalSettings(Section):
    """Other searchers on each chain: they really trade, or revert and pay. Their eagerness varies and is hidden."""

    count: int = Field(3, ge=0, le=16, description="searchers on each chain")
    reaction_s: float = Field(150.0, gt=0, description="mean time until the keenest acts on what just pays, s; the last takes thrice that")
    latency_s: float = Field(2.5, ge=0, description="age that an edge needs for the keenest to act on it, s; each next one needs that more")
    bid_share: float = Field(0.6, ge=0, lt=1, description="part of the profit that the keenest bids as priority fee; the last bids a tenth")
    eagerness: float = Field(0.8, ge=0, description="standard deviation of the logarithm of their speed")
    half_life_s: float = Field(1800, gt=0, description="time in which half of a deviation of it is gone, s")


class WorldBotSettings(Section):
    """The bot whose executions are recorded, and how any attempt in this world is sent: for one block, at a bid."""

    max_legs: int = Field(3, ge=2, le=3, description="longest cycle that the recorded bot looks for")
    min_net_usd: float = Field(0.0, description="net profit at which it sends, USDC")
    spacing_s: int = Field(15, gt=0, description="least time between two sendings, s")
    reaction_ms: int = Field(400, ge=0, lt=1000, description="time from a tick to the bot's decision; later ticks are not known to it, ms")
    latency_ms: int = Field(800, ge=0, description="time from decision to the block builder, ms: it lands in the first block after it")
    bid_share: float = Field(0.25, ge=0, lt=1, description="part of the expected net profit that is bid on top of the usual priority fee")
    headroom: float = Field(0.05, ge=0, description="part by which the base fee may rise before the attempt is too cheap to land")


MAINNET, LAYER2 = 1, 10


def _pool(  # a row of the table below
    venue: str, chain_id: int, pair: str, kind: Literal["v2", "v3"], fee_bps: float, value: float, trades: float, trade: float,
    informed_s: float, latency_ms: float, spacing_bps: float = 60.0, range_bps: float = 600.0,
) -> PoolSettings:
    return PoolSettings(
        venue=venue, chain_id=chain_id, pair=pair, kind=kind, fee_bps=fee_bps, value_usd=value, trades_per_minute=trades,
        trade_usd=trade, informed_s=informed_s, latency_ms=latency_ms, spacing_bps=spacing_bps, range_bps=range_bps,
    )  # fmt: skip


class WorldConfig(Section):
    """One simulated world. The same settings give the same rows; more hours give the same rows and then more."""

    seed: int = Field(42, ge=0, lt=2**63, description="another seed is another world")
    hours: float = Field(24.0, gt=0, le=24 * 92, description="simulated time")
    interval_ms: int = Field(5000, ge=1000, multiple_of=1000, description="time between two ticks of a pool, ms; whole seconds")
    start_ts_ms: int = Field(START_2024_MS, ge=10**11, lt=10**14, description="time of the first tick, UTC ms (2024-01-01)")
    native: str = Field("WETH", description="token that gas is paid in, on every chain")
    tokens: tuple[TokenSettings, ...] = Field((
        TokenSettings(name="WETH", start_usd=2250.0, volatility_annual=0.45, market_share=0.9),
        TokenSettings(name="WBTC", start_usd=43_000.0, volatility_annual=0.38, market_share=0.9),
        TokenSettings(name="OP", start_usd=3.7, volatility_annual=0.8, market_share=0.65),
    ), max_length=20)
    chains: tuple[ChainSettings, ...] = Field((
        ChainSettings(chain_id=MAINNET, block_s=12, base_fee_gwei=8.0, tip_gwei=0.5, miss_share=0.1, margin_usd=2.0),
        ChainSettings(chain_id=LAYER2, block_s=2, base_fee_gwei=0.02, tip_gwei=0.002, miss_share=0.02, margin_usd=0.05),
    ), min_length=1, max_length=8)
    pools: tuple[PoolSettings, ...] = Field((
        _pool("uniswap_v3", MAINNET, "WETH/USDC", "v3", 5.0, 6e7, 12, 6000, 9, 90, 10.0, 500.0),
        _pool("pancake_v3", MAINNET, "WETH/USDC", "v3", 5.0, 8e6, 4, 5000, 60, 130, 10.0, 500.0),
        _pool("sushiswap", MAINNET, "WETH/USDC", "v2", 10.0, 2.5e7, 3, 6000, 90, 150),
        _pool("uniswap_v3", MAINNET, "WBTC/WETH", "v3", 5.0, 3e7, 3, 8000, 20, 90, 10.0, 600.0),
        _pool("sushiswap", MAINNET, "WBTC/WETH", "v2", 10.0, 2.5e7, 1.5, 8000, 90, 150),
        _pool("uniswap_v3", MAINNET, "WBTC/USDC", "v3", 10.0, 2e7, 2, 8000, 30, 90, 20.0, 600.0),
        _pool("uniswap_v3_op", LAYER2, "WETH/USDC", "v3", 5.0, 8e6, 10, 800, 6, 60, 10.0, 500.0),
        _pool("velodrome", LAYER2, "WETH/USDC", "v2", 10.0, 4e6, 4, 600, 45, 80),
        _pool("uniswap_v3_op", LAYER2, "OP/USDC", "v3", 15.0, 3e6, 5, 500, 15, 60, 30.0, 900.0),
        _pool("velodrome", LAYER2, "OP/WETH", "v2", 15.0, 3e6, 3, 500, 30, 80),
    ), min_length=2, max_length=60)
    prices: WorldPriceSettings = WorldPriceSettings()
    demand: DemandSettings = DemandSettings()
    providers: ProviderSettings = ProviderSettings()
    rivals: RivalSettings = RivalSettings()
    bot: WorldBotSettings = WorldBotSettings()

    @model_validator(mode="after")
    def _fits(self) -> "WorldConfig":
        tokens, chains = {USD, *(token.name for token in self.tokens)}, {chain.chain_id for chain in self.chains}
        if len(tokens) <= len(self.tokens) or len(chains) < len(self.chains):
            raise ValueError(f"every token and chain is named once, and {USD} not at all")
        if self.native not in tokens:
            raise ValueError(f"native is {self.native}, which is none of the tokens {', '.join(sorted(tokens))}")
        for pool in self.pools:
            base, _, quote = pool.pair.partition("/")
            if base == quote or not {base, quote} <= tokens or pool.chain_id not in chains:
                known = f"two of {', '.join(sorted(tokens))}, its chain one of {', '.join(map(str, sorted(chains)))}"
                raise ValueError(f"{pool.pair} on {pool.venue}: its tokens must be {known}")
        if len({(pool.venue, pool.pair) for pool in self.pools}) < len(self.pools):
            raise ValueError("each venue and pair stands once among the pools, also over chains")
        if self.steps < 2:
            raise ValueError("hours must hold at least two intervals")
        return self

    @property
    def steps(self) -> int:
        """Number of ticks of each pool."""
        return int(self.hours * 3_600_000 / self.interval_ms)

    @property
    def interval_s(self) -> int:
        """Time between two ticks of a pool, s."""
        return self.interval_ms // 1000
