"""What a database has of TimescaleDB, from the views that the extension documents."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

NOW_FUNCTION = "arbml_now_ms"
COMPRESSION, RETENTION, REFRESH = "policy_compression", "policy_retention", "policy_refresh_continuous_aggregate"


@dataclass(frozen=True, slots=True)
class Found:
    """The state of the extension in one database and its current schema.

    Attributes:
        version: of the extension in this database, e.g. "2.23.0"; None if it has not been created there.
        available: the server could create it.
        edition: `timescaledb.license`; "apache" lacks compression, policies and continuous aggregates.
        now_function: whether the function is there that tells TimescaleDB the time in ms.
        hypertables: by name, whether compression is enabled.
        knowing_now: hypertables that have a now function.
        policies: configuration of each policy by its procedure and relation; times in ms.
        bars: continuous aggregates.
    """

    version: str | None = None
    available: bool = False
    edition: str = "timescale"
    now_function: bool = False
    hypertables: Mapping[str, bool] = field(default_factory=dict)
    knowing_now: frozenset[str] = frozenset()
    policies: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    bars: frozenset[str] = frozenset()

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version; (0, 0) without the extension."""
        numbers = re.match(r"(\d+)\.(\d+)", self.version or "")
        return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)

    def policy_ms(self, procedure: str, relation: str, name: str) -> int | None:
        """Return a time of a policy, ms; None where there is no such policy or it has no such limit."""
        value = self.policies.get((procedure, relation), {}).get(name)
        return None if value is None else int(value)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a store is kept: the server ("PostgreSQL 18.4", "SQLite 3.45.1"), the revision of the schema, and TimescaleDB."""

    server: str
    schema: str
    timescale: Found


def look(connection: Connection) -> Found:
    """Return what a PostgreSQL database has of TimescaleDB; nothing is changed."""
    version = connection.execute(text("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")).scalar()
    if version is None:
        offered = text("SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'")
        return Found(available=bool(connection.execute(offered).scalar()))
    return Found(
        version, True,
        connection.execute(text("SELECT current_setting('timescaledb.license', true)")).scalar() or "timescale",
        bool(connection.execute(text(f"SELECT to_regprocedure('{NOW_FUNCTION}()') IS NOT NULL")).scalar()),
        {name: bool(compressed) for name, compressed in connection.execute(text(_HYPERTABLES))},
        frozenset(connection.execute(text(_KNOWING_NOW)).scalars()),
        {(procedure, relation): dict(config or {}) for procedure, relation, config in connection.execute(text(_POLICIES))},
        frozenset(connection.execute(text(_BARS)).scalars()),
    )  # fmt: skip


_HYPERTABLES = (
    "SELECT hypertable_name::text, compression_enabled FROM timescaledb_information.hypertables "
    "WHERE hypertable_schema = current_schema()"
)
_KNOWING_NOW = (
    "SELECT hypertable_name::text FROM timescaledb_information.dimensions "
    "WHERE hypertable_schema = current_schema() AND integer_now_func IS NOT NULL"
)
_BARS = "SELECT view_name::text FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema()"
# a refresh policy is listed under the hidden table of its aggregate in some releases, under the aggregate in others
_POLICIES = (
    "SELECT j.proc_name::text, coalesce(c.view_name, j.hypertable_name)::text, j.config FROM timescaledb_information.jobs j "
    "LEFT JOIN timescaledb_information.continuous_aggregates c ON c.view_schema = current_schema() "
    "AND (c.view_name = j.hypertable_name OR (c.materialization_hypertable_schema = j.hypertable_schema "
    "AND c.materialization_hypertable_name = j.hypertable_name)) "
    "WHERE c.view_name IS NOT NULL OR j.hypertable_schema = current_schema()"
)
