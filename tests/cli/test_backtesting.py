"""`arbml backtest` from outside: wrong use is one line; what works shows tables a person can read."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from arbml.cli.app import run
from arbml.collectors import Simulator, SimulatorConfig


def arbml(*arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    env = {k: v for k, v in os.environ.items() if not k.startswith("ML_")} | environ
    return subprocess.run([sys.executable, "-m", "arbml", *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=280)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--start", "tomorrow"], "--start 'tomorrow' is no ISO time; write e.g. 2024-01-31"),
        (["--no-ml", "--compare"], "--no-ml runs the rule alone"),
        (["--champions", "--retrain-hours", "3"], "leave out --retrain-hours"),
        (["--sim", "--ticks", "a.csv"], "--sim brings its own ticks"),
        (["--market", "world"], "--market says which simulated market; give --sim, too"),
        (["--executions", "a.csv"], "--executions go with --ticks"),
        (["--report", "report.pdf"], "give the name of an .html file"),
        (["--ticks", "nothing.csv"], "nothing.csv: no such file"),
        (["--sim", "--slippage", "cubic"], "ML_BACKTEST__SLIPPAGE: input should be 'none', 'linear', 'quadratic' or 'exact'"),
        (["--sim", "--capital", "-1"], "ML_BACKTEST__CAPITAL: input should be greater than 0"),
        (["--sim", "--confidence-threshold", "7"], "ML_CONFIDENCE_THRESHOLD: input should be less than or equal to 1"),
        (["--models", "tarot"], "no model is called 'tarot'"),
        (["--trials", "0"], "--trials"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = arbml("backtest", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert said in line
    assert list(tmp_path.iterdir()) == [], "nothing is written on wrong use"


@pytest.fixture
def here(prefect_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, and an environment that is put back afterwards: options are set there."""
    kept = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    os.environ["PREFECT_API_URL"] = prefect_url
    yield tmp_path
    os.environ.clear()
    os.environ.update(kept)


@pytest.mark.slow
def test_recorded_ticks_without_anything_stored(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is backtested twice with the same result, and no store is made."""
    pd.concat(list(Simulator(SimulatorConfig(seed=2, hours=3)).ticks())).to_parquet("ticks.parquet")
    found = []
    for _ in range(2):
        assert run(["--json", "backtest", "--ticks", "ticks.parquet", "--no-ml", "--end", "2024-01-01T02:30"]) == 0
        found.append(json.loads(capsys.readouterr().out)["arms"])
    assert found[0] == found[1]
    assert found[0][0]["metrics"]["attempts"] > 0
    assert not (here / ".arbml" / "arbml.db").exists()
    report = json.loads((here / ".arbml" / "reports" / "backtest.json").read_text())
    assert report["end"] <= "2024-01-01T02:30:00Z"
    assert sum(row["net_profit"] for row in report["trades"]["rows"]) == pytest.approx(found[0][0]["metrics"]["net_profit"])

    assert run(["backtest", "--ticks", "ticks.parquet", "--no-ml", "--start", "2025-01-01"]) == 2
    assert "no tick lies after 2025-01-01T00:00:00Z" in capsys.readouterr().err


COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", Path("docs/backtest.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SMALL = {"ML_SCORER__TREES": "20", "ML_PROMOTION__BOOTSTRAP_ROUNDS": "200", "ML_TRAINING__FOLDS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_docs_runs(line: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program, *arguments = shlex.split(line)
    assert program == "arbml"
    os.environ.update(SMALL)
    assert run(arguments) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert list((here / ".arbml" / "tmp").iterdir()) == [], "the work folder is gone"
    if "--json" in line:
        facts = json.loads(out)
        assert facts["arms"][0]["name"] == "ML off"
        assert Path(facts["report"]).is_file()
        return
    assert "USDC" in out
    assert "report: " in out
    page = here / ("report.html" if "--report" in line else ".arbml/reports/backtest.html")
    assert page.read_text().startswith("<!doctype html>")
    assert page.with_suffix(".json").is_file()
    if "--compare" in line:
        assert all(arm in out for arm in ("ML on", "ML off", "ML without scorer", "tuned rule", "oracle"))
