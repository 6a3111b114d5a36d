"""The command line from outside: exit codes, one-line errors, help."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def arbml(*arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    import os

    env = {k: v for k, v in os.environ.items() if not k.startswith("ML_")} | environ
    return subprocess.run([sys.executable, "-m", "arbml", *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=280)


def one_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    return lines[0]


def test_version_and_help(tmp_path: Path) -> None:
    assert arbml("--version", cwd=tmp_path).stdout.startswith("arbml ")
    shown = arbml("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for command in ("run", "collect", "validate", "features", "train", "evaluate", "promote", "rollback", "drift", "patterns", "build",
                    "serve", "schedule", "retrain", "status", "doctor", "backtest", "patterns", "export", "prune", "store"):
        assert f"  {command} " in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["trai"], {}, "Did you mean 'train'"),
        (["train", "forest"], {}, "no model is called 'forest'; there are lstm, scorer, volatility"),
        (["run", "--hours", "x"], {}, "--hours"),
        (["run", "--models", "lstm,tarot"], {}, "no model is called 'tarot'"),
        (["schedule", "--cron", "lstm"], {}, "write NAME=CRON"),
        (["train", "lstm"], {"ML_TYPO": "1"}, "ML_TYPO: no such setting"),
        (["train", "lstm"], {"ML_DATA_INTERVAL": "3"}, "ML_DATA_INTERVAL: input should be greater"),
        (["run", "--horizons-s", "60,10"], {}, "horizons must be positive whole seconds in increasing order"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(arguments: list[str], environ: dict[str, str], message: str, tmp_path: Path) -> None:
    done = arbml(*arguments, cwd=tmp_path, **environ)
    assert done.returncode == 2
    assert message in one_line(done.stderr)
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == [], "nothing is written on wrong use"


def test_doctor_finds_everything_well_here(tmp_path: Path) -> None:
    done = arbml("--json", "doctor", cwd=tmp_path, ML_INFERENCE__PORT="0")
    checks = json.loads(done.stdout)["checks"]
    assert {c["name"]: c["ok"] for c in checks}.items() >= {"python": True, "store": True, "home": True}.items()
    assert [c for c in checks if not c["ok"]] == []
    assert done.returncode == 0


def test_doctor_names_the_mend(tmp_path: Path) -> None:
    database, prefect = "postgresql://arbml:hunter2@127.0.0.1:1/none", "http://127.0.0.1:1/api"
    done = arbml("doctor", cwd=tmp_path, TIMESERIES_CONNECTION_STRING=database, PREFECT_API_URL=prefect)
    assert done.returncode == 1
    assert "FAIL store" in done.stdout
    assert "unset PREFECT_API_URL" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
