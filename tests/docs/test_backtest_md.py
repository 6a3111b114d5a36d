"""docs/backtest.md says what the code does; its commands are run in tests/cli."""

import re
import subprocess
import sys
from pathlib import Path

from arbml.settings import known_names

TEXT = (Path(__file__).parents[2] / "docs" / "backtest.md").read_text(encoding="utf-8")

def test_every_setting_named_exists() -> None:
    named = set(re.findall(r"\bML_[A-Z_]+\b", TEXT))
    assert len(named) > 12
    assert named - set(known_names()) == set()


def test_every_option_is_in_the_table_and_no_other() -> None:
    shown = subprocess.run([sys.executable, "-m", "arbml", "backtest", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown)) - {"--help"}
    table = set(re.findall(r"--[a-z][a-z-]+", TEXT.partition("| option |")[2].partition("\n\n")[0]))
    assert {o for o in options if not o.startswith("--no-") or o == "--no-ml"} == table
