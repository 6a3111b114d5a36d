"""The things that travel through the house, all immutable. Prices are quote per base; amounts say their token."""

import hashlib
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Result(StrEnum):
    """What became of an execution."""

    SUCCESS = "success"
    FAILED = "failed"      # never landed: cost nothing but the chance
    REVERTED = "reverted"  # landed, did nothing, paid gas


class Recommendation(StrEnum):
    """What the bot should do. QUEUE: look again on the next tick; it gives no authority to send."""

    EXECUTE = "EXECUTE"
    QUEUE = "QUEUE"
    SKIP = "SKIP"


class Variant(StrEnum):
    """Who answered."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Tick:
    """One observation of a pair on a venue.

    Attributes:
        ts_ms: when it happened, UTC ms.
        ts_known_ms: when we knew it, UTC ms; never before `ts_ms`.
        venue: exchange or DEX on a chain, e.g. "uniswap_v3_5bps".
        pair: "BASE/QUOTE".
        price: quote per base, positive.
        fee_bps: taker or pool fee, basis points.
        volume: traded since the previous tick, quote.
        liquidity: depth as the venue states it, quote.
        gas_price_gwei: gas price at that moment.
        reserve_base, reserve_quote: pool reserves in whole tokens; for v3, the virtual reserves of the active range.
        log_index: order inside one millisecond of one venue and pair; 0 where the source has none.
    """

    ts_ms: int
    venue: str
    pair: str
    price: float
    ts_known_ms: int
    chain_id: int | None = None
    pool: str | None = None
    fee_bps: float | None = None
    volume: float | None = None
    liquidity: float | None = None
    gas_price_gwei: float | None = None
    reserve_base: float | None = None
    reserve_quote: float | None = None
    block_number: int | None = None
    log_index: int = 0

    @property
    def stream(self) -> str:
        """The name of the series it belongs to, "venue|PAIR"."""
        return f"{self.venue}|{self.pair}"


@dataclass(frozen=True, slots=True)
class Curve:
    """The liquidity of a v3 pool over all its tick ranges, in whole tokens (see `arbml.market.amm.virtual_reserves`).

    Attributes:
        liquidity: active now.
        roots: square roots of the prices (quote per base) at which liquidity changes, ascending; none at the price itself.
        net: liquidity that comes in when the price rises through each of `roots` (leaves when it falls through it).
    """

    liquidity: float
    roots: tuple[float, ...]
    net: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """What is known of one venue's market for one pair at a moment: the state of its last tick.

    `curve` is the liquidity beyond the active range of a v3 pool; without it the reserves are taken to reach for ever.
    """

    venue: str
    pair: str
    price: float
    fee_bps: float
    ts_ms: int
    ts_known_ms: int
    reserve_base: float | None = None
    reserve_quote: float | None = None
    liquidity: float | None = None
    gas_price_gwei: float | None = None
    chain_id: int | None = None
    curve: Curve | None = None

    def reaches(self, other: "Pool") -> bool:
        """Return whether one transaction can swap on both: not if they are known to be on different chains."""
        return self.chain_id is None or other.chain_id is None or self.chain_id == other.chain_id

    @property
    def has_reserves(self) -> bool:
        """True where the exact swap mathematics can be used."""
        return bool(self.reserve_base and self.reserve_quote)

    @property
    def depth_quote(self) -> float | None:
        """Quote-side depth: the quote reserve, or the venue's stated liquidity."""
        return self.reserve_quote if self.has_reserves else self.liquidity


@dataclass(frozen=True, slots=True)
class Leg:
    """One swap of a route. `side` is what it does to the base token."""

    venue: str
    pair: str
    side: str            # "buy": quote in, base out; "sell": base in, quote out
    fee_bps: float
    amount_in: float     # in the token that goes in
    amount_out: float    # in the token that comes out, after fee and price impact
    price: float         # spot price before the swap, quote per base
    depth_quote: float | None = None  # quote-side depth; in a route of several pairs converted into the route's token


@dataclass(frozen=True, slots=True)
class Route:
    """Ordered legs that start and end in the same token."""

    legs: tuple[Leg, ...]

    @property
    def name(self) -> str:
        """E.g. "buy:uniswap>sell:sushiswap WETH/USDC"; with several pairs each leg says its own."""
        if len(self.pairs) == 1:
            return f"{self.venues} {self.legs[0].pair}"
        return ">".join(f"{leg.side}:{leg.venue} {leg.pair}" for leg in self.legs)

    @property
    def venues(self) -> str:
        """Its ordered venues, whatever the pairs, e.g. "buy:uniswap>sell:sushiswap"."""
        return ">".join(f"{leg.side}:{leg.venue}" for leg in self.legs)

    @property
    def pairs(self) -> tuple[str, ...]:
        """The pairs of its legs, each once, in order."""
        return tuple(dict.fromkeys(leg.pair for leg in self.legs))

    @property
    def token(self) -> str:
        """The token that goes in and comes out: what the first leg takes."""
        base, _, quote = self.legs[0].pair.partition("/")
        return quote if self.legs[0].side == "buy" else base


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A route with a positive gross edge at a moment. All money is in `token`, which the route starts and ends in.

    pair         = that of the first leg
    gross_profit = what the spread alone would give on `amount_in`, without fees, impact or gas
    net_profit   = amount out - amount in - gas_cost: after fees, price impact and gas
    revert_cost  = gas that a reverted attempt pays
    """

    ts_ms: int
    pair: str
    route: Route
    token: str
    amount_in: float
    gross_profit: float
    fee_cost: float
    slippage_cost: float
    gas_cost: float
    net_profit: float
    revert_cost: float
    gas_price_gwei: float
    gas_units: int
    edge_bps: float      # log of the product of the legs' rates before fees, bps; of two venues the log price gap

    @property
    def id(self) -> str:
        """A short name that is the same whenever the same route is found on the same state."""
        text = f"{self.ts_ms}|{self.route.name}|{self.amount_in!r}|{self.net_profit!r}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def entry_stream(self) -> str:
        """The series of the first leg, whose market features describe the opportunity."""
        leg = self.route.legs[0]
        return f"{leg.venue}|{leg.pair}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; `opportunity_from_dict` reads it back."""
        return asdict(self)


def opportunity_from_dict(data: dict[str, Any]) -> Opportunity:
    """Rebuild what `Opportunity.to_dict` wrote.

    Raises:
        KeyError, TypeError: if fields are missing or unknown.
    """
    legs = tuple(Leg(**leg) for leg in data["route"]["legs"])
    return Opportunity(**{**data, "route": Route(legs)})


@dataclass(frozen=True, slots=True)
class Execution:
    """What the bot sent and what became of it.

    Attributes:
        ts_ms: when the decision was taken, UTC ms. ts_known_ms: when the result was known.
        profit: net of everything paid, in `profit_token`; negative gas for a revert.
        opportunity: the opportunity it acted on, where the bot recorded it.
    """

    ts_ms: int
    ts_known_ms: int
    request_id: str
    result: Result
    chain_id: int | None = None
    route: str | None = None
    profit: float | None = None
    profit_token: str | None = None
    gas_used: float | None = None
    gas_price_gwei: float | None = None
    latency_ms: float | None = None
    opportunity: Opportunity | None = None


@dataclass(frozen=True, slots=True)
class PriceForecast:
    """Forecast of one horizon. `log_return` is the median; the interval holds with probability `coverage` (measured)."""

    horizon_s: int
    log_return: float
    price: float
    lower: float
    upper: float
    coverage: float
    source: str          # "model" or "baseline"


@dataclass(frozen=True, slots=True)
class VolatilityForecast:
    """Standard deviation of the log-return over `horizon_s` (not annualised), with its interval."""

    horizon_s: int
    volatility: float
    lower: float
    upper: float
    source: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one opportunity."""

    request_id: str
    ts_ms: int
    pair: str
    success_probability: float
    expected_profit: float
    profit_token: str
    confidence: float
    recommendation: Recommendation
    reasons: tuple[str, ...]
    price_forecasts: tuple[PriceForecast, ...]
    volatility_forecast: tuple[VolatilityForecast, ...]
    patterns: tuple[str, ...]
    variant: Variant
    model_versions: dict[str, str]
    feature_set_id: str
    features: dict[str, float | None]
    latency_ms: float
    cached: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An execution joined to its prediction by request id."""

    prediction: Prediction
    execution: Execution
