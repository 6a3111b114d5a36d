"""Rules of the house that import-linter does not hold."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for folder in ("arbml", "flows", "bentos") for p in (ROOT / folder).rglob("*.py"))
CLOCK_CALLS = {"time.time", "time.time_ns", "time.perf_counter", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
# settings reads the environment; logs, the doors of two libraries and the processes that we start set switches for libraries
ENVIRONMENT_DOORS = {
    "arbml/settings.py", "arbml/logs.py", "arbml/registry/connection.py", "arbml/models/lstm.py",
    "flows/server.py", "bentos/", "arbml/cli/",
}


def calls(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_is_short_and_documented(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module says what it is for"
    assert path.stem not in {"utils", "helpers", "common", "core", "manager"}


def test_only_the_clock_asks_what_time_it_is() -> None:
    offenders = {str(p.relative_to(ROOT)): calls(p) & CLOCK_CALLS for p in SOURCES if p.name != "clock.py"}
    assert {path: found for path, found in offenders.items() if found} == {}


def test_only_doors_touch_the_environment() -> None:
    offenders = [
        str(p.relative_to(ROOT)) for p in SOURCES
        if calls(p) & {"os.environ", "os.getenv"} and not str(p.relative_to(ROOT)).startswith(tuple(ENVIRONMENT_DOORS))
    ]
    assert offenders == []


def test_the_mlflow_folder_does_not_hide_the_library() -> None:
    assert list((ROOT / "mlflow").rglob("*.py")) == []
    code = "import mlflow; print(mlflow.__file__)"
    where = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "site-packages" in where.stdout


def test_help_loads_no_heavy_library() -> None:
    code = "import sys, arbml.cli.app; print([m for m in sys.modules if m in {'numpy','pandas','pydantic','prefect','mlflow','rich'}])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_the_lock_names_no_host_and_pins_with_hashes() -> None:
    for name in ("requirements.lock", "bootstrap.lock"):
        text = (ROOT / name).read_text()
        assert "http://" not in text
        assert "https://" not in text
        assert "--index" not in text
        pinned = [line for line in text.splitlines() if "==" in line]
        assert len(pinned) > 0
        assert all(line.endswith("\\") for line in pinned), "each pin is followed by its hashes"


def test_every_direct_dependency_is_pinned() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = {line.split("==")[0].split("[")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    wanted = {Requirement(text).name.lower() for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]}
    assert wanted - lock == set()
