"""Runs a Great Expectations suite of `expectations/` on a frame. The only door to great_expectations.

A suite is JSON, one file per kind of frame. An expectation whose meta says `"critical": true` stops the flow when it fails;
the others warn. Some expectations look at columns that `_derived` adds, because they are about pairs of rows.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from arbml.errors import ConfigError, DataQualityError

SUITES = ("ticks", "features", "executions")


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """One expectation and what came of it."""

    expectation: str
    column: str
    critical: bool
    success: bool
    checked: int
    unexpected: int
    first_row: int | None
    example: str
    why: str

    @property
    def line(self) -> str:
        """One line for people."""
        mark = "ok  " if self.success else "FAIL" if self.critical else "warn"
        name = self.expectation.removeprefix("expect_")
        detail = ""
        if not self.success:
            found = f"{self.unexpected} of {self.checked} rows" if self.unexpected else f"found {self.example}"
            first = f", first at row {self.first_row}: {self.example}" if self.first_row is not None else ""
            detail = f" -- {found}{first}"
        return f"{mark} {self.column or 'table'}: {name}{detail} ({self.why})"


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What a suite said of a frame."""

    suite: str
    rows: int
    results: tuple[ExpectationResult, ...]

    @property
    def critical_failed(self) -> tuple[ExpectationResult, ...]:
        """The failures that stop a flow."""
        return tuple(r for r in self.results if r.critical and not r.success)

    @property
    def warnings(self) -> tuple[ExpectationResult, ...]:
        """The failures that do not."""
        return tuple(r for r in self.results if not r.critical and not r.success)

    @property
    def success(self) -> bool:
        """True when nothing critical failed."""
        return not self.critical_failed

    def text(self) -> str:
        """The whole report, failures first, one line an expectation."""
        order = sorted(self.results, key=lambda r: (r.success, not r.critical))
        verdict = "passed" if self.success else f"FAILED: {len(self.critical_failed)} critical"
        head = f"validation of {self.rows} {self.suite}: {verdict}, {len(self.warnings)} warnings"
        return "\n".join([head, *("  " + r.line for r in order)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {"suite": self.suite, "rows": self.rows, "success": self.success, "results": [asdict(r) for r in self.results]}


def validate(df: pd.DataFrame, suite: str, folder: Path | None = None) -> ValidationReport:
    """Run the suite on the frame.

    Args:
        df: a tick, feature or execution frame.
        suite: one of `SUITES`.
        folder: where the suites are; the project's own without it.

    Raises:
        ConfigError: if the suite's file is missing or is not a suite.
    """
    import great_expectations as gx

    data = pd.concat([df, _derived(df, suite)], axis=1)
    context = _context()
    spec = _read_suite(suite, folder)
    try:
        expectations = gx.ExpectationSuite(**spec)
        source = context.data_sources.add_or_update_pandas("frames")
        batch = source.add_dataframe_asset(suite).add_batch_definition_whole_dataframe("all").get_batch({"dataframe": data})
        outcome = batch.validate(expectations, result_format={"result_format": "SUMMARY", "partial_unexpected_count": 1})
    except (TypeError, ValueError, gx.exceptions.GreatExpectationsError) as error:
        raise ConfigError(f"expectations/{suite}.json is not a valid suite: {str(error).splitlines()[0]}") from error
    return ValidationReport(suite, len(df), tuple(_result(r) for r in outcome.results))


def require(report: ValidationReport) -> ValidationReport:
    """Return the report, or stop.

    Raises:
        DataQualityError: when a critical expectation failed; it carries the whole report.
    """
    if report.success:
        return report
    worst = report.critical_failed[0]
    more = f" (and {len(report.critical_failed) - 1} more critical)" if len(report.critical_failed) > 1 else ""
    raise DataQualityError(f"validation of {report.suite} failed: {worst.line.removeprefix('FAIL ')}{more}", report.text())


@lru_cache(maxsize=1)
def _context() -> Any:
    """Return one quiet, in-memory GX context for the process."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _read_suite(suite: str, folder: Path | None) -> dict[str, Any]:
    here = Path(__file__).parent
    # the wheel carries the suites beside this module; a checkout has them at its top
    folders = [folder] if folder else [here / "expectations", here.parent / "expectations"]
    for candidate in folders:
        path = candidate / f"{suite}.json"
        if path.is_file():
            try:
                return dict(json.loads(path.read_text()))
            except ValueError as error:
                raise ConfigError(f"{path} is not JSON: {error}") from error
    raise ConfigError(f"no suite '{suite}' in {folders[-1]}; the suites are {', '.join(SUITES)}")


def _result(raw: Any) -> ExpectationResult:
    config, result = raw.expectation_config, raw.result
    kwargs, meta = config.kwargs, config.meta or {}
    columns = kwargs.get("column_list") or [kwargs[k] for k in ("column", "column_A", "column_B") if k in kwargs]
    rows = result.get("partial_unexpected_index_list") or []
    examples = result.get("partial_unexpected_list") or []
    raised = [info for info in (raw.exception_info or {}).values() if isinstance(info, dict) and info.get("raised_exception")]
    example = raised[0].get("exception_message", "") if raised else examples[0] if examples else result.get("observed_value", "")
    return ExpectationResult(
        expectation=config.type,
        column=",".join(columns),
        critical=bool(meta.get("critical", True)),
        success=bool(raw.success),
        checked=int(result.get("element_count") or 0),
        unexpected=int(result.get("unexpected_count") or 0),
        first_row=int(rows[0]) if rows and isinstance(rows[0], int | np.integer) else None,
        example=" ".join(str(example).split())[:120],
        why=str(meta.get("why", "")),
    )


def _derived(df: pd.DataFrame, suite: str) -> pd.DataFrame:
    """Return the columns that expectations need beside the frame's own, aligned with it."""
    builders: dict[str, Callable[[pd.DataFrame], dict[str, Any]]] = {
        "ticks": _derived_ticks, "features": _derived_features, "executions": _derived_executions,
    }
    return pd.DataFrame(builders[suite](df), index=df.index)


def _derived_ticks(df: pd.DataFrame) -> dict[str, Any]:
    ordered = df.sort_values(["ts_ms", "log_index"], kind="stable")
    streams = ordered.groupby(["venue", "pair"], sort=False, dropna=False)
    step_ms = streams["ts_ms"].diff()
    spacing_ms = step_ms.where(step_ms > 0).groupby([ordered["venue"], ordered["pair"]], dropna=False).transform("median")
    with np.errstate(divide="ignore", invalid="ignore"):
        log_price = np.log(ordered["price"].where(ordered["price"] > 0))
    return {
        "abs_log_return": log_price.groupby([ordered["venue"], ordered["pair"]], dropna=False).diff().abs(),
        "gap_to_spacing": step_ms / spacing_ms,
        "delay_ms": df["ts_known_ms"] - df["ts_ms"],
        "stream_rows": streams["ts_ms"].transform("size"),
    }


def _derived_features(df: pd.DataFrame) -> dict[str, Any]:
    values = df.drop(columns=[c for c in ("ts_known_ms", "ts_ms", "venue", "pair", "price") if c in df]).to_numpy(dtype="float64")
    return {
        "infinite_values": np.isinf(values).sum(axis=1) if len(df) else [],
        "missing_share": np.isnan(values).mean(axis=1) if len(df) and values.shape[1] else np.zeros(len(df)),
    }


def _derived_executions(df: pd.DataFrame) -> dict[str, Any]:
    return {"reverted_profit": df["profit"].where(df["result"] == "reverted")}
