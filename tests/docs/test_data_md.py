"""docs/data.md says what recording, export and exchanges do."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from arbml.collectors.data_collector import collector as data_collector
from arbml.collectors.data_collector import export, flusher, subscribers
from arbml.config import CollectionConfig
from arbml.settings import known_names
from tests.cli.test_app import arbml

TEXT = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
RECORDING = TEXT.partition("## Recording by calls")[2].partition("\n## ")[0]
EXPORT = TEXT.partition("## Export and retention")[2].partition("\n## ")[0]
EXCHANGES = TEXT.partition("## Exchanges")[2].partition("\n## ")[0]


def test_every_setting_named_exists() -> None:
    named = set(re.findall(r"\bML_[A-Z_]+\b", RECORDING + EXPORT + EXCHANGES))
    assert len(named) >= 5
    assert named - set(known_names()) == set()


def test_the_figures_are_those_of_the_code() -> None:
    config = CollectionConfig()
    assert f"({config.batch_size}) together" in RECORDING
    assert f"({config.interval_ms} ms)" in RECORDING
    assert f"({config.buffer_rows:,}: 50 s".replace(",", " ") in RECORDING
    assert f"(`{data_collector.BLOCK_S:g} s`" in RECORDING or f"({data_collector.BLOCK_S:g} s)" in RECORDING
    assert (flusher.FIRST_PAUSE_S, flusher.LONGEST_PAUSE_S, subscribers.MAX_WAITING) == (0.1, 5.0, 10_000)
    assert f"({config.retention_days})" in EXPORT
    assert "100_000" in inspect.getsource(sys.modules[export.__module__])


@pytest.mark.slow
def test_the_sample_and_the_commands_do_what_they_say(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", RECORDING, re.MULTILINE | re.DOTALL)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "price=2281.87" in done.stdout
    assert "stored=3" in done.stdout
    assert (tmp_path / "ticks.parquet").is_file()
    for command in re.findall(r"^arbml export .*?(?=  #|$)", EXPORT, re.MULTILINE):
        given = [part for part in command.split()[1:] if part not in ("--from", "--until") and not part.startswith("2024")]
        told = arbml(*given, cwd=tmp_path)
        assert (tmp_path / given[2]).is_file(), told.stderr
