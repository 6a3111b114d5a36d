"""The schema that migrations make is the schema that the code uses."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from arbml.config import StoreConfig
from arbml.errors import StoreError
from arbml.store import Alert, Store, migrations, tables
from arbml.store.engine import connect

Place = tuple[StoreConfig, Path]


def test_the_list_of_revisions_is_what_lies_in_the_folder() -> None:
    found = [script.revision for script in ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions()]
    assert tuple(reversed(found)) == migrations.REVISIONS


def test_a_migrated_database_has_the_tables_of_the_code(store: Store) -> None:
    with store._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": migrations.VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        view = {column["name"] for column in inspect(connection).get_columns("outcomes")}
        assert view == set(tables.outcomes.columns.keys())
        for table in tables.metadata.tables.values():
            names = {column["name"] for column in inspect(connection).get_columns(table.name)}
            assert table.name in ("streams", "pools") or {"ts_ms", "ts_known_ms"} <= names


def test_opening_again_changes_nothing_and_loads_no_alembic(place: Place) -> None:
    Store.open(*place).close()
    url = place[0].connection_string.get_secret_value() if place[0].connection_string else None
    code = (
        "import sys; from pathlib import Path; from arbml.config import StoreConfig; from arbml.store import Store;"
        f"Store.open(StoreConfig(connection_string={url!r}), Path({str(place[1])!r})).close(); print('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_a_newer_schema_is_refused_and_left_alone(place: Place) -> None:
    with Store.open(*place) as store, store._database.writing() as connection:
        connection.execute(text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"schema 9999 is newer than this arbml knows \(up to \d+\); upgrade arbml"):
        Store.open(*place)


def test_sqlite_is_embedded_as_promised(tmp_path: Path) -> None:
    with Store.open(StoreConfig(), tmp_path / "100% new" / "home") as store:
        assert store.where == str(tmp_path / "100% new" / "home" / "arbml.db")
        with store._database.reading() as connection:
            names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}
            assert pragmas == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.parametrize("revision", migrations.REVISIONS[:-1])
def test_a_database_of_an_older_release_is_migrated_and_keeps_its_rows(place: Place, revision: str) -> None:
    database = connect(*place, lock_timeout_s=5)
    with database.writing() as connection:
        migrations._upgrade(connection, None, revision)
        connection.execute(text("INSERT INTO alerts VALUES ('drift', 'scorer', 1000, 1200, 'critical', 'm', NULL, NULL, NULL)"))
        columns = "request_id, ts_known_ms, ts_ms, result, chain_id, profit"
        connection.execute(text(f"INSERT INTO executions ({columns}) VALUES ('r', 2, 1, 'success', 1, 5.0)"))
    database.close()
    with Store.open(*place) as store:
        assert store.alerts.active() == [Alert("drift", "scorer", 1_000, 1_200, "critical", "m")]
        assert store.executions.read()["request_id"].tolist() == ["r"]
        with store._database.reading() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": migrations.VERSION_TABLE, "compare_type": True})
            assert compare_metadata(context, tables.metadata) == []
