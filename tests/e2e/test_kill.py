"""`arbml run` killed with -9 at four moments in one home, then run to its end: the same as if nothing had happened."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from arbml.config import RegistryConfig
from arbml.registry import Registry
from tests.e2e.kit import SMALL, Done, answer, eventually_gone, figures, finish, processes_of, query, rows, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RUN = ("--json", "run", "--hours", "4", "--models", "volatility")  # it beats its baseline on these hours


def collecting(home: Path) -> bool:
    """Ticks are stored; executions perhaps not."""
    return bool(query(home / "arbml.db", "select 1 from ticks limit 1"))


def training(home: Path) -> bool:
    """MLflow has an open run."""
    return bool(query(home / "mlflow" / "mlflow.db", "select 1 from runs where status = 'RUNNING'"))


def promoted(home: Path) -> bool:
    """The alias champion has just moved; the history of it is perhaps not written."""
    return bool(query(home / "mlflow" / "mlflow.db", "select 1 from registered_model_aliases where alias = 'champion'"))


def serving(home: Path) -> bool:
    """The built Bento starts."""
    return (home / "logs" / "service.log").exists() and any(" bentoml serve " in command for command in processes_of(home).values())


# the moment, who is killed (the process alone leaves its servers behind, the group takes the Prefect server along), own server?
MOMENTS: tuple[tuple[Callable[[Path], bool], Callable[[int, int], None], bool], ...] = (
    (collecting, os.kill, True),
    (training, os.killpg, False),
    (promoted, os.killpg, False),
    (serving, os.kill, False),
)  # fmt: skip


def killed_when(moment: Callable[[Path], bool], kill: Callable[[int, int], None], home: Path, settings: dict[str, str]) -> None:
    process = start(RUN, home, settings)
    deadline = time.monotonic() + 200
    while not moment(home):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"{moment.__name__} was never seen: {process.communicate()}")
        time.sleep(0.02)
    kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One where nothing happens, one where things are killed."""
    folder = tmp_path_factory.mktemp("kill")
    return folder / "calm" / "home", folder / "rough" / "home"


@pytest.fixture(scope="module")
def calm_process(homes: tuple[Path, Path], prefect_url: str) -> Iterator["subprocess.Popen[str]"]:
    """The undisturbed run, beside the others, as there are two cores."""
    process = start(RUN, homes[0], SMALL | {"PREFECT_API_URL": prefect_url})
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def orphans(homes: tuple[Path, Path], calm_process: "subprocess.Popen[str]", prefect_url: str) -> dict[str, dict[int, str]]:
    """Kill at every moment, one after the other; return what still ran some time after each."""
    left = {}
    for moment, kill, own_server in MOMENTS:
        killed_when(moment, kill, homes[1], SMALL if own_server else SMALL | {"PREFECT_API_URL": prefect_url})
        left[moment.__name__] = eventually_gone(homes[1])
    return left


@pytest.fixture(scope="module")
def rough(homes: tuple[Path, Path], orphans: dict[str, dict[int, str]]) -> Done:
    """The run after all the kills."""
    return finish(start(RUN, homes[1], SMALL))


@pytest.fixture(scope="module")
def calm(calm_process: "subprocess.Popen[str]", rough: Done) -> dict[str, Any]:
    done = finish(calm_process)
    assert (done.code, done.errors) == (0, ())
    return done.facts


@pytest.mark.parametrize("moment", [moment.__name__ for moment, _, _ in MOMENTS])
def test_no_process_outlives_a_killed_run(orphans: dict[str, dict[int, str]], moment: str) -> None:
    assert orphans[moment] == {}


def test_the_next_run_completes(rough: Done) -> None:
    assert (rough.code, rough.errors) == (0, ())


def test_its_result_is_that_of_an_undisturbed_run(rough: Done, calm: dict[str, Any]) -> None:
    assert calm["decisions"]["volatility"]["promote"], "otherwise nothing was promoted that a kill could have interrupted"
    assert rough.facts["data_hashes"] == calm["data_hashes"]
    assert figures(rough.facts) == figures(calm)
    assert answer(rough.facts) == answer(calm)


def test_the_store_holds_the_same(homes: tuple[Path, Path], rough: Done, calm: dict[str, Any]) -> None:
    counts = [{name: count for name, count in rows(home).items() if name != "predictions"} for home in homes]
    assert counts[0] == counts[1]
    assert counts[0]["executions"] > 0


def test_the_same_model_is_champion_and_every_run_is_closed(homes: tuple[Path, Path], rough: Done, calm: dict[str, Any]) -> None:
    undisturbed, champion = (Registry(RegistryConfig(), home).champion("volatility") for home in homes)
    assert champion is not None
    assert undisturbed is not None
    assert (champion.number, champion.tags["model_sha256"]) == (undisturbed.number, undisturbed.tags["model_sha256"])
    history = Registry(RegistryConfig(), homes[1]).history("volatility")
    assert [(event.number, str(event.action)) for event in history] == [(1, "promote"), (2, "reject"), (3, "reject")]
    status = query(homes[1] / "mlflow" / "mlflow.db", "select status, count(*) from runs group by 1")
    assert dict(status) == {"FINISHED": 3, "KILLED": 1}


def test_prefect_knows_what_crashed(homes: tuple[Path, Path], rough: Done) -> None:
    database = homes[1] / "prefect" / "prefect.db"
    cycles = query(database, "select r.state_name from flow_run r join flow f on f.id = r.flow_id where f.name = 'cycle'")
    assert Counter(state for (state,) in cycles) == {"Crashed": 1, "Completed": 1}
    for table in ("flow_run", "task_run"):
        assert {state for (state,) in query(database, f"select distinct state_name from {table}")} == {"Completed", "Crashed"}


def test_no_lock_and_no_half_written_file_is_left(homes: tuple[Path, Path], rough: Done) -> None:
    home = homes[1]
    assert eventually_gone(home) == {}
    locks = [*home.rglob("*.lock"), *(home.parent / "models").rglob("*.lock")]
    assert locks
    for path in locks:
        FileLock(path).acquire(timeout=0).lock.release()
    assert sorted(path.name for path in (home / "locks").iterdir() if path.suffix != ".lock") == [], "nobody says that he is training"
    assert list((home / "tmp").iterdir()) == []
    assert [*home.rglob("*.part"), *(home.parent / "models").rglob("*.part"), *home.glob("mlflow/.new-*")] == []
