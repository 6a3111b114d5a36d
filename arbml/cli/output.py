"""What people and machines see: tables and bars on a terminal, plain lines otherwise, one JSON object with --json."""

import json
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from arbml.clock import stopwatch_s

_EVERY_S = 10.0  # a line of a stage that has more to say


class Output:
    """Where commands write.

    Args:
        as_json: print nothing but one JSON object on standard output.
        debug: let libraries speak.
    """

    def __init__(self, as_json: bool = False, debug: bool = False) -> None:
        self.as_json, self.debug = as_json, debug
        self._facts: dict[str, Any] = {}

    def line(self, text: str) -> None:
        """Print a line for people."""
        if not self.as_json:
            print(text, flush=True)

    def table(
        self, title: str, header: Sequence[str], rows: Sequence[Sequence[object]], right: Container[int] | None = None
    ) -> None:
        """Print a table: drawn on a terminal, aligned plain text otherwise.

        Args:
            right: columns aligned to the right; without it those of numbers.
        """
        if self.as_json:
            return
        cells = [[_cell(value) for value in row] for row in rows]
        to_right = [_numeric(rows, i) if right is None else i in right for i in range(len(header))]
        if sys.stdout.isatty():
            from rich.console import Console
            from rich.table import Table
            from rich.text import Text

            drawn = Table(title=title, title_justify="left")
            for index, name in enumerate(header):
                drawn.add_column(name, justify="right" if to_right[index] else "left", overflow="fold")
            for row in cells:
                drawn.add_row(*(Text(cell) for cell in row))
            Console().print(drawn)
            return
        widths = [max(len(line[i]) for line in [list(header), *cells]) for i in range(len(header))]
        print(f"\n{title}")
        for line in [list(header), *cells]:
            padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, to_right, strict=True)]
            print("  " + "  ".join(padded).rstrip())
        print(flush=True)

    def fact(self, **facts: Any) -> None:
        """Keep facts for the JSON object."""
        self._facts.update(facts)

    def finish(self) -> None:
        """Print the JSON object, if that is what was asked for."""
        if self.as_json:
            print(json.dumps(self._facts, default=_plain, indent=2))

    @contextmanager
    def progress(self) -> Iterator[None]:
        """Show what flows report meanwhile: bars on a terminal, a line at the end of each stage otherwise."""
        from flows.progress import listening

        if self.as_json:
            yield
        elif sys.stderr.isatty():
            with _Bars() as bars, listening(bars.report):
                yield
        else:
            with listening(_Lines().report):
                yield


class _Lines:
    """One plain line when a stage begins and one when it ends; of work that has more to say, a line now and then."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._told_s = 0.0

    def report(self, stage: str, fraction: float, detail: str = "") -> None:
        if stage not in self._began:
            self._began[stage] = stopwatch_s()
            print(f"  {stage} ...", file=sys.stderr, flush=True)
        if detail and stopwatch_s() - self._told_s >= _EVERY_S:
            self._told_s = stopwatch_s()
            print(f"  {stage}: {detail}", file=sys.stderr, flush=True)
        if fraction >= 1:
            seconds = stopwatch_s() - self._began.pop(stage)
            print(f"  {stage}: done in {seconds:.1f} s", file=sys.stderr, flush=True)


class _Bars:
    """Rich progress bars, one a stage."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def report(self, stage: str, fraction: float, detail: str = "") -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=1.0)
        self._progress.update(self._tasks[stage], completed=fraction, description=f"{stage}: {detail}" if detail else stage)


def shortened(text: str, limit: int = 200) -> str:
    """Return one line of at most `limit` characters; --json and the run in MLflow keep all of it.

    >>> shortened("a rather long remark", 8)
    'a rathe…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return "-" if value is None else str(value)


def _numeric(rows: Sequence[Sequence[object]], index: int) -> bool:
    values = [row[index] for row in rows if row[index] is not None]
    return bool(values) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _plain(value: Any) -> Any:
    """Turn what json does not know into plain data."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "_asdict"):
        return value._asdict()
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
