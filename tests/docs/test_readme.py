"""Every command of the README runs, in its order, as a user would type it: one folder, one shell after the other.

Only sizes are changed, through the environment: fewer epochs and folds. Servers get a free port in place of the README's.
"""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.server import free_port, prefect_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

README = Path("README.md")
SMALL = {"ML_TRAINING__MAX_EPOCHS": "2", "ML_TRAINING__FOLDS": "1", "ML_LSTM__MAX_SAMPLES": "1000", "ML_VOLATILITY__MAX_SAMPLES": "2000"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


class Shell:
    """A folder with the environment in it, and the servers that were started there."""

    def __init__(self, folder: Path, api_url: str) -> None:
        self.folder, self.port, self.servers = folder, free_port(), list[subprocess.Popen[bytes]]()
        (folder / ".venv").symlink_to(sys.prefix)
        for name in ("Makefile", "examples"):
            (folder / name).symlink_to(Path(name).absolute())
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ML_", "PREFECT_", "VIRTUAL_ENV"))}
        self.environment = {**kept, **SMALL, "PREFECT_API_URL": api_url, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.local(script)], cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def serve(self, script: str) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.servers.append(subprocess.Popen(
                ["bash", "-c", "exec " + self.local(script)], cwd=self.folder, env=self.environment, stdout=log, stderr=log,
            ))

    def local(self, script: str) -> str:
        return script.replace("3000", str(self.port))

    def stop(self) -> None:
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(30)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        with prefect_server(folder / "given") as url:
            shell = Shell(folder, url)
            yield shell
            shell.stop()


def wait_until_ready(shell: Shell) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{shell.port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            assert shell.servers[-1].poll() is None, (shell.folder / "server.log").read_text()
        time.sleep(0.3)
    raise AssertionError((shell.folder / "server.log").read_text())


@pytest.mark.parametrize("number", range(len(blocks("sh"))))
def test_a_block_of_commands_runs(shell: Shell, number: int) -> None:
    script = blocks("sh")[number]
    if script.strip().startswith(("arbml serve", "arbml schedule")):
        shell.serve(script.strip())
        if "serve" in script:
            wait_until_ready(shell)
        else:
            deadline = time.monotonic() + 60
            while "running; Ctrl-C stops it" not in (shell.folder / "server.log").read_text():
                assert shell.servers[-1].poll() is None, (shell.folder / "server.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.5)
        return
    out = shell.run(script)
    if "/predict" in script:
        assert '"recommendation"' in out
        assert '"joined":true' in out.replace(" ", "")


def test_the_python_example_runs(shell: Shell) -> None:
    (program,) = blocks("python")
    out = shell.run(f"python - <<'EOF'\n{program}\nEOF")
    assert any(word in out for word in ("SKIP", "QUEUE", "send it:"))


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README.read_text() + Path("CONTRIBUTING.md").read_text(), re.MULTILINE))
    assert named - targets == set()
    assert {"run", "test", "bench", "lint", "up", "clean"} <= targets


def test_every_file_named_exists() -> None:
    for name in re.findall(r"`((?:docs/)?[\w.-]+\.(?:md|yml|example))`", README.read_text()):
        assert Path(name).is_file(), name


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text()
    for command in ("run", "collect", "validate", "features", "train", "evaluate", "promote", "rollback", "drift", "build", "serve",
                    "schedule", "retrain", "status", "doctor", "backtest", "patterns"):
        assert f"arbml {command}" in text, command
