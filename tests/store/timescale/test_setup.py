"""`Store.setup` on PostgreSQL with a stand-in for TimescaleDB: order, idempotence, refusals, rollback. Not TimescaleDB itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import event, text

from arbml.config import StoreConfig
from arbml.errors import ConfigError, StoreError
from arbml.market import Tick
from arbml.store import Store, migrations, tables
from arbml.store.engine import connect
from arbml.store.timescale import BARS, HYPERTABLES, Found, Layout, Retention, planned, setup
from arbml.store.timescale.found import COMPRESSION, REFRESH, RETENTION
from arbml.store.timescale.plan import CHUNK_MS, COMPRESS_AFTER_MS, DAY_MS
from tests.store.timescale.conftest import translate
from tests.store.units import unit

NOW_MS = 1_800_000_000_000
NAMES = {table.name for table in HYPERTABLES}
KEEP = Retention()
DAYS_90 = Retention(True, 90 * DAY_MS)
FOR_EVER = Retention(True, None)


def limits(found: Found, policy: str, name: str) -> set[int | None]:
    relations = BARS if policy == REFRESH else NAMES
    assert {relation for procedure, relation in found.policies if procedure == policy} == set(relations)
    return {found.policy_ms(policy, relation, name) for relation in relations}


def test_everything_is_there_after_one_run_and_a_second_changes_nothing(store: Store) -> None:
    store.chain.append_many([unit(n) for n in range(1, 6)])
    before = store.ticks.read()
    done = store.setup(KEEP, NOW_MS)
    found = done.layout.timescale
    assert (found.version, found.now_function, set(found.hypertables), found.knowing_now) == ("2.23.0", True, NAMES, NAMES)
    assert all(found.hypertables.values())
    assert found.bars == set(BARS)
    assert limits(found, COMPRESSION, "compress_after") == {COMPRESS_AFTER_MS}
    assert limits(found, REFRESH, "start_offset") == {None}
    assert not any(procedure == RETENTION for procedure, _ in found.policies)
    assert len(done.steps) == 1 + 4 * len(NAMES) + 2 * len(BARS)
    again = store.setup(KEEP, NOW_MS)
    assert again.steps == ()
    assert again.layout == done.layout == store.layout()
    assert store.ticks.read().equals(before)
    store.chain.append(unit(6))
    assert store.chain.remove_above(1, 4, 99_000) == 2


def test_retention_comes_changes_and_goes_and_the_bars_follow(store: Store) -> None:
    found = store.setup(DAYS_90, NOW_MS).layout.timescale
    assert limits(found, RETENTION, "drop_after") == limits(found, REFRESH, "start_offset") == {90 * DAY_MS}
    assert store.setup(DAYS_90, NOW_MS).steps == store.setup(KEEP, NOW_MS).steps == ()
    found = store.setup(Retention(True, 30 * DAY_MS), NOW_MS).layout.timescale
    assert limits(found, RETENTION, "drop_after") == limits(found, REFRESH, "start_offset") == {30 * DAY_MS}
    found = store.setup(FOR_EVER, NOW_MS).layout.timescale
    assert not any(procedure == RETENTION for procedure, _ in found.policies)
    assert limits(found, REFRESH, "start_offset") == {None}
    assert store.setup(FOR_EVER, NOW_MS).steps == ()


def test_retention_refuses_to_drop_what_is_there_unless_told(store: Store) -> None:
    limit = NOW_MS - 90 * DAY_MS
    young = limit // CHUNK_MS * CHUNK_MS  # older than the limit, in a part that is not
    store.ticks.append([Tick(young, "a", "A/B", 1.0, young)])
    store.setup(DAYS_90, NOW_MS)
    store.setup(FOR_EVER, NOW_MS)
    store.ticks.append([Tick(young - 1, "a", "A/B", 1.0, young)])
    with pytest.raises(ConfigError, match=r"ticks has rows from 2026-10-\d\d on, which a retention of 90 days .* --drop-old"):
        store.setup(DAYS_90, NOW_MS)
    assert not any(procedure == RETENTION for procedure, _ in store.layout().timescale.policies)
    found = store.setup(DAYS_90, NOW_MS, drop_old=True).layout.timescale
    assert limits(found, RETENTION, "drop_after") == {90 * DAY_MS}


def test_a_refused_statement_leaves_everything_as_it_was(standin_database: Callable[..., str], opened: Callable[..., Store]) -> None:
    """Plain PostgreSQL cannot parse the statement that enables compression: four hypertables are undone by it."""
    store = opened(standin_database(), translated=False)
    store.chain.append(unit(1))
    refused = r'unrecognized parameter namespace "timescaledb" \(while: ticks: enable compression: ALTER TABLE'
    with pytest.raises(StoreError, match=refused) as caught:
        store.setup(DAYS_90, NOW_MS, drop_old=True)
    assert "nothing was changed" in str(caught.value)
    assert "\n" not in str(caught.value)
    found = store.layout().timescale
    assert (found.now_function, dict(found.hypertables), found.policies, found.bars) == (False, {}, {}, frozenset())
    store.chain.append(unit(2))
    assert len(store.ticks.read()) == 2


def test_the_apache_edition_gets_hypertables_only(store: Store) -> None:
    with store._database.writing() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar()
        connection.execute(text(f"ALTER DATABASE {name} SET timescaledb.license = 'apache'"))
    store.close()  # the setting is of new connections
    found = store.setup(KEEP, NOW_MS).layout.timescale
    assert (found.edition, dict(found.hypertables), found.bars) == ("apache", dict.fromkeys(NAMES, False), frozenset())
    assert store.setup(KEEP, NOW_MS).steps == ()
    with pytest.raises(ConfigError, match="no TimescaleDB \\(community edition\\) that could drop old rows"):
        store.setup(DAYS_90, NOW_MS)


def test_an_old_release_is_refused(standin_database: Callable[..., str], opened: Callable[..., Store]) -> None:
    store = opened(standin_database("2.9.0"))
    with pytest.raises(StoreError, match=r"TimescaleDB 2\.9\.0 is older than 2\.11.*ALTER EXTENSION timescaledb UPDATE"):
        store.setup(KEEP, NOW_MS)
    assert dict(store.layout().timescale.hypertables) == {}


def test_without_the_extension_nothing_is_done(standin_database: Callable[..., str], opened: Callable[..., Store]) -> None:
    store = opened(standin_database(None))
    done = store.setup(KEEP, NOW_MS)
    assert (done.steps, done.layout.timescale) == ((), Found(available=True))
    assert done.layout.server.startswith("PostgreSQL 1")
    with pytest.raises(ConfigError, match="arbml prune"):
        store.setup(DAYS_90, NOW_MS)


def test_what_the_user_made_himself_stays(store: Store) -> None:
    with store._database.writing() as connection:
        connection.execute(text("SELECT create_hypertable('ticks', 'ts_ms', chunk_time_interval => BIGINT '1000')"))
    store.setup(KEEP, NOW_MS)
    with store._database.reading() as connection:
        chunk = "SELECT integer_interval FROM timescaledb_information.dimensions WHERE hypertable_name = 'ticks'"
        assert connection.execute(text(chunk)).scalar() == 1000


def test_an_older_schema_that_was_set_up_is_migrated(standin_database: Callable[..., str], tmp_path: Path) -> None:
    place = StoreConfig(connection_string=SecretStr(standin_database())), tmp_path
    database = connect(*place, lock_timeout_s=5)
    event.listen(database.engine, "before_cursor_execute", translate, retval=True)
    with database.writing() as connection:
        migrations._upgrade(connection, None, "0003")
    before = setup(database, KEEP, NOW_MS).layout.timescale
    with database.writing() as connection:  # what later revisions may do to these tables
        for table in HYPERTABLES:
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN later BIGINT"))
            connection.execute(text(f"CREATE INDEX ix_{table.name}_later ON {table.name} (later)"))
    with Store.open(*place) as store:
        assert store.layout() == Layout(store.layout().server, migrations.REVISIONS[-1], before)
        store.ticks.append([Tick(1, "a", "A/B", 1.0, 2)])
        assert len(store.ticks.read()) == 1
    database.close()


@pytest.mark.parametrize("name", ["executions", "predictions", "blocks"])
def test_tables_whose_key_has_no_time_cannot_be_hypertables(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="cannot create a unique index without the column"), store._database.writing() as connection:
        connection.execute(text(f"SELECT create_hypertable('{name}', 'ts_ms', chunk_time_interval => BIGINT '1000')"))


def test_every_key_column_is_compressed_by_or_sorted_by() -> None:
    for table in HYPERTABLES:
        keys = {column.name for column in tables.metadata.tables[table.name].primary_key}
        used = [*table.segment_by.split(", "), *table.order_by.split(", ")]
        assert "ts_ms" in keys <= set(used)
        assert len(used) == len(set(used))
        assert set(used) <= set(tables.metadata.tables[table.name].columns.keys())


def test_no_statement_is_planned_twice() -> None:
    statements = [step.sql for step in planned(Found("2.23.0"), DAYS_90)]
    assert len(statements) == len(set(statements)) == 1 + 5 * len(NAMES) + 2 * len(BARS)
