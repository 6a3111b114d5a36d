"""Doing it: all in one transaction, or nothing."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from arbml.clock import iso
from arbml.errors import ConfigError, StoreError
from arbml.store.engine import Database
from arbml.store.migrations import REVISIONS
from arbml.store.timescale.found import Found, Layout, look
from arbml.store.timescale.plan import CHUNK_MS, DAY_MS, HYPERTABLES, OLDEST_RELEASE, Retention, Step, planned


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in words, and how the store is kept now."""

    steps: tuple[str, ...]
    layout: Layout


def layout(database: Database) -> Layout:
    """Return how a migrated store is kept; nothing is changed."""
    with database.reading() as connection:
        return _layout(database, connection)


def setup(database: Database, retention: Retention, now_ms: int, drop_old: bool = False) -> Done:
    """Make hypertables, compression, bars and retention where the extension is there; running it again changes nothing.

    Existing rows move into the hypertables, whose tables nobody can use meanwhile. Statements are run in one transaction
    with whatever the user made himself left as it is.

    Args:
        now_ms: our time, UTC ms.
        drop_old: let the retention drop rows at once that are older than its limit.

    Raises:
        ConfigError: if the retention would drop rows at its first run and `drop_old` was not said, or there is no
            TimescaleDB that could drop any.
        StoreError: if the release is too old, or the database refuses a statement (the message names it). Nothing is
            changed then, and the tables can be used as before.
    """
    at: Step | None = None
    try:
        with database.writing() as connection:
            database.lock_schema(connection)
            before = _layout(database, connection)
            _refuse(connection, database.where, before.timescale, retention, now_ms, drop_old)
            steps = planned(before.timescale, retention) if before.timescale.version else []
            for at in steps:
                connection.exec_driver_sql(at.sql)
            after = _layout(database, connection)
    except StoreError as error:
        if at is None:
            raise
        raise type(error)(
            f"{error} (while: {at.what}: {at.sql}); nothing was changed, the tables work as before; "
            "mend what the database says, as owner of the tables, with collectors stopped, and run it again"
        ) from error
    return Done(tuple(step.what for step in steps), after)


def _layout(database: Database, connection: Connection) -> Layout:
    if database.dialect == "sqlite":
        return Layout(f"SQLite {connection.execute(text('SELECT sqlite_version()')).scalar()}", REVISIONS[-1], Found())
    version = str(connection.execute(text("SHOW server_version")).scalar()).split()[0]
    return Layout(f"PostgreSQL {version}", REVISIONS[-1], look(connection))


def _refuse(connection: Connection, where: str, found: Found, retention: Retention, now_ms: int, drop_old: bool) -> None:
    if found.version is not None and found.release < OLDEST_RELEASE:
        oldest = ".".join(map(str, OLDEST_RELEASE))
        raise StoreError(
            f"{where}: TimescaleDB {found.version} is older than {oldest}, the first whose compressed rows can be compared with new "
            "ones; ALTER EXTENSION timescaledb UPDATE"
        )
    if not retention.change or retention.drop_after_ms is None:
        return
    if found.version is None or found.edition == "apache":
        raise ConfigError(f"{where}: there is no TimescaleDB (community edition) that could drop old rows by itself; use arbml prune")
    if drop_old:
        return
    for table in HYPERTABLES:
        oldest_ms = connection.execute(text(f"SELECT min(ts_ms) FROM {table.name}")).scalar()
        # a chunk goes when all of it is too old
        if oldest_ms is not None and (oldest_ms // CHUNK_MS + 1) * CHUNK_MS <= now_ms - retention.drop_after_ms:
            raise ConfigError(
                f"{where}: {table.name} has rows from {iso(oldest_ms)[:10]} on, which a retention of "
                f"{retention.drop_after_ms // DAY_MS} days would drop at once, as recorded and simulated ticks of old days; "
                "leave --retention out, raise ML_COLLECTION__RETENTION_DAYS, or say --drop-old"
            )
