"""Brings a database to the schema of this code: Alembic, run from here, without an ini file or environment script.

A new revision is a new file in `versions`, its number added to `REVISIONS`. Revisions are never edited once released and
only go forward: going back would drop what was collected.
"""

import threading
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from arbml.errors import StoreError
from arbml.store.engine import Database

REVISIONS = ("0001", "0002", "0003", "0004")
"""All revisions, oldest first; kept here so that opening an up-to-date database does not import Alembic."""

VERSION_TABLE = "arbml_schema"
"""Not Alembic's default name, which MLflow and others use in the same database."""

_ONE_AT_A_TIME = threading.Lock()  # Alembic's `op` is a global of the process


def migrate(database: Database) -> None:
    """Make the schema current. Any number of processes may do this at once; one of them does the work.

    Raises:
        StoreError: if the database has a schema that this code does not know, or refuses the work.
    """
    with database.reading() as connection:
        if _revision(connection, database.where) == REVISIONS[-1]:
            return
    with _ONE_AT_A_TIME, database.writing() as connection:
        database.lock_schema(connection)
        current = _revision(connection, database.where)
        if current != REVISIONS[-1]:
            _upgrade(connection, current)


def _revision(connection: Connection, where: str) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()
    if found is not None and found not in REVISIONS:
        raise StoreError(
            f"{where}: schema {found} is newer than this arbml knows (up to {REVISIONS[-1]}); upgrade arbml or use another database"
        )
    return found


def _upgrade(connection: Connection, current: str | None, target: str = REVISIONS[-1]) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(__file__).parent))
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    with Operations.context(context):
        for script in reversed(list(scripts.iterate_revisions(target, current or "base"))):
            script.module.upgrade()
    context.stamp(scripts, target)
