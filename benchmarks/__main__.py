"""Measure everything: `python -m benchmarks [SUITE...]`; writes docs/benchmarks.md and benchmarks.json.

A suite that fails is reported and makes the exit code 1; the others are measured all the same.
"""

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import SUITES
from benchmarks.figures import Figure
from benchmarks.report import Report, machine, shown, write_json, write_markdown

ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str], root: Path = ROOT, load: Callable[[str], Callable[[], list[Figure]]] | None = None) -> int:
    """Run the named suites, or all, and write the reports under `root`; return the exit code."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    unknown = sorted(set(arguments) - set(SUITES)) if load is None else []
    if unknown:
        console.print(f"no such suite: {', '.join(unknown)}; there are {', '.join(SUITES)}")
        return 2
    figures: dict[str, list[Figure]] = {}
    failures: dict[str, str] = {}
    for suite in arguments or SUITES:
        console.print(f"{suite} ...", highlight=False)
        try:
            figures[suite] = (load or _load)(suite)()
        except Exception as error:  # whatever it is, the other suites are still wanted
            failures[suite] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
    report = Report(machine(), " ".join(["python -m benchmarks", *arguments]), figures, failures)
    console.print(_table(report))
    write_json(report, root / "benchmarks.json")
    write_markdown(report, root / "docs" / "benchmarks.md")
    for suite, reason in failures.items():
        console.print(f"{suite} failed: {reason}", highlight=False, markup=False)
    return 1 if failures else 0


def _load(suite: str) -> Callable[[], list[Figure]]:
    run: Callable[[], list[Figure]] = importlib.import_module(f"benchmarks.{suite}").run
    return run


def _table(report: Report) -> Table:
    table = Table("suite", "figure", "value", "unit", "peer", "peer's value", "ratio")
    for suite, figures in report.figures.items():
        for figure in figures:
            table.add_row(suite, figure.name, shown(figure.value), figure.unit, figure.peer, shown(figure.peer_value), shown(figure.ratio))
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
