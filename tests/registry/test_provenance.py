"""Where a model comes from, with and without git, and processes that live or do not."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

import arbml
from arbml.registry.provenance import Process, code_version, digest, environment, requirements


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A package in a git checkout of its own, without changes."""
    package = tmp_path / "top" / "package"
    package.mkdir(parents=True)
    (package / "a.py").write_text("A = 1\n")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(package.parent), *command], check=True)
    return package


def test_code_version_names_the_commit_and_says_when_files_changed(checkout: Path) -> None:
    clean = code_version(checkout)
    assert re.fullmatch(rf"{re.escape(arbml.__version__)}\+g[0-9a-f]{{12}}", clean)
    (checkout / "note.txt").write_text("untracked files do not count\n")
    assert code_version(checkout) == clean
    (checkout / "a.py").write_text("A = 2\n")
    assert code_version(checkout) == clean + ".dirty"


def test_code_version_is_not_fooled_by_a_hook_or_by_a_checkout_around_an_installation(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = code_version(checkout)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert code_version(checkout) == clean
    inner = checkout / "site-packages" / "arbml"
    inner.mkdir(parents=True)
    assert code_version(inner) == arbml.__version__


def test_code_version_without_git_is_that_of_the_package(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_version(checkout) == arbml.__version__
    monkeypatch.undo()
    shutil.rmtree(checkout.parent / ".git")
    (checkout.parent / ".git").write_text("gitdir: /nowhere\n")
    assert code_version(checkout) == arbml.__version__


def test_environment_and_requirements_are_what_is_installed() -> None:
    facts = environment()
    assert facts["numpy"] == version("numpy")
    assert facts["python"].startswith("3.")
    assert f"onnxruntime=={version('onnxruntime')}" in requirements()
    assert not any(line.startswith("tensorflow") for line in requirements()), "a served model does not need it"


def test_digest_sees_names_contents_and_borders(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12")
    (tmp_path / "b").write_text("3")
    first = digest(tmp_path)
    assert digest(tmp_path) == first
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("23")
    assert digest(tmp_path) != first
    (tmp_path / "a").write_text("12")
    (tmp_path / "b").write_text("3")
    assert digest(tmp_path) == first
    (tmp_path / "b").rename(tmp_path / "c")
    assert digest(tmp_path) != first


def test_a_process_is_gone_only_if_that_is_certain() -> None:
    this = Process.this()
    assert not this.gone()
    assert Process.from_json(this.to_json()) == this
    assert replace(this, boot="another start of the machine").gone()
    assert replace(this, started="1").gone(), "the number was given to another process"
    assert not replace(this, host="elsewhere", pid=1).gone(), "who can tell"
    assert Process.from_json("not json") is None
    assert Process.from_json("{}") is None


def test_an_ended_process_is_gone_even_before_its_parent_noticed() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = replace(Process.this(), pid=child.pid, started=_started(child.pid))
    assert not process.gone()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert process.gone()
    child.wait()
    assert process.gone()


def _started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
