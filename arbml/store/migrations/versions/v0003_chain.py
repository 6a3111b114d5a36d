"""Blocks, pool events and states, and the twins for rows of orphaned blocks."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from arbml.store.engine.types import CLUSTERED, FLOAT64, ID, INT64, RAW, TABLE, TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Columns = Callable[[], list[sa.Column[Any]]]


def upgrade() -> None:
    op.add_column("executions", sa.Column("block_number", INT64))
    op.create_index("ix_executions_block", "executions", ["chain_id", "block_number"])
    for name, columns in {"blocks": _blocks, "pool_events": _pool_events, "pool_states": _pool_states}.items():
        op.create_table(name, *columns(), **CLUSTERED)
        _twin(name, columns)
    for name, columns in {"ticks": _ticks, "gas_prices": _gas_prices, "executions": _executions}.items():
        _twin(name, columns)
    op.create_table(
        "reorgs",
        sa.Column("id", ID, primary_key=True),
        *(sa.Column(name, INT64, nullable=False) for name in ("chain_id", "number", "blocks", "ts_ms", "ts_known_ms")),
        **TABLE,
    )


def _twin(name: str, columns: Columns) -> None:
    orphaned_ms = sa.Column("orphaned_ms", INT64, nullable=False)
    op.create_table(f"orphaned_{name}", _key("reorg_id", ID), *columns(), orphaned_ms, **CLUSTERED)
    op.create_index(f"ix_orphaned_{name}_orphaned_ms", f"orphaned_{name}", ["orphaned_ms"])


def _key(name: str, kind: Any = INT64) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _given(name: str, kind: Any = INT64) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _blocks() -> list[sa.Column[Any]]:
    return [
        _key("chain_id"), _key("number"), _given("hash", TEXT), _given("parent_hash", TEXT), _given("ts_ms"), _given("ts_known_ms"),
        *(sa.Column(name, RAW) for name in ("base_fee_wei", "gas_used", "gas_limit")), sa.Column("priority_fee_percentiles", TEXT),
    ]  # fmt: skip


def _pool_events() -> list[sa.Column[Any]]:
    return [
        _key("chain_id"), _key("block_number"), _key("ts_ms"), _key("log_index"), _given("ts_known_ms"), _given("tx_index"),
        *(_given(name, TEXT) for name in ("tx_hash", "pool", "kind", "args")),
    ]  # fmt: skip


def _pool_states() -> list[sa.Column[Any]]:
    return [
        _key("chain_id"), _key("block_number"), _key("ts_ms"), _key("pool", TEXT), _given("ts_known_ms"), _given("kind", TEXT),
        *(sa.Column(name, RAW) for name in ("reserve0", "reserve1", "sqrt_price_x96", "liquidity")), sa.Column("tick", INT64),
    ]  # fmt: skip


def _ticks() -> list[sa.Column[Any]]:
    return [
        _key("stream_id", ID), _key("ts_ms"), _key("log_index"), _given("ts_known_ms"), _given("price", FLOAT64),
        sa.Column("chain_id", INT64), sa.Column("pool_id", ID),
        *(sa.Column(name, FLOAT64) for name in ("fee_bps", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote")),
        sa.Column("block_number", INT64),
    ]  # fmt: skip


def _gas_prices() -> list[sa.Column[Any]]:
    return [_key("chain_id"), _key("ts_ms"), _given("ts_known_ms"), _given("gas_price_gwei", FLOAT64), sa.Column("block_number", INT64)]


def _executions() -> list[sa.Column[Any]]:
    return [
        _key("request_id", TEXT), _given("ts_known_ms"), _given("ts_ms"), _given("result", TEXT), sa.Column("chain_id", INT64),
        sa.Column("route", TEXT), sa.Column("profit", FLOAT64), sa.Column("profit_token", TEXT),
        *(sa.Column(name, FLOAT64) for name in ("gas_used", "gas_price_gwei", "latency_ms")), sa.Column("opportunity", TEXT),
        sa.Column("block_number", INT64),
    ]  # fmt: skip
