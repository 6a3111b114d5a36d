"""The schema as the code sees it; `migrations` makes it, and a test holds the two together.

Every row has `ts_ms`, when it happened, and `ts_known_ms`, when we knew it (UTC ms). Primary keys are natural keys: the
same row written twice is one row.
"""

from sqlalchemy import Column, Index, MetaData, Table, UniqueConstraint

from arbml.store.engine.types import BOOL, CLUSTERED, FLOAT64, ID, INT64, TABLE, TEXT

metadata = MetaData()

streams = Table(
    "streams",
    metadata,
    Column("id", ID, primary_key=True),
    Column("venue", TEXT, nullable=False),
    Column("pair", TEXT, nullable=False),
    UniqueConstraint("venue", "pair", name="streams_name"),
    **TABLE,
)
"""Names of the series. Ticks refer to them by number, so that a tick is a fixed row of numbers: half the disk, and a
range is read without a Python object per value."""

pools = Table(
    "pools",
    metadata,
    Column("id", ID, primary_key=True),
    Column("pool", TEXT, nullable=False),
    UniqueConstraint("pool", name="pools_name"),
    **TABLE,
)

ticks = Table(
    "ticks",
    metadata,
    # no foreign keys: both numbers are looked up in the same transaction and never deleted, and checking them row by
    # row makes an append into PostgreSQL two to three times slower
    Column("stream_id", ID, primary_key=True, autoincrement=False),
    Column("ts_ms", INT64, primary_key=True, autoincrement=False),
    Column("log_index", INT64, primary_key=True, autoincrement=False),
    Column("ts_known_ms", INT64, nullable=False),
    Column("price", FLOAT64, nullable=False),
    Column("chain_id", INT64),
    Column("pool_id", ID),
    Column("fee_bps", FLOAT64),
    Column("volume", FLOAT64),
    Column("liquidity", FLOAT64),
    Column("gas_price_gwei", FLOAT64),
    Column("reserve_base", FLOAT64),
    Column("reserve_quote", FLOAT64),
    Column("block_number", INT64),
    **CLUSTERED,
)

executions = Table(
    "executions",
    metadata,
    Column("request_id", TEXT, primary_key=True),
    Column("ts_known_ms", INT64, nullable=False),
    Column("ts_ms", INT64, nullable=False, index=True),
    Column("result", TEXT, nullable=False),
    Column("chain_id", INT64),
    Column("route", TEXT),
    Column("profit", FLOAT64),
    Column("profit_token", TEXT),
    Column("gas_used", FLOAT64),
    Column("gas_price_gwei", FLOAT64),
    Column("latency_ms", FLOAT64),
    Column("opportunity", TEXT),
    Column("block_number", INT64),
    Index("ix_executions_block", "chain_id", "block_number"),
    **TABLE,
)
"""`block_number` is set in those that were found in a block that is stored: they go when their block is orphaned."""

predictions = Table(
    "predictions",
    metadata,
    Column("request_id", TEXT, primary_key=True),
    Column("ts_known_ms", INT64, nullable=False),
    Column("ts_ms", INT64, nullable=False, index=True),
    Column("pair", TEXT, nullable=False),
    Column("success_probability", FLOAT64),
    Column("expected_profit", FLOAT64),
    Column("profit_token", TEXT, nullable=False),
    Column("confidence", FLOAT64),
    Column("recommendation", TEXT, nullable=False),
    Column("reasons", TEXT, nullable=False),
    Column("price_forecasts", TEXT, nullable=False),
    Column("volatility_forecast", TEXT, nullable=False),
    Column("patterns", TEXT, nullable=False),
    Column("variant", TEXT, nullable=False),
    Column("model_versions", TEXT, nullable=False),
    Column("feature_set_id", TEXT, nullable=False),
    Column("features", TEXT, nullable=False),
    Column("latency_ms", FLOAT64),
    Column("cached", BOOL, nullable=False),
    **TABLE,
)
"""JSON is kept as text: jsonb would rewrite the numbers, and a prediction is read back as it was given."""

_VIEWS = MetaData()

outcomes = Table(
    "outcomes",
    _VIEWS,
    Column("request_id", TEXT, primary_key=True),
    Column("ts_ms", INT64, nullable=False),
    Column("ts_known_ms", INT64, nullable=False),
    *(Column(f"execution_{c.name}", c.type) for c in executions.columns if c.name not in ("request_id", "block_number")),
    *(Column(f"prediction_{column.name}", column.type) for column in predictions.columns if column.name != "request_id"),
)
"""A view, not a table: executions arrive late, in any order and sometimes before their prediction, so a stored join would
have to be kept true by both writers. Two primary keys make it cheap, and it cannot disagree with what it joins. An outcome
is known when the later of the two is."""

gas_prices = Table(
    "gas_prices",
    metadata,
    Column("chain_id", INT64, primary_key=True, autoincrement=False),
    Column("ts_ms", INT64, primary_key=True, autoincrement=False),
    Column("ts_known_ms", INT64, nullable=False),
    Column("gas_price_gwei", FLOAT64, nullable=False),
    Column("block_number", INT64),
    **CLUSTERED,
)

alerts = Table(
    "alerts",
    metadata,
    Column("kind", TEXT, primary_key=True),
    Column("subject", TEXT, primary_key=True),
    Column("ts_ms", INT64, primary_key=True, autoincrement=False),
    Column("ts_known_ms", INT64, nullable=False),
    Column("severity", TEXT, nullable=False),
    Column("message", TEXT, nullable=False),
    Column("value", FLOAT64),
    Column("threshold", FLOAT64),
    Column("resolved_ms", INT64),
    **TABLE,
)

patterns = Table(
    "patterns",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("ts_ms", INT64, primary_key=True, autoincrement=False),
    Column("ts_known_ms", INT64, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("description", TEXT, nullable=False),
    Column("content", TEXT, nullable=False),
    Column("retired_ms", INT64),
    **TABLE,
)
"""One row for each confirmation, so that what a pattern once came to stays readable; those of a retired one are marked."""

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("source", TEXT, primary_key=True),
    Column("ts_known_ms", INT64, nullable=False),
    Column("ts_ms", INT64, nullable=False),
    Column("position", TEXT, nullable=False),
    **TABLE,
)
