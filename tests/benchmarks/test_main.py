"""The benchmark runner: every suite is run, a failing one is seen, the reports are written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import benchmarks
from benchmarks import ingest
from benchmarks.__main__ import main
from benchmarks.figures import Figure, median_seconds

FIGURE = Figure("speed", 50.0, "rows/s", "peer", 100.0, "small")


def load(suite: str) -> Callable[[], list[Figure]]:
    def run() -> list[Figure]:
        if suite == "bad":
            raise RuntimeError("no luck\nat all")
        return [FIGURE, Figure("alone", 1.5, "ms")]

    return run


def test_a_failing_suite_hides_no_other_and_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bad", "good"], tmp_path, load) == 1
    assert "speed" in capsys.readouterr().out
    assert [row["name"] for row in json.loads((tmp_path / "benchmarks.json").read_text())] == ["speed", "alone"]
    page = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert "| speed | 50 | rows/s | peer | 100 | 0.5 | small |" in page
    assert "Failed: RuntimeError: no luck\n" in page


def test_the_files_have_all_that_machines_need(tmp_path: Path) -> None:
    assert main(["good"], tmp_path, load) == 0
    first, second = json.loads((tmp_path / "benchmarks.json").read_text())
    assert first == {"name": "speed", "value": 50.0, "unit": "rows/s", "peer": "peer", "peer_value": 100.0, "ratio": 0.5}
    assert (second["peer"], second["peer_value"], second["ratio"]) == ("", None, None)
    page = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert "Python 3." in page
    assert "`python -m benchmarks good`" in page


def test_an_unknown_suite_is_wrong_use(tmp_path: Path) -> None:
    assert main(["nothing"], tmp_path) == 2
    assert list(tmp_path.iterdir()) == []


def test_each_listed_suite_is_a_module_of_the_package() -> None:
    folder = Path(benchmarks.__file__).parent
    assert [suite for suite in benchmarks.SUITES if not (folder / f"{suite}.py").is_file()] == []


def test_works_take_turns_and_preparation_is_not_timed() -> None:
    done: list[str] = []
    seconds = median_seconds(2, lambda: done.append("a"), lambda: done.append("b"), before=lambda: done.append("-"))
    assert "".join(done) == "-a-b-a-b"
    assert all(0 <= taken < 1 for taken in seconds)


@pytest.mark.slow
def test_the_ingest_suite_measures_both_databases_both_ways() -> None:
    figures = ingest.run(rows=2_000, repeats=1, rows_read=3_000)
    assert [figure.name for figure in figures] == [
        "ingest into SQLite", "range read from SQLite", "ingest into PostgreSQL", "ingest into PostgreSQL, peer encoded",
        "ingest into PostgreSQL of what is known", "range read from PostgreSQL", "range read from PostgreSQL into a frame",
        "range read from PostgreSQL, fixed rows",
    ]
    assert all(figure.value > 0 and (figure.ratio is not None) == bool(figure.peer) for figure in figures)
