"""Frozen, validated configuration sections; every name carries its unit.

Nothing here reads the environment: `arbml.settings` does, and only entry points import that. Everything else takes the
section it needs as an argument. To change a field, build a new section with `changed`.
"""

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


class Section(BaseModel):
    """Base of all sections: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


S = TypeVar("S", bound=Section)


def changed(section: S, **changes: Any) -> S:
    """Return a validated copy of `section` with `changes` applied.

    >>> changed(TrainingConfig(), seed=7).seed
    7
    """
    return type(section).model_validate({**section.model_dump(), **changes})


class CollectionConfig(Section):
    """How ticks are collected and how long they are kept."""

    enabled: bool = Field(True, description="collect at all")
    interval_ms: int = Field(5000, ge=1000, description="pause between two collections, ms")
    history_days: int = Field(30, ge=1, description="history that a training reads, days")
    batch_size: int = Field(100, ge=1, description="rows in one write")
    buffer_rows: int = Field(100_000, ge=1, description="rows of live sources kept in memory while the store is gone, 60 MB")
    confirmations: int = Field(0, ge=0, description="blocks that must stand on a block of a chain before it is stored")
    rpc: SecretStr | None = Field(None, description="URLs of nodes of a chain, comma-separated, the preferred one first")
    late_s: int = Field(60, ge=1, description="a block of a chain read so long after it was made came by a backfill, s")
    live_lag_ms: int = Field(2000, ge=0, description="training takes what came by a backfill as known so long after its block, ms")
    retention_days: int = Field(90, ge=1, description="rows older than this may be deleted, days")


class StoreConfig(Section):
    """Where ticks, executions, predictions and alerts are kept."""

    connection_string: SecretStr | None = Field(None, description="PostgreSQL URL; without it SQLite under the home")


class LstmConfig(Section):
    """The price predictor."""

    enabled: bool = True
    sequence_length: int = Field(60, ge=10, description="ticks in one input sequence")
    horizons_s: tuple[int, ...] = Field((5, 10, 15, 30), description="forecast horizons, s, increasing")
    quantiles: tuple[float, float, float] = Field((0.05, 0.5, 0.95), description="forecast quantiles: lower, median, upper")
    units: tuple[int, ...] = Field((48,), description="LSTM layer sizes")
    dropout: float = Field(0.1, ge=0, lt=1)
    retrain_interval_hours: int = Field(24, ge=1)
    min_samples: int = Field(1000, ge=10, description="labelled sequences needed to train")
    max_samples: int = Field(8_000, ge=100, description="sequences used in one fit, spread evenly over the period")

    @field_validator("horizons_s")
    @classmethod
    def _increasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(h < 1 for h in value) or list(value) != sorted(set(value)):
            raise ValueError("horizons must be positive whole seconds in increasing order, e.g. 5,10,15,30")
        return value


class ScorerConfig(Section):
    """The opportunity scorer."""

    enabled: bool = True
    confidence_threshold: float = Field(0.7, ge=0, le=1, description="confidence that sending pays, needed to EXECUTE")
    retrain_interval_days: int = Field(7, ge=1)
    min_samples: int = Field(500, ge=10, description="labelled opportunities needed to train")
    min_positive: int = Field(30, ge=2, description="successes (and as many non-successes) needed to train")
    trees: int = Field(200, ge=10)
    max_depth: int = Field(10, ge=1)
    min_samples_leaf: int = Field(20, ge=1)


class VolatilityConfig(Section):
    """The volatility predictor."""

    enabled: bool = True
    window_minutes: int = Field(5, ge=1, description="horizon of the evaluated forecast, lookback of its baseline")
    retrain_interval_hours: int = Field(24, ge=1)
    min_samples: int = Field(500, ge=100, description="returns needed to fit")
    max_samples: int = Field(20_000, ge=500, description="latest returns used in one fit")


class InferenceConfig(Section):
    """The service."""

    max_latency_ms: int = Field(100, ge=10, description="budget of one request; later ones get the baseline")
    batch_size: int = Field(10, ge=1, description="opportunities in one micro-batch")
    cache_ttl_ms: int = Field(1000, ge=0, description="age up to which an identical question gets the same answer")
    fallback_mode: Literal["baseline", "skip"] = "baseline"
    clock: Literal["system", "ticks"] = Field("system", description="ticks: replay, now is the latest moment that a client named")
    max_model_age_hours: int = Field(24 * 14, ge=1, description="older models abstain")
    max_tick_age_ms: int = Field(60_000, ge=1000, description="older market state abstains")
    host: str = "127.0.0.1"
    port: int = Field(3000, ge=0, le=65535, description="0 takes any free port")


class TrainingConfig(Section):
    """How models are trained and evaluated."""

    validation_split: float = Field(0.2, gt=0, le=0.5, description="part of each training period kept for calibration")
    test_split: float = Field(0.1, gt=0, le=0.3, description="part of the whole period that each test block takes")
    folds: int = Field(2, ge=1, le=5, description="walk-forward test blocks, the last of which decides promotion")
    embargo_s: int = Field(60, ge=0, description="gap kept between training and test, s")
    patience: int = Field(10, ge=1, description="epochs without improvement before stopping")
    learning_rate: float = Field(0.001, gt=0, le=0.1)
    batch_size: int = Field(32, ge=1)
    max_epochs: int = Field(100, ge=1)
    seed: int = Field(42, ge=0)
    use_gpu: bool = False
    threads: int = Field(2, ge=1, description="threads that one library may use in a fit")


class CostsConfig(Section):
    """What an arbitrage costs, and when it lands. One unit: the quote token of the pair."""

    gas_units_base: int = Field(60_000, ge=0, description="gas of the transaction itself and the executor's own work")
    gas_units_per_leg: int = Field(90_000, ge=0, description="gas of one swap")
    revert_gas_fraction: float = Field(0.7, ge=0, le=1, description="part of the gas that a reverted attempt still pays")
    native_price_quote: float | None = Field(
        None, gt=0, description="price of the gas token in quote; without it, the pair's price if its base is the gas token"
    )
    native_symbols: tuple[str, ...] = Field(("ETH", "WETH"), description="bases that are the gas token")
    default_gas_price_gwei: float = Field(20.0, ge=0, description="used, and said so, where no tick carries a gas price")
    inclusion_delay_ms: int = Field(5000, ge=0, description="decision to inclusion")
    notional_quote: float = Field(1000.0, gt=0, description="amount in where the pool depth is unknown, quote")
    max_amount_quote: float = Field(50_000.0, gt=0, description="most that one opportunity may put in, quote")


class PromotionConfig(Section):
    """When a challenger becomes champion."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="one-sided confidence that it is better")
    min_samples: int = Field(100, ge=10, description="paired test samples needed")
    bootstrap_rounds: int = Field(2000, ge=200)


class MonitorConfig(Section):
    """Thresholds of the live monitor and the drift report."""

    min_accuracy: float = Field(0.7, ge=0, le=1)
    max_latency_ms: float = Field(100, gt=0)
    max_error_rate: float = Field(0.05, ge=0, le=1)
    max_drift: float = Field(0.3, ge=0, description="share of features that may drift")
    window: int = Field(1000, ge=10, description="latest predictions looked at")
    feature_drift_psi: float = Field(0.2, gt=0, description="population stability index above which one feature has drifted")


class BotConfig(Section):
    """The bot's side: what it looks for, and what it does while nobody judges for it."""

    max_legs: int = Field(4, ge=2, le=4, description="longest cycle looked for, swaps")
    max_pool_age_ms: int = Field(60_000, ge=1000, description="states that happened longer ago are not traded on")
    min_profit: float = Field(0.0, ge=0, description="least net profit after fees, price impact and gas, in the token of the route")
    limit: int = Field(10, ge=1, description="opportunities looked at in one moment, best first")
    without_ml: Literal["hold", "rule"] = Field(
        "rule", description="while ML is on and nobody judges (gone, late, abstains): rule sends what has min_profit, hold sends nothing"
    )
    max_wait_ms: int = Field(300, ge=0, description="longest wait for a judgement; 0 waits as long as it takes, in the bot's own thread")


class ClientConfig(Section):
    """The bot's HTTP client of the service."""

    url: str = Field("http://127.0.0.1:3000", pattern=r"^https?://", description="where arbml serve listens")
    connect_timeout_ms: int = Field(100, ge=1, description="longest wait for a connection")
    timeout_ms: int = Field(250, ge=1, description="longest wait for an answer; then the baseline answers")
    retries: int = Field(1, ge=0, le=5, description="further tries after a broken connection; each with the same request id")
    breaker_failures: int = Field(3, ge=1, description="failures in a row after which the service is left alone")
    breaker_pause_ms: int = Field(2000, ge=1, description="how long it is left alone before one request tries again")
    outcome_buffer: int = Field(10_000, ge=1, description="outcomes kept while the service is gone, sent later in order")
    tick_buffer: int = Field(50_000, ge=1000, description="ticks kept while the service is gone, sent later in order; the oldest go")
    drain_ms: int = Field(2000, ge=0, description="longest that closing takes to send the outcomes that are left")


class PatternsConfig(Section):
    """Patterns of profitable opportunities."""

    min_support: int = Field(30, ge=5, description="occurrences needed in the period of discovery")
    false_discovery_rate: float = Field(0.1, gt=0, lt=1, description="expected share of false patterns among those confirmed")
    confirm_split: float = Field(0.4, gt=0.1, lt=0.9, description="last part of the period, used to confirm and never to find")
    max_age_days: int = Field(14, ge=1, description="patterns not confirmed again for so long are retired")
    clusters: int = Field(8, ge=2, le=64, description="clusters of market and route features")
    memory_s: int = Field(300, ge=1, description="how long ago the event before may be in a sequence, s")


class BacktestConfig(Section):
    """What a backtest assumes. Costs and the inclusion delay are those of the costs section."""

    token: str | None = Field(None, min_length=1, description="what routes start and end in; without it the one quote of all pairs")
    capital: float = Field(100_000.0, gt=0, allow_inf_nan=False, description="at the start, in the token of the routes")
    step_ms: int = Field(1000, ge=0, description="it decides at the ends of steps in which something became known; 0: at each")
    slippage: Literal["none", "linear", "quadratic", "exact"] = Field("exact", description="price impact; exact: swap mathematics")
    slippage_bps: float = Field(5.0, ge=0, description="linear, quadratic: impact of an amount of one percent of the depth, bps")
    impact_half_life_s: float = Field(60.0, ge=0, description="exact: half of the bot's own impact is gone after it; 0: none stays")
    gas: Literal["average", "dynamic"] = Field("dynamic", description="average: mean gas price of the last hour; dynamic: bid and base fee")
    gas_percentile: float = Field(60.0, ge=0, le=100, description="dynamic: percentile of 10 minutes' gas prices that is bid, plus the tip")
    priority_gwei: float = Field(1.0, ge=0, description="dynamic: tip, paid on top of the price at landing as far as the bid reaches")
    competitors_per_minute: float = Field(2.0, ge=0, description="rate at which others take what pays, per minute of delay")
    max_open: int = Field(1, ge=1, description="transactions in flight at a time")
    inventory: float | None = Field(None, gt=0, description="quote at each venue, and base lent of that value; empty: routes are atomic")
    rebalance_below: float = Field(0.25, ge=0, lt=0.5, description="inventory: part of it below which two venues are levelled")
    rebalance_cost: float = Field(5.0, ge=0, description="inventory: cost of levelling two venues, quote")
    rebalance_s: int = Field(600, ge=0, description="inventory: time that levelling takes, s")
    seed: int = Field(42, ge=0, description="of the competition")


class RegistryConfig(Section):
    """Where runs, versions and exported models are kept."""

    tracking_uri: str | None = Field(None, description="MLflow server; without it SQLite under the home")
    models_path: Path = Field(Path("./models"), description="where promoted models are exported for the Bento")


class RedisConfig(Section):
    """Optional live fan-out."""

    host: str | None = None
    port: int = Field(6379, ge=1, le=65535)


class Config(Section):
    """All sections, and the home under which everything is written."""

    home: Path = Field(Path(".arbml"), description="everything arbml writes goes under this folder")
    collection: CollectionConfig = CollectionConfig()
    store: StoreConfig = StoreConfig()
    lstm: LstmConfig = LstmConfig()
    scorer: ScorerConfig = ScorerConfig()
    volatility: VolatilityConfig = VolatilityConfig()
    inference: InferenceConfig = InferenceConfig()
    training: TrainingConfig = TrainingConfig()
    costs: CostsConfig = CostsConfig()
    promotion: PromotionConfig = PromotionConfig()
    monitor: MonitorConfig = MonitorConfig()
    registry: RegistryConfig = RegistryConfig()
    redis: RedisConfig = RedisConfig()
    bot: BotConfig = BotConfig()
    client: ClientConfig = ClientConfig()
    patterns: PatternsConfig = PatternsConfig()
    backtest: BacktestConfig = BacktestConfig()

    @model_validator(mode="after")
    def _blocks_fit(self) -> "Config":
        if self.training.test_split * self.training.folds > 0.7:
            raise ValueError("training.test_split x training.folds leaves less than 30 % of the period to train on")
        return self

    @property
    def home_path(self) -> Path:
        """The home as an absolute path."""
        return self.home.expanduser().absolute()
