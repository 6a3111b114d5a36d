"""kill -9 at every single step, and two processes at once: a real database, real processes, no luck needed."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from arbml.clock import SystemClock
from arbml.config import RegistryConfig
from arbml.registry import Registry
from arbml.registry.versions import seated

METRICS = {"fold1.brier": 0.2, "final.brier": 0.19}


class Mortal:
    """An MLflow client whose process is killed just before its write number `left`, counted from 0; reads leave no trace."""

    def __init__(self, client: Any, left: int) -> None:
        self.client, self.left, self.calls = client, left, 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if not name.startswith(("create", "delete", "log", "set")):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.calls == self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            self.calls += 1
            return method(*args, **kwargs)

        return call


def in_child(work: Callable[[], None]) -> int:
    """Start `work` in a forked process; return its number."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(1)
    return pid


def ended(pid: int) -> int:
    """Wait for a process; return its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def cycle(registry: Registry, model: Path, example: pd.DataFrame) -> None:
    """What a training and a promotion do."""
    version = registry.register("scorer", model, example=example, metrics=METRICS, tags={"seed": 1})
    registry.promote("scorer", version.number, "better")


def running(registry: Registry) -> list[str]:
    client = registry._connection.client()
    experiment = client.get_experiment_by_name("arbml-scorer")
    found = client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'") if experiment else []
    return [run.info.run_id for run in found]


def check_sound(registry: Registry) -> None:
    """What must hold after any interruption and a start."""
    assert running(registry) == []
    for version in registry.versions("scorer"):
        assert version.metrics == METRICS, "a version is complete or not there"
        assert registry.model_dir(version).is_dir()
        assert registry._connection.client().get_run(version.run_id).info.status == "FINISHED"
    champion = registry.champion("scorer")
    assert seated(registry.history("scorer")) == (champion.number if champion else None)


@pytest.mark.slow
def test_killed_at_any_step_of_a_training_and_promotion(
    make_registry: Callable[..., Registry], save_model: Callable[..., Path], example: pd.DataFrame
) -> None:
    model, untouched = save_model(), make_registry("untouched")
    untouched._connection._client = counter = Mortal(untouched._connection.client(), -1)
    cycle(untouched, model, example)
    champions = set()
    for step in range(counter.calls):
        name = f"killed-{step}"
        make_registry(name)  # puts the database in place, opens nothing: SQLite must not be taken through a fork

        def work(name: str = name, step: int = step) -> None:
            doomed = make_registry(name)
            doomed._connection._client = Mortal(doomed._connection.client(), step)
            cycle(doomed, model, example)

        assert ended(in_child(work)) == -signal.SIGKILL, step
        registry = make_registry(name)
        registry.start()
        check_sound(registry)
        champions.add(registry.champion("scorer") is not None)
        if step % 5 == 0:
            cycle(registry, model, example)
            check_sound(registry)
            assert registry.champion("scorer") == registry.versions("scorer")[-1]
    assert champions == {True, False}, "the kills came both before and after the alias moved"


@pytest.mark.slow
def test_killed_at_any_step_of_a_rollback(
    make_registry: Callable[..., Registry], save_model: Callable[..., Path], example: pd.DataFrame, tmp_path: Path
) -> None:
    model, template = save_model(), tmp_path / "template" / "mlflow" / "mlflow.db"
    make_registry("template")

    def prepare() -> None:
        registry = make_registry("template")
        for _ in range(3):
            cycle(registry, model, example)

    assert ended(in_child(prepare)) == 0

    def copy(name: str) -> Registry:
        database = tmp_path / name / "mlflow" / "mlflow.db"
        database.parent.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(template)) as source, contextlib.closing(sqlite3.connect(database)) as target:
            source.backup(target)
        return make_registry(name)

    counted = copy("untouched")
    counted._connection._client = counter = Mortal(counted._connection.client(), -1)
    counted.rollback("scorer")
    for step in range(counter.calls):
        name = f"killed-{step}"
        copy(name)

        def work(name: str = name, step: int = step) -> None:
            doomed = make_registry(name)
            doomed._connection._client = Mortal(doomed._connection.client(), step)
            doomed.rollback("scorer")

        assert ended(in_child(work)) == -signal.SIGKILL, step
        registry = make_registry(name)
        registry.start()
        check_sound(registry)
        champion = registry.champion("scorer")
        assert champion
        assert champion.number in (2, 3)
        assert registry.rollback("scorer").number == champion.number - 1, "the next rollback goes further back, not forward"


def test_a_killed_training_leaves_a_killed_run(make_registry: Callable[..., Registry], tmp_path: Path) -> None:
    make_registry()

    def work() -> None:
        with make_registry().run("scorer") as run:
            (tmp_path / "run").write_text(run.run_id)
            os.kill(os.getpid(), signal.SIGKILL)

    assert ended(in_child(work)) == -signal.SIGKILL
    registry = make_registry()
    with registry.run("scorer") as own:
        registry.start()
        client = registry._connection.client()
        assert client.get_run(own.run_id).info.status == "RUNNING", "that of a living process is left alone"
    kept = client.get_run((tmp_path / "run").read_text())
    assert kept.info.status == "KILLED"
    assert "ended without closing the run" in kept.data.tags["error"]


@pytest.mark.slow
def test_two_processes_may_make_the_database_and_register_at_once(
    tmp_path: Path, save_model: Callable[..., Path], example: pd.DataFrame, empty_registry_db: Path
) -> None:
    model, home = save_model(), tmp_path / "shared"

    def work() -> None:
        registry = Registry(RegistryConfig(), home, SystemClock())
        registry.start()
        for _ in range(3):
            version = registry.register("scorer", model, example=example, metrics=METRICS)
            registry.promote("scorer", version.number, "better")

    assert [ended(pid) for pid in [in_child(work), in_child(work)]] == [0, 0]
    registry = Registry(RegistryConfig(), home)
    assert [version.number for version in registry.versions("scorer")] == [1, 2, 3, 4, 5, 6]
    assert len(registry.history("scorer")) == 6
    check_sound(registry)
    assert list((home / "mlflow").glob(".new-*")) == []
