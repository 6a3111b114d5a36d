"""Which statements turn plain tables into what TimescaleDB is for; pure text, so that it can be read and compared.

Statements as in the TimescaleDB documentation (API reference: hypertables, compression, data retention, continuous
aggregates), in the forms that every 2.x release from 2.11 takes: the older `create_hypertable` with the name of the column,
because `by_range` came with 2.13, and `timescaledb.compress`, which newer releases call the columnstore and still take.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from arbml.store.timescale.found import COMPRESSION, NOW_FUNCTION, REFRESH, RETENTION, Found

DAY_MS = 86_400_000
CHUNK_MS = 7 * DAY_MS
"""Rows of one week lie together: TimescaleDB's own default, and years of recorded ticks stay some hundred parts."""
COMPRESS_AFTER_MS = 7 * DAY_MS
"""Far above the age of what a reorganisation takes out: rows in compressed parts are slow to delete."""
OLDEST_RELEASE = (2, 11)
"""The first whose compressed parts take deletes and ON CONFLICT, which every append needs."""


@dataclass(frozen=True, slots=True)
class Hypertable:
    """A table whose primary key contains `ts_ms`, and how its old parts are compressed: every key column is in one of the two."""

    name: str
    segment_by: str
    order_by: str


HYPERTABLES = (
    Hypertable("ticks", "stream_id", "ts_ms, log_index"),
    Hypertable("gas_prices", "chain_id", "ts_ms"),
    Hypertable("pool_events", "chain_id, pool", "ts_ms, block_number, log_index"),
    Hypertable("pool_states", "chain_id, pool", "ts_ms, block_number"),
)
"""Not blocks, executions, predictions: height and request id must be unique by themselves, which a hypertable cannot hold."""

BARS = {"bars_1m": 60_000, "bars_5m": 300_000}
"""Continuous aggregates by name, and the width of their bars, ms."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What to do about the dropping of old rows: with `change` false nothing, else drop them after so long, ms; None never."""

    change: bool = False
    drop_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, and what it does in words."""

    what: str
    sql: str


def planned(found: Found, retention: Retention) -> list[Step]:
    """Return the statements that are still to be run, in their order; none if everything is there.

    The community edition's features are left out of an "apache" edition, which refuses them.
    """
    steps = [] if found.now_function else [Step("tell TimescaleDB the time in ms", _NOW)]
    for table in HYPERTABLES:
        steps += _hypertable(table, found)
    if found.edition == "apache":
        return steps
    for table in HYPERTABLES:
        steps += _compression(table, found)
    keep_ms = retention.drop_after_ms if retention.change else found.policy_ms(RETENTION, "ticks", "drop_after")
    for name, width_ms in BARS.items():
        steps += _bars(name, width_ms, keep_ms, found)
    if retention.change:
        for table in HYPERTABLES:
            steps += _retention(table, retention.drop_after_ms, found)
    return steps


_NOW = (
    f"CREATE OR REPLACE FUNCTION {NOW_FUNCTION}() RETURNS BIGINT LANGUAGE SQL STABLE AS "
    "$$ SELECT (extract(epoch FROM now()) * 1000)::bigint $$"
)


def _hypertable(table: Hypertable, found: Found) -> Iterator[Step]:
    name = table.name
    if name not in found.hypertables:
        yield Step(
            f"{name}: partition by time, rows and all",
            f"SELECT create_hypertable('{name}', 'ts_ms', chunk_time_interval => BIGINT '{CHUNK_MS}', "
            "create_default_indexes => FALSE, if_not_exists => TRUE, migrate_data => TRUE)",
        )
    if name not in found.knowing_now:
        yield Step(f"{name}: set the clock", f"SELECT set_integer_now_func('{name}', '{NOW_FUNCTION}')")


def _compression(table: Hypertable, found: Found) -> Iterator[Step]:
    name = table.name
    if not found.hypertables.get(name):
        yield Step(
            f"{name}: enable compression",
            f"ALTER TABLE {name} SET (timescaledb.compress, timescaledb.compress_segmentby = '{table.segment_by}', "
            f"timescaledb.compress_orderby = '{table.order_by}')",
        )
    if (COMPRESSION, name) not in found.policies:
        days = COMPRESS_AFTER_MS // DAY_MS
        yield Step(
            f"{name}: compress after {days} days",
            f"SELECT add_compression_policy('{name}', BIGINT '{COMPRESS_AFTER_MS}', if_not_exists => TRUE)",
        )


def _bars(name: str, width_ms: int, keep_ms: int | None, found: Found) -> Iterator[Step]:
    """A continuous aggregate with the rules of `store.bars`.

    Of ticks in one millisecond the lower log index comes first. `first` and `last` compare one value, and by an operator of
    exactly its type, which arrays do not have: so time and index, 64 bits each, make one number.

    A refresh over a time whose ticks were dropped would empty its bars: so it reaches no further back than the retention.
    """
    if name not in found.bars:
        place = "ts_ms::numeric * 18446744073709551616 + log_index"
        bucket = f"time_bucket(BIGINT '{width_ms}', ts_ms)"
        yield Step(
            f"{name}: bars",
            f"CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous, timescaledb.materialized_only = FALSE) AS "
            f"SELECT stream_id, {bucket} AS bar_ms, first(price, {place}) AS open, max(price) AS high, min(price) AS low, "
            f"last(price, {place}) AS close, sum(volume) AS volume, avg(gas_price_gwei) AS gas_price_gwei, "
            f"count(*) AS ticks, max(ts_known_ms) AS last_known_ms FROM ticks GROUP BY stream_id, {bucket} WITH NO DATA",
        )
    there = (REFRESH, name) in found.policies
    if there and found.policy_ms(REFRESH, name, "start_offset") == keep_ms:
        return
    if there:
        yield Step(f"{name}: refresh anew", f"SELECT remove_continuous_aggregate_policy('{name}')")
    start = "NULL" if keep_ms is None else f"BIGINT '{keep_ms}'"
    yield Step(
        f"{name}: refresh every 5 minutes",
        f"SELECT add_continuous_aggregate_policy('{name}', start_offset => {start}, end_offset => BIGINT '{width_ms}', "
        "schedule_interval => INTERVAL '5 minutes')",
    )


def _retention(table: Hypertable, drop_after_ms: int | None, found: Found) -> Iterator[Step]:
    name, there = table.name, (RETENTION, table.name) in found.policies
    if there and found.policy_ms(RETENTION, name, "drop_after") == drop_after_ms:
        return
    if there:
        yield Step(f"{name}: end the retention that was", f"SELECT remove_retention_policy('{name}')")
    if drop_after_ms is not None:
        yield Step(
            f"{name}: drop after {drop_after_ms // DAY_MS} days",
            f"SELECT add_retention_policy('{name}', BIGINT '{drop_after_ms}')",
        )
