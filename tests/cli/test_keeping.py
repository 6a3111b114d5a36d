"""`arbml export` and `arbml prune` from outside."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbml.clock import SystemClock
from arbml.config import StoreConfig
from arbml.market import Tick
from arbml.store import Store
from tests.cli.test_app import arbml, one_line

DAY_MS = 86_400_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Ticks of two venues, one a day, the newest of today."""
    now_ms = SystemClock().now_ms()
    with Store.open(StoreConfig(), tmp_path / ".arbml") as opened:
        opened.ticks.append([Tick(now_ms - i * DAY_MS, venue, "WETH/USDC", 100.0 + i, now_ms) for i in range(200) for venue in "ab"])
        yield opened


def test_export_writes_what_was_chosen_and_collect_reads_it(store: Store, tmp_path: Path) -> None:
    done = arbml("--json", "export", "--to", "a.csv", "--venue", "a", "--pair", "WETH/USDC", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["exported"]
    assert (told["rows"], told["format"], told["kind"]) == (200, "csv", "ticks")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert len(lines) == 201
    day = arbml("export", "--to", "none.json", "--until", "1999-01-01", cwd=tmp_path)
    assert (day.returncode, day.stdout) == (1, "")
    assert "not enough ticks of that period" in one_line(day.stderr.replace("  export ticks ...\n", ""))
    assert not (tmp_path / "none.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export"], "--to"),
        (["export", "--to", "a.xls"], "the name says no format"),
        (["export", "--to", "a.csv", "--from", "yesterday"], "--from 'yesterday' is no ISO time"),
        (["export", "--to", "a.csv", "--from", "2024-02-01", "--until", "2024-01-01"], "--from is not before --until"),
        (["export", "--to", "a.csv", "--what", "gas", "--venue", "a"], "--venue and --pair choose among ticks"),
        (["export", "--to", "a.csv", "--what", "blocks"], "--what"),
        (["prune", "--older-than", "7"], "a training reads the last 30 days"),
        (["prune", "--older-than", "0"], "--older-than"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = arbml(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_prune_deletes_what_is_older_than_the_retention(store: Store, tmp_path: Path) -> None:
    done = arbml("prune", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    line, *table = done.stdout.splitlines()
    assert line.startswith("deleted 220 ticks and 0 gas prices from before 20")
    assert [row.split() for row in table if row] == [["deleted"], ["table", "rows"], ["ticks", "220"]]
    assert store.ticks.stats().rows == 180
    told = json.loads(arbml("--json", "prune", "--older-than", "30", cwd=tmp_path).stdout)["pruned"]
    assert told["ticks"] == told["rows"]["ticks"] == 120
    assert told["rows"]["blocks"] == told["rows"]["orphaned_blocks"] == 0
    assert store.ticks.stats().rows == 60
