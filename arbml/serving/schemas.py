"""What clients send. Numbers are strict and finite, units are in the names, an unknown field is an error.

`arbml.serving.requests.parse` builds these and turns every refusal into one line that names the field. What the service
answers is in `arbml.serving.answers`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Venue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.:@/()+-]{0,63}$")]
Pair = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.$_-]{1,32}/[A-Za-z0-9.$_-]{1,32}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")]
# 2001 to 2286: seconds and microseconds fall outside
EventTimeMs = Annotated[int, Field(ge=1_000_000_000_000, lt=10_000_000_000_000)]

# Wide enough for any token, narrow enough that no product of three of them overflows.
Price = Annotated[float, Field(ge=1e-15, le=1e15)]
Reserve = Annotated[float, Field(ge=1e-12, le=1e21)]
Amount = Annotated[float, Field(gt=0, le=1e15)]
Quantity = Annotated[float, Field(ge=0, le=1e21)]
FeeBps = Annotated[float, Field(ge=0, lt=10_000)]
Gwei = Annotated[float, Field(ge=0, le=1e9)]
Block = Annotated[int, Field(ge=0, lt=2**53)]


class Request(BaseModel):
    """Base of all requests."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class LegRequest(Request):
    """One swap. Market state that is not given is that of the last observed tick of this venue and pair."""

    venue: Venue = Field(description="as in the ticks, e.g. uniswap_v3_5bps")
    side: Literal["buy", "sell"] = Field(description="what the swap does to the base token")
    pair: Pair | None = Field(None, description="BASE/QUOTE; the opportunity's pair without it")
    fee_bps: FeeBps | None = Field(None, description="fee of this venue, basis points")
    price: Price | None = Field(None, description="spot price now, quote per base")
    reserve_base: Reserve | None = Field(None, description="pool reserve (v3: virtual reserve), base token")
    reserve_quote: Reserve | None = Field(None, description="pool reserve (v3: virtual reserve), quote token")
    liquidity: Quantity | None = Field(None, description="depth as the venue states it, quote")


class OpportunityRequest(Request):
    """One arbitrage to judge: a route of swaps that ends in the token it starts with.

    Mostly two legs of one pair: buy the base on one venue, sell it on another. Up to four, over several pairs.
    """

    request_id: RequestId | None = Field(None, description="yours, for /outcome and safe repeats; made up without it")
    ts_ms: EventTimeMs | None = Field(None, description="when it was seen, UTC ms; now without it")
    pair: Pair = Field(description="BASE/QUOTE, of the first leg")
    legs: Annotated[list[LegRequest], Field(min_length=2, max_length=4)] = Field(
        description="in the order of the swaps: each takes the token that the one before it gives, the last gives what the first took"
    )
    amount_in: Amount | None = Field(None, description="put in, in the token that the first leg takes; the best for the depth without it")
    gas_price_gwei: Gwei | None = Field(None, description="gas price you would pay; that of the last tick without it")
    native_price_quote: Price | None = Field(
        None, description="price of the gas token in the token that the first leg takes; from the setting or the pools without it"
    )


class PredictManyRequest(Request):
    """Several opportunities, judged on the same market state."""

    opportunities: Annotated[list[OpportunityRequest], Field(min_length=1, max_length=100)]


class TickRequest(Request):
    """One observation of a pair on a venue."""

    ts_ms: EventTimeMs = Field(description="when it happened, UTC ms")
    venue: Venue
    pair: Pair = Field(description="BASE/QUOTE")
    price: Price = Field(description="quote per base")
    ts_known_ms: EventTimeMs | None = Field(None, description="when you knew it, UTC ms; now without it")
    chain_id: Block | None = None
    pool: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,128}$")] | None = Field(None, description="pool address")
    fee_bps: FeeBps | None = None
    volume: Quantity | None = Field(None, description="traded since the previous tick, quote")
    liquidity: Quantity | None = Field(None, description="depth as the venue states it, quote")
    gas_price_gwei: Gwei | None = None
    reserve_base: Reserve | None = None
    reserve_quote: Reserve | None = None
    block_number: Block | None = None
    log_index: Annotated[int, Field(ge=0, lt=2**53)] = 0


class ObserveRequest(Request):
    """Ticks, in the order in which they became known."""

    ticks: Annotated[list[TickRequest], Field(min_length=1, max_length=1000)]
    instance: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None, description="that of the last answer: refused with 409 if the service was started anew since, and lacks what went before"
    )


class OutcomeRequest(Request):
    """What became of an opportunity that was predicted."""

    request_id: RequestId = Field(description="the one of the prediction")
    result: Literal["success", "failed", "reverted"] = Field(description="failed never landed; reverted landed, did nothing and paid gas")
    ts_ms: EventTimeMs | None = Field(None, description="when you decided, UTC ms; that of the prediction without it")
    chain_id: Block | None = None
    route: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,256}$")] | None = None
    profit: Annotated[float, Field(ge=-1e15, le=1e15)] | None = Field(None, description="net of everything paid, in profit_token")
    profit_token: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$")] | None = None
    gas_used: Annotated[float, Field(ge=0, le=1e12)] | None = Field(None, description="gas units")
    gas_price_gwei: Gwei | None = None
    latency_ms: Annotated[float, Field(ge=0, le=1e9)] | None = Field(None, description="decision to result, ms")


class EmptyRequest(Request):
    """Nothing to say: an empty body or {}."""
