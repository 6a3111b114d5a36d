"""Everything the simulated market can be told. Defaults give one day of a liquid pair on three venues."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from arbml.config import Section

START_2024_MS = 1_704_067_200_000


def _fits_a_route(value: str) -> str:
    if any(sign in value for sign in "|>"):
        raise ValueError("a venue's name may not contain '|' or '>'")
    return value


VenueName = Annotated[str, AfterValidator(_fits_a_route)]


class VenueSettings(Section):
    """One constant-product pool."""

    name: VenueName = Field(min_length=1, description="venue, without '|' or '>'")
    fee_bps: float = Field(ge=0, lt=1000, description="swap fee, bps; it stays in the pool")
    reserve_quote: float = Field(gt=0, description="quote reserve at the start, whole tokens; the base reserve follows from the price")
    reaction_s: float = Field(gt=0, description="mean time until somebody who knows the efficient price looks at the pool, s")
    latency_ms: float = Field(gt=0, description="median time from a tick to its being known, ms")
    trades_per_minute: float = Field(ge=0, description="noise trades of people who need to swap")
    trade_quote: float = Field(gt=0, description="median size of a noise trade, quote")


class PriceSettings(Section):
    """The efficient price, which no venue shows."""

    start: float = Field(2250.0, gt=0, description="quote per base")
    volatility_annual: float = Field(0.55, gt=0, description="volatility at its usual level, per square root of a year")
    volatility_half_life_s: float = Field(1800, gt=0, description="time in which half of a deviation of the volatility is gone, s")
    volatility_of_volatility: float = Field(0.6, ge=0, description="standard deviation of the logarithm of the volatility")
    day_swing: float = Field(0.25, ge=0, lt=1, description="part by which the volatility rises at 15:00 UTC and falls at 03:00")
    tail_degrees: float = Field(5.0, gt=2, description="degrees of freedom of the Student-t returns; fewer are wilder")
    jumps_per_day: float = Field(12.0, ge=0, description="each leaves the market nervous")
    jump_bps: float = Field(25.0, ge=0, description="standard deviation of a jump, bps")


class GasSettings(Section):
    """The gas price, the same for all venues."""

    mean_gwei: float = Field(8.0, gt=0, description="usual level")
    half_life_s: float = Field(900, gt=0, description="time in which half of a deviation is gone, s")
    spread: float = Field(0.25, ge=0, description="standard deviation of the logarithm of the gas price without spikes")
    volatility_link: float = Field(0.5, ge=0, description="by how much its logarithm rises with that of the volatility")
    spikes_per_day: float = Field(24.0, ge=0, description="at usual volatility; proportional to it")
    spike_log: float = Field(0.6, ge=0, description="mean size of a spike, logarithm of the gas price")
    spike_half_life_s: float = Field(90, gt=0, description="time in which half of a spike is gone, s")


class CompetitionSettings(Section):
    """Other searchers, who close gaps between the venues. Their eagerness varies and is not shown."""

    reaction_s: float = Field(60.0, gt=0, description="mean time until one of them acts on a gap that pays, s, at usual eagerness")
    eagerness: float = Field(0.6, ge=0, description="standard deviation of the logarithm of their speed")
    half_life_s: float = Field(1200, gt=0, description="time in which half of a deviation of it is gone, s")
    margin_bps: float = Field(3.0, ge=0, description="edge after fees below which they do not bother, bps")


class BotSettings(Section):
    """The bot whose executions are recorded, and what makes them succeed.

    It sends when the known edge is at least `min_edge_bps`, not before `spacing_s` after the last time: a selection that
    the recorded executions share. The logit of the probability of success is

        base + edge * tanh(n / 8) + gas * g + age * a + volatility * v + competition * c

    with n the expected net profit in bps of the amount, g the log of the gas price over its mean of the last 10 minutes (the
    bot bids that mean), a the log of 1 + (age of the edge / 15 s), v the log of the volatility over its usual level and c the
    hidden log eagerness of the competition in standard deviations.
    """

    min_edge_bps: float = Field(11.0, ge=0, description="gap between the venues at which it sends, bps")
    spacing_s: float = Field(15.0, gt=0, description="least time between two sendings, s")
    reaction_ms: int = Field(400, ge=0, description="time from a tick to the bot's decision; later ticks are not known to it, ms")
    landing_ms: float = Field(4500, gt=0, description="median time from decision to result, ms")
    slippage_bps: float = Field(0.5, ge=0, description="standard deviation of a success's profit around the expected, bps of the amount")
    revert_share: float = Field(0.55, ge=0, le=1, description="part of the non-successes that land, revert and pay gas")
    base: float = Field(0.6, description="constant of the logit")
    edge: float = Field(2.0, description="weight of the net edge")
    gas: float = Field(-1.6, description="weight of the gas price")
    age: float = Field(-0.9, description="weight of the age of the edge")
    volatility: float = Field(-0.8, description="weight of the volatility")
    competition: float = Field(-0.8, description="weight of the hidden competition")


class SimulatorConfig(Section):
    """One simulated market. The same settings give the same rows; more hours give the same rows and then more."""

    seed: int = Field(42, ge=0, description="another seed is another market")
    hours: float = Field(24.0, gt=0, le=24 * 92, description="simulated time")
    interval_ms: int = Field(5000, ge=1000, description="time between two ticks of a venue, ms")
    start_ts_ms: int = Field(START_2024_MS, ge=10**11, lt=10**14, description="time of the first tick, UTC ms (2024-01-01)")
    pair: str = Field("WETH/USDC", pattern=r"^[^\s/|>]+/[^\s/|>]+$", description="BASE/QUOTE")
    chain_id: int = Field(1, ge=0, description="chain of all venues")
    venues: tuple[VenueSettings, ...] = (
        VenueSettings(name="uniswap", fee_bps=5, reserve_quote=2e8, reaction_s=6, latency_ms=90, trades_per_minute=10, trade_quote=8000),
        VenueSettings(name="sushiswap", fee_bps=5, reserve_quote=1e8, reaction_s=25, latency_ms=130, trades_per_minute=4, trade_quote=6000),
        VenueSettings(name="curve", fee_bps=4, reserve_quote=8e7, reaction_s=45, latency_ms=180, trades_per_minute=2, trade_quote=6000),
    )
    liquidity_changes_per_hour: float = Field(6.0, ge=0, description="deposits and withdrawals at each venue")
    liquidity_spread: float = Field(0.25, ge=0, description="standard deviation of the logarithm of a venue's depth")
    price: PriceSettings = PriceSettings()
    gas: GasSettings = GasSettings()
    competition: CompetitionSettings = CompetitionSettings()
    bot: BotSettings = BotSettings()

    @model_validator(mode="after")
    def _market(self) -> "SimulatorConfig":
        names = [venue.name for venue in self.venues]
        if len(set(names)) < 2 or len(set(names)) < len(names):
            raise ValueError("a market needs two or more venues with different names")
        if self.steps < 2:
            raise ValueError("hours must hold at least two intervals")
        return self

    @property
    def steps(self) -> int:
        """Number of ticks of each venue."""
        return int(self.hours * 3_600_000 / self.interval_ms)

    @property
    def step_s(self) -> float:
        """Time between two ticks of a venue, s."""
        return self.interval_ms / 1000
