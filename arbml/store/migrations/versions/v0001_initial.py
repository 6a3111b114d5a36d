"""Ticks, executions, predictions, outcomes, gas prices, alerts, checkpoints."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from arbml.store.engine.types import BOOL, CLUSTERED, FLOAT64, ID, INT64, TABLE, TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _market()
    _decisions()
    _operations()


def _market() -> None:
    op.create_table(
        "streams",
        sa.Column("id", ID, primary_key=True),
        sa.Column("venue", TEXT, nullable=False),
        sa.Column("pair", TEXT, nullable=False),
        sa.UniqueConstraint("venue", "pair", name="streams_name"),
        **TABLE,
    )
    op.create_table(
        "pools",
        sa.Column("id", ID, primary_key=True),
        sa.Column("pool", TEXT, nullable=False),
        sa.UniqueConstraint("pool", name="pools_name"),
        **TABLE,
    )
    op.create_table(
        "ticks",
        sa.Column("stream_id", ID, primary_key=True, autoincrement=False),
        sa.Column("ts_ms", INT64, primary_key=True, autoincrement=False),
        sa.Column("log_index", INT64, primary_key=True, autoincrement=False),
        sa.Column("ts_known_ms", INT64, nullable=False),
        sa.Column("price", FLOAT64, nullable=False),
        sa.Column("chain_id", INT64),
        sa.Column("pool_id", ID),
        *(sa.Column(name, FLOAT64) for name in ("fee_bps", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote")),
        sa.Column("block_number", INT64),
        **CLUSTERED,
    )
    op.create_table(
        "gas_prices",
        sa.Column("chain_id", INT64, primary_key=True, autoincrement=False),
        sa.Column("ts_ms", INT64, primary_key=True, autoincrement=False),
        sa.Column("ts_known_ms", INT64, nullable=False),
        sa.Column("gas_price_gwei", FLOAT64, nullable=False),
        sa.Column("block_number", INT64),
        **CLUSTERED,
    )


def _decisions() -> None:
    executions: list[sa.Column[Any]] = [
        sa.Column("ts_known_ms", INT64, nullable=False),
        sa.Column("ts_ms", INT64, nullable=False),
        sa.Column("result", TEXT, nullable=False),
        sa.Column("chain_id", INT64),
        sa.Column("route", TEXT),
        sa.Column("profit", FLOAT64),
        sa.Column("profit_token", TEXT),
        sa.Column("gas_used", FLOAT64),
        sa.Column("gas_price_gwei", FLOAT64),
        sa.Column("latency_ms", FLOAT64),
        sa.Column("opportunity", TEXT),
    ]
    predictions: list[sa.Column[Any]] = [
        sa.Column("ts_known_ms", INT64, nullable=False),
        sa.Column("ts_ms", INT64, nullable=False),
        sa.Column("pair", TEXT, nullable=False),
        sa.Column("success_probability", FLOAT64),
        sa.Column("expected_profit", FLOAT64),
        sa.Column("profit_token", TEXT, nullable=False),
        sa.Column("confidence", FLOAT64),
        sa.Column("recommendation", TEXT, nullable=False),
        sa.Column("reasons", TEXT, nullable=False),
        sa.Column("price_forecasts", TEXT, nullable=False),
        sa.Column("volatility_forecast", TEXT, nullable=False),
        sa.Column("patterns", TEXT, nullable=False),
        sa.Column("variant", TEXT, nullable=False),
        sa.Column("model_versions", TEXT, nullable=False),
        sa.Column("feature_set_id", TEXT, nullable=False),
        sa.Column("features", TEXT, nullable=False),
        sa.Column("latency_ms", FLOAT64),
        sa.Column("cached", BOOL, nullable=False),
    ]
    op.create_table("executions", sa.Column("request_id", TEXT, primary_key=True), *executions, **TABLE)
    op.create_table("predictions", sa.Column("request_id", TEXT, primary_key=True), *predictions, **TABLE)
    op.create_index("ix_executions_ts_ms", "executions", ["ts_ms"])
    op.create_index("ix_predictions_ts_ms", "predictions", ["ts_ms"])
    columns = [f"e.{column.name} AS execution_{column.name}" for column in executions]
    columns += [f"p.{column.name} AS prediction_{column.name}" for column in predictions]
    op.execute(
        "CREATE VIEW outcomes AS SELECT e.request_id AS request_id, e.ts_ms AS ts_ms, "
        "CASE WHEN p.ts_known_ms > e.ts_known_ms THEN p.ts_known_ms ELSE e.ts_known_ms END AS ts_known_ms, "
        f"{', '.join(columns)} FROM executions e JOIN predictions p ON p.request_id = e.request_id"
    )


def _operations() -> None:
    op.create_table(
        "alerts",
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("ts_ms", INT64, primary_key=True, autoincrement=False),
        sa.Column("ts_known_ms", INT64, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("value", FLOAT64),
        sa.Column("threshold", FLOAT64),
        sa.Column("resolved_ms", INT64),
        **TABLE,
    )
    op.create_table(
        "checkpoints",
        sa.Column("source", TEXT, primary_key=True),
        sa.Column("ts_known_ms", INT64, nullable=False),
        sa.Column("ts_ms", INT64, nullable=False),
        sa.Column("position", TEXT, nullable=False),
        **TABLE,
    )
