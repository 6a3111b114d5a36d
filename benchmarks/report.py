"""The figures on paper: a page for people, and JSON for machines."""

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from arbml.clock import SystemClock, iso
from benchmarks.figures import Figure


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one run, by suite, and why suites failed."""

    machine: str
    command: str
    figures: dict[str, list[Figure]]
    failures: dict[str, str]


def machine() -> str:
    """Describe the machine in one line."""
    cpu = next((value for key, value in _pairs("/proc/cpuinfo") if key == "model name"), platform.processor() or platform.machine())
    memory_kib = next((int(value.split()[0]) for key, value in _pairs("/proc/meminfo") if key == "MemTotal"), 0)
    memory = f", {memory_kib / 2**20:.0f} GiB" if memory_kib else ""
    return f"{cpu}, {len(os.sched_getaffinity(0))} cores{memory}, {platform.system()}, Python {platform.python_version()}"


def shown(value: float | None) -> str:
    """Format a number with four digits that matter.

    >>> [shown(value) for value in (1234567.8, 12.3456, 0.000123456, None)]
    ['1,234,568', '12.35', '0.0001235', '']
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def write_json(report: Report, path: Path) -> None:
    """Write the list of figures: name, value, unit, peer, peer_value, ratio."""
    rows = [
        {name: getattr(figure, name) for name in ("name", "value", "unit", "peer", "peer_value", "ratio")}
        for figures in report.figures.values()
        for figure in figures
    ]
    path.write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n")


def write_markdown(report: Report, path: Path) -> None:
    """Write the page for people."""
    lines = [
        "# Benchmarks",
        "",
        f"Machine: {report.machine}. Date: {iso(SystemClock().now_ms())[:10]}. Command: `{report.command}`.",
        "",
        "Each value is the median of repeats in which arbml and its peer took turns; the ratio is value / peer's value, so for",
        "rates more is better and for times less is. Measure on an idle machine, and compare ratios rather than values.",
    ]
    head = ["| figure | value | unit | peer | peer's value | ratio | note |", "|---|---:|---|---|---:|---:|---|"]
    for suite, figures in report.figures.items():
        lines += ["", f"## {suite}", "", *head]
        lines += [
            f"| {f.name} | {shown(f.value)} | {f.unit} | {f.peer} | {shown(f.peer_value)} | {shown(f.ratio)} | {f.note} |" for f in figures
        ]
    for suite, reason in report.failures.items():
        lines += ["", f"## {suite}", "", f"Failed: {reason.splitlines()[0]}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _pairs(path: str) -> list[tuple[str, str]]:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return []
    return [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]
